"""Build what Alpine's abuild and Gentoo's emerge take: a release's sources, and the packages' own, pointing at them.

    dist/nat64-VERSION.tar.gz    what is compiled and rendered, with the locked dependencies' wheels and the manual pages
    dist/alpine                  an aport: `abuild -r` in it, with the sources beside it
    dist/gentoo                  a repository for /etc/portage/repos.conf; the sources go into DISTDIR

The dependencies come along as the .deb has them, with the versions that the tests have run with, for neither
distribution has all of them. The manual pages do, as pandoc is more than a gateway's builder should have to install.
The same commit gives the same bytes.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from build_bundle import locked_wheels, pack
from building import DIST, PROJECT, CannotBuild, argument_parser, build_time, report, run
from manuals import write_manuals
from package_tree import program_version

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the packages are built of: the roles' own variables are those that templates are rendered by.
SOURCES: Final = (
    *("nat64", "packaging", "templates", "docs"),
    *("roles/nat64/defaults", "roles/nat64/vars", "roles/dns64/defaults", "roles/dns64/vars"),
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"),
)
VERSIONED: Final = "nat64/__init__.py"
ALPINE: Final = PROJECT / "packaging" / "alpine"
GENTOO: Final = PROJECT / "packaging" / "gentoo"
EBUILD: Final = Path("net-proxy/nat64")


def main() -> int:
    """Build all of it; print where it is."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--directory", type=Path, default=DIST, help="where to write it (default: %(default)s)"
    )
    parser.add_argument("--version", help="release it as this version (default: that of the tree)")
    arguments = parser.parse_args()
    return report("sources", lambda: str(build(arguments.directory, arguments.version)))


def build(directory: Path, version: str | None) -> Path:
    """Build all of it into `directory`, and return the sources' archive. `version` is as Python writes it."""
    version = version or program_version((PROJECT / VERSIONED).read_text(encoding="utf-8"))
    named = ordered_version(version)
    directory.mkdir(parents=True, exist_ok=True)
    archive = directory / f"nat64-{named}.tar.gz"
    archive.write_bytes(pack({f"nat64-{named}/{name}": content for name, content in members(version)}))
    write_aport(directory / "alpine", named, archive)
    write_repository(directory / "gentoo", named, archive)
    return archive


def ordered_version(version: str) -> str:
    """Return a Python version as both distributions write it, so that what is older than the release sorts so."""
    kinds = {"dev": "_pre", "a": "_alpha", "b": "_beta", "rc": "_rc"}
    return re.sub(r"\.?(dev|a|b|rc)(?=\d)", lambda found: kinds[found[1]], version)


def members(version: str) -> Iterator[tuple[str, bytes]]:
    """Yield each file of the sources by name: what Git keeps, the manual pages, the wheels of the lock."""
    for name in run(["git", "-C", str(PROJECT), "ls-files", "-z", "--", *SOURCES]).split("\0"):
        if not name or not (PROJECT / name).is_file():
            continue
        content = (PROJECT / name).read_bytes()
        if name == VERSIONED:
            content = re.sub(rb"(?m)^__version__ = .*", f'__version__ = "{version}"'.encode(), content)
        yield name, content
    with tempfile.TemporaryDirectory(prefix="nat64-sources-") as scratch:
        write_manuals(Path(scratch, "man"), version, build_time())
        fetch_wheels(Path(scratch, "wheels"))
        for path in sorted(Path(scratch).glob("*/*")):
            yield str(path.relative_to(scratch)), path.read_bytes()


def fetch_wheels(directory: Path) -> None:
    """Fetch the locked dependencies, checked by hash."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *locked_wheels()]
    if subprocess.run([*pip, "--dest", str(directory)], check=False).returncode:
        raise CannotBuild("'pip download' failed, its reason is above; run 'make setup' and try again")


def write_aport(directory: Path, version: str, archive: Path) -> None:
    """Write the aport, with the version and the digest of its source."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(ALPINE, directory)
    aport = directory / "APKBUILD"
    text = re.sub(r"(?m)^pkgver=.*", f"pkgver={version}", aport.read_text(encoding="utf-8"))
    digest = hashlib.sha512(archive.read_bytes()).hexdigest()
    aport.write_text(f'{text}\nsha512sums="\n{digest}  {archive.name}\n"\n', encoding="utf-8")
    shutil.copy(archive, directory)


def write_repository(directory: Path, version: str, archive: Path) -> None:
    """Write the repository, whose ebuild is named by the version, with the digests of its source."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(GENTOO, directory)
    package = directory / EBUILD
    (package / "nat64.ebuild").rename(package / f"nat64-{version}.ebuild")
    content = archive.read_bytes()
    digests = f"BLAKE2B {hashlib.blake2b(content).hexdigest()} SHA512 {hashlib.sha512(content).hexdigest()}"
    (package / "Manifest").write_text(f"DIST {archive.name} {len(content)} {digests}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
