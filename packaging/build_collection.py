"""Build the collection: everything a user needs, the bundle among it, as `ansible-galaxy collection install` takes it.

What is in it, galaxy.yml's `build_ignore` says. ansible-galaxy lists members in the order of the disk and writes the
time of the build; both are taken out again, so that the same tree gives the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from building import DIST, PROJECT, CannotBuild, argument_parser, report, run

BUNDLE: Final = "roles/bundle/files/nat64-bundle.tar.gz"
MANIFEST: Final = "MANIFEST.json"
FILES: Final = "FILES.json"

Members = dict[str, tuple[tarfile.TarInfo, bytes]]


def main() -> int:
    """Build the archive; print where it is."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--directory", type=Path, default=DIST, help="where to write it (default: %(default)s)"
    )
    directory: Path = parser.parse_args().directory
    return report("collection", lambda: str(build(directory)))


def build(directory: Path) -> Path:
    """Build the archive into `directory`, and return it."""
    check_bundle()
    with tempfile.TemporaryDirectory(prefix="nat64-collection-") as scratch:
        built = build_by_galaxy(Path(scratch))
        members = read(built)
    order_manifest(members)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / built.name).write_bytes(pack(members))
    return directory / built.name


def check_bundle() -> None:
    """See that the bundle stands where its role takes it from, and is the one its digest names."""
    archive = PROJECT / BUNDLE
    if not archive.exists():
        raise CannotBuild(f"there is no {BUNDLE}; run 'make bundle'")
    digest = archive.with_name(f"{archive.name}.sha256").read_text(encoding="ascii").split()[0]
    if digest != hashlib.sha256(archive.read_bytes()).hexdigest():
        raise CannotBuild(f"{BUNDLE} is not what its .sha256 says; run 'make bundle'")


def build_by_galaxy(directory: Path) -> Path:
    """Let ansible-galaxy build the collection in `directory`."""
    galaxy = [sys.executable, "-m", "ansible", "galaxy", "collection", "build", str(PROJECT)]
    run([*galaxy, "--output-path", str(directory)])
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
