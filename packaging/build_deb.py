"""Build the Debian package: the bundle under /usr/lib/nat64, units by the roles' own templates, configs, manual pages.

    dist/nat64_VERSION_all.deb

No root is needed, and no Ansible. debhelper (packaging/debian) makes the package of a tree that is laid out here. The same
sources, bundle and tools give the same bytes: times are that of the last commit, or SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import email.utils
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from build_bundle import ARCHIVE
from building import DIST, PROJECT, CannotBuild, argument_parser, build_time, report, run, size
from debian_copyright import copyright_file
from manuals import write_manuals
from package_tree import bundled_version, lay_out, unpack_bundle

DEBIAN: Final = PROJECT / "packaging" / "debian"
# Command -> the Debian package that brings it; the same packages as in packaging/requirements-debian.txt.
TOOLS: Final = {"dh": "debhelper", "dpkg-buildpackage": "dpkg-dev", "pandoc": "pandoc"}

SYSUSERS: Final = """\
u nat64 - "NAT64 translator" /nonexistent /usr/sbin/nologin
u dns64 - "DNS64 server" /nonexistent /usr/sbin/nologin
# The control sockets of both belong to this group.
m dns64 nat64
"""


def main() -> int:
    """Build the package; print where it is."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--bundle", type=Path, default=ARCHIVE, help="the bundle to carry (default: %(default)s)"
    )
    parser.add_argument("--version", help="the package's version (default: that of the bundle)")
    parser.add_argument(
        "--directory", type=Path, default=DIST, help="where to write it (default: %(default)s)"
    )
    arguments = parser.parse_args()

    def build_it() -> str:
        check_tools()
        return size(build(arguments.bundle, arguments.version, arguments.directory))

    return report("deb", build_it)


def check_tools() -> None:
    """Raise `CannotBuild` unless every tool is there."""
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        raise CannotBuild(f"missing tools; install them with: apt-get install {' '.join(missing)}")


def build(bundle: Path, version: str | None, directory: Path) -> Path:
    """Build the package of a bundle into `directory`, and return it."""
    with tempfile.TemporaryDirectory(prefix="nat64-deb-") as scratch:
        source = Path(scratch, "nat64")
        unpacked = unpack_bundle(bundle, source / "root/usr/lib/nat64")
        version = version or debian_version(bundled_version(unpacked))
        time = build_time()
        lay_out(source / "root", "Debian")
        write_sysusers(source / "root/usr/lib/sysusers.d")
        write_manuals(source / "man", version, time)
        write_debian(source / "debian", unpacked, version, time)
        for path in (source / "root").rglob("*"):
            os.utime(path, (time, time), follow_symlinks=False)
        run_debhelper(source, time)
        (built,) = Path(scratch).glob("*.deb")
        directory.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(built, directory))


def debian_version(version: str) -> str:
    """Mark what is older than the release as Debian does; Python writes it without a mark."""
    return re.sub(r"\.?(dev|a|b|rc)(?=\d)", r"~\1", version)


def write_sysusers(directory: Path) -> None:
    """Write which users the package has."""
    directory.mkdir(parents=True)
    (directory / "nat64.conf").write_text(SYSUSERS, encoding="utf-8")


def write_debian(directory: Path, unpacked: Path, version: str, time: int) -> None:
    """Write what debhelper reads: our files, and the changelog and copyright that are made here."""
    shutil.copytree(DEBIAN, directory)
    (directory / "rules").chmod(0o755)
    (directory / "changelog").write_text(
        f"nat64 ({version}) unstable; urgency=medium\n\n"
        f"  * Version {version}; what it brings is in the project's CHANGELOG.md.\n\n"
        f" -- the nat64 authors <nat64@packages.example>  {email.utils.formatdate(time)}\n",
        encoding="utf-8",
    )
    members = {
        str(path.relative_to(unpacked)): path.read_bytes()
        for path in (unpacked / "lib").glob("*.dist-info/**/*")
        if path.is_file()
    }
    (directory / "copyright").write_text(copyright_file(members), encoding="utf-8")


def run_debhelper(source: Path, time: int) -> None:
    """Make the package beside `source`."""
    environment = os.environ | {
        "SOURCE_DATE_EPOCH": str(time),
        "LC_ALL": "C.UTF-8",
        "DEB_BUILD_OPTIONS": "nocheck",
    }
    run(["dpkg-buildpackage", "--build=binary", "--no-sign", "--no-check-builddeps"], source, environment)


if __name__ == "__main__":
    sys.exit(main())
