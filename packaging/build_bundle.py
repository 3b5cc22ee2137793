"""Build the bundle: nat64 and its locked pure-Python dependencies in one reproducible archive.

    bin/nat64d bin/dns64d bin/nat64ctl bin/nat64-clat    launchers for the host's own /usr/bin/python3
    lib/                                  the packages, as their wheels hold them; the fast path, where clang compiles it

The same tree and lock give the same bytes: members are sorted and carry no time, owner or local path. Beside
the archive stands its SHA-256 digest, which names the directory that it is unpacked to on a host.
"""

from __future__ import annotations

import configparser
import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from building import PROJECT, CannotBuild, argument_parser, report

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK: Final = PROJECT / "packaging" / "bundle.lock"
ARCHIVE: Final = PROJECT / "roles" / "bundle" / "files" / "nat64-bundle.tar.gz"
FAST_PATH: Final = "lib/nat64/device/fast_path/fast_path.bpf.o"
LAUNCHER: Final = """\
#!/usr/bin/python3 -I
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "lib"))
from {module} import {function}
sys.exit({function}())
"""


def main() -> int:
    """Build the archive and its digest; print where they are."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--output", type=Path, default=ARCHIVE, help="the archive to write (default: %(default)s)"
    )
    parser.add_argument(
        "--wheels", type=Path, help="where the locked dependencies are (default: the package index)"
    )
    arguments = parser.parse_args()
    return report("bundle", lambda: build(arguments.output, arguments.wheels))


def build(output: Path, wheels: Path | None) -> str:
    """Build the archive and its digest, and say so."""
    with tempfile.TemporaryDirectory(prefix="nat64-bundle-") as scratch:
        members = dict(bundle_members(collect_wheels(Path(scratch), wheels)))
    archive = pack(members)
    digest = hashlib.sha256(archive).hexdigest()
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(archive)
    output.with_name(output.name + ".sha256").write_text(f"{digest}  {output.name}\n")
    if FAST_PATH not in members:
        print(
            "bundle: clang is not installed, so it has no fast path: nat64d translates in Python alone",
            file=sys.stderr,
        )
    return f"{output} ({len(archive) // 1024} KiB, sha256 {digest[:16]}…)"


def collect_wheels(scratch: Path, wheels: Path | None = None) -> list[Path]:
    """Build our own wheel and get those of the lock, checked by hash, into `scratch`: from `wheels`, or the index."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    own = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(scratch), str(PROJECT)]
    for step in (own, [*locked_wheels(wheels), "--dest", str(scratch)]):
        if subprocess.run([*pip, *step], check=False).returncode:
            raise CannotBuild(f"'pip {step[0]}' failed, its reason is above; run 'make setup' and try again")
    return sorted(scratch.glob("*.whl"))


def locked_wheels(wheels: Path | None = None) -> list[str]:
    """Return pip's command that gets what the lock names."""
    locked = ["download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    where = ["--no-index", "--find-links", str(wheels)] if wheels else []
    return [*locked, *where, "--requirement", str(LOCK)]


def bundle_members(wheels: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield each member's name and content. Raises `CannotBuild` for a wheel that is not pure Python."""
    for wheel in wheels:
        if not wheel.name.endswith("-none-any.whl"):
            raise CannotBuild(f"{wheel.name} is not pure Python; choose a dependency that is")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith("/"):
                    continue
                content = archive.read(name)
                yield f"lib/{name}", content
                if name.startswith("nat64-") and name.endswith(".dist-info/entry_points.txt"):
                    yield from _launchers(content.decode())


def _launchers(entry_points: str) -> Iterator[tuple[str, bytes]]:
    parser = configparser.ConfigParser()
    parser.read_string(entry_points)
    for command, target in parser["console_scripts"].items():
        module, _, function = target.partition(":")
        yield f"bin/{command}", LAUNCHER.format(module=module, function=function).encode()


def pack(members: dict[str, bytes]) -> bytes:
    """Write the members as a gzipped tar archive that depends on nothing but them."""
    compressed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=compressed, mtime=0) as stream,
        tarfile.open(mode="w", fileobj=stream, format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sorted(members.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if name.startswith("bin/") else 0o644
            archive.addfile(member, io.BytesIO(content))
    return compressed.getvalue()


if __name__ == "__main__":
    sys.exit(main())
