"""Build the collection: everything a user needs, the bundle among it, as `ansible-galaxy collection install` takes it.

What is in it, galaxy.yml's `build_ignore` says. ansible-galaxy lists members in the order of the disk and writes the
time of the build; both are taken out again, so that the same tree gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parent.parent
BUNDLE: Final = "roles/bundle/files/nat64-bundle.tar.gz"
MANIFEST: Final = "MANIFEST.json"
FILES: Final = "FILES.json"

Members = dict[str, tuple[tarfile.TarInfo, bytes]]


class CannotBuild(Exception):  # noqa: N818 - the sentence its message goes on
    """The collection cannot be built; the message says why and what to do."""


def main() -> int:
    """Build the archive; print where it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--directory", type=Path, default=PROJECT / "dist", help="where to write it (default: %(default)s)"
    )
    directory: Path = parser.parse_args().directory
    try:
        check_bundle()
        with tempfile.TemporaryDirectory(prefix="nat64-collection-") as scratch:
            built = build(Path(scratch))
            name, members = built.name, read(built)
    except CannotBuild as reason:
        print(f"collection: {reason}", file=sys.stderr)
        return 1
    order_manifest(members)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(pack(members))
    print(f"collection: {directory / name}")
    return 0


def check_bundle() -> None:
    """See that the bundle stands where its role takes it from, and is the one its digest names."""
    archive = PROJECT / BUNDLE
    if not archive.exists():
        raise CannotBuild(f"there is no {BUNDLE}; run 'make bundle'")
    digest = archive.with_name(f"{archive.name}.sha256").read_text(encoding="ascii").split()[0]
    if digest != hashlib.sha256(archive.read_bytes()).hexdigest():
        raise CannotBuild(f"{BUNDLE} is not what its .sha256 says; run 'make bundle'")


def build(directory: Path) -> Path:
    """Let ansible-galaxy build the collection in `directory`."""
    galaxy = [sys.executable, "-m", "ansible", "galaxy", "collection", "build", str(PROJECT)]
    done = subprocess.run(
        [*galaxy, "--output-path", str(directory)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise CannotBuild(f"'ansible-galaxy collection build' failed: {done.stderr.strip()}")
    (built,) = directory.glob("*.tar.gz")
    return built


def read(path: Path) -> Members:
    """Return the members of an archive by name."""
    members: Members = {}
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member) if member.isfile() else None
            members[member.name] = (member, content.read() if content else b"")
    return members


def order_manifest(members: Members) -> None:
    """List the files by name, in the manifest that ansible-galaxy checks them against."""
    listed = json.loads(members[FILES][1])
    listed["files"].sort(key=lambda file: file["name"])
    files = json.dumps(listed, indent=True).encode()
    manifest = json.loads(members[MANIFEST][1])
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(files).hexdigest()
    for name, content in ((FILES, files), (MANIFEST, json.dumps(manifest, indent=True).encode())):
        members[name][0].size = len(content)
        members[name] = (members[name][0], content)


def pack(members: Members) -> bytes:
    """Write the members as a gzipped tar archive without times, the manifest first, as readers of it expect."""
    compressed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=compressed, mtime=0) as stream,
        tarfile.open(mode="w", fileobj=stream, format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(members, key=lambda name: (name != MANIFEST, name != FILES, name)):
            member, content = members[name]
            member.mtime = 0
            archive.addfile(member, io.BytesIO(content))
    return compressed.getvalue()


if __name__ == "__main__":
    sys.exit(main())
