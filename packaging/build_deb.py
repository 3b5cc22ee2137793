"""Build the Debian package: the bundle under /usr/lib/nat64, units by the roles' own templates, configs, manual pages.

    dist/nat64_VERSION_all.deb

No root is needed, and no Ansible. debhelper (packaging/debian) makes the package of a tree that is laid out here. The same
sources, bundle and tools give the same bytes: times are that of the last commit, or SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import argparse
import email.utils
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from build_bundle import ARCHIVE
from debian_copyright import copyright_file
from jinja2 import TemplateError
from role_templates import PROJECT, render

DEBIAN: Final = PROJECT / "packaging" / "debian"
MANUAL_FILTER: Final = PROJECT / "packaging" / "man" / "manual.lua"
# Command -> the Debian package that brings it; the same packages as in packaging/requirements-debian.txt.
TOOLS: Final = {"dh": "debhelper", "dpkg-buildpackage": "dpkg-dev", "pandoc": "pandoc"}

MANUALS: Final = {
    "nat64d.8": "docs/man/nat64d.8.md",
    "dns64d.8": "docs/man/dns64d.8.md",
    "nat64-clat.8": "docs/man/nat64-clat.8.md",
    "nat64ctl.1": "docs/man/nat64ctl.1.md",
    "nat64.conf.5": "docs/nat64.conf.md",
    "dns64.conf.5": "docs/dns64.conf.md",
}

MANAGED: Final = "Part of the Debian package nat64."
EXAMPLE: Final = """\
Nothing is set yet, and {command} does not start: take away the # before what you need, and make it that of your network.
{command} --check tells what is wrong or missing; {manual}(5) has every directive."""

# Where each rendered file stands, its template, and whose init system it is for.
RENDERED: Final = {
    "usr/lib/systemd/system/nat64-tun.service": ("nat64/nat64-tun.service.j2", "systemd"),
    "usr/lib/systemd/system/nat64d.service": ("nat64/nat64d.service.j2", "systemd"),
    "usr/lib/systemd/system/dns64d.service": ("dns64/dns64d.service.j2", "systemd"),
    "usr/lib/systemd/network/10-nat64.network": ("nat64/nat64.network.j2", "systemd"),
    "usr/lib/NetworkManager/conf.d/90-nat64.conf": ("nat64/networkmanager.conf.j2", "systemd"),
    "usr/lib/modules-load.d/nat64.conf": ("nat64/modules-load.conf.j2", "systemd"),
    "usr/lib/tmpfiles.d/nat64.conf": ("nat64/tmpfiles.conf.j2", "systemd"),
    "etc/logrotate.d/dns64d": ("dns64/dns64d.logrotate.j2", "systemd"),
    "usr/share/doc/nat64/examples/openrc/init.d/nat64d": ("nat64/nat64d.openrc.j2", "openrc"),
    "usr/share/doc/nat64/examples/openrc/init.d/dns64d": ("dns64/dns64d.openrc.j2", "openrc"),
    "usr/share/doc/nat64/examples/openrc/conf.d/nat64d": ("nat64/nat64d.confd.j2", "openrc"),
    "usr/share/doc/nat64/examples/openrc/conf.d/dns64d": ("dns64/dns64d.confd.j2", "openrc"),
}
# What an inventory or the look at a host tells a role. Rotated is the log that the unit has a directory for.
GIVEN: Final[dict[str, dict[str, object]]] = {
    "nat64/nat64d.openrc.j2": {"__nat64_host": {"netifrc": "none"}},
    "dns64/dns64d.logrotate.j2": {"dns64_query_log": "/var/log/dns64d/queries.log"},
}

SYSUSERS: Final = """\
u nat64 - "NAT64 translator" /nonexistent /usr/sbin/nologin
u dns64 - "DNS64 server" /nonexistent /usr/sbin/nologin
# The control sockets of both belong to this group.
m dns64 nat64
"""


class CannotBuild(Exception):  # noqa: N818 - the sentence its message goes on
    """The package cannot be built; the message says why and what to do."""


def main() -> int:
    """Build the package; print where it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--bundle", type=Path, default=ARCHIVE, help="the bundle to carry (default: %(default)s)"
    )
    parser.add_argument("--version", help="the package's version (default: that of the bundle)")
    parser.add_argument(
        "--directory", type=Path, default=PROJECT / "dist", help="where to write it (default: %(default)s)"
    )
    arguments = parser.parse_args()
    try:
        check_tools()
        package = build(arguments.bundle, arguments.version, arguments.directory)
    except (CannotBuild, TemplateError) as reason:
        print(f"deb: {reason}", file=sys.stderr)
        return 1
    print(f"deb: {package} ({package.stat().st_size // 1024} KiB)")
    return 0


def check_tools() -> None:
    """Raise `CannotBuild` unless every tool is there."""
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        raise CannotBuild(f"missing tools; install them with: apt-get install {' '.join(missing)}")


def build(bundle: Path, version: str | None, directory: Path) -> Path:
    """Build the package of a bundle into `directory`, and return it."""
    if not bundle.exists():
        raise CannotBuild(f"there is no {bundle}; run 'make bundle'")
    archive = bundle.read_bytes()
    with tempfile.TemporaryDirectory(prefix="nat64-deb-") as scratch:
        source = Path(scratch, "nat64")
        unpacked = unpack_bundle(archive, source / "root/usr/lib/nat64")
        version = version or bundled_version(unpacked)
        time = build_time()
        lay_out(source / "root")
        write_manuals(source / "man", version, time)
        write_debian(source / "debian", unpacked, version, time)
        for path in (source / "root").rglob("*"):
            os.utime(path, (time, time), follow_symlinks=False)
        run_debhelper(source, time)
        (built,) = Path(scratch).glob("*.deb")
        directory.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(built, directory))


def unpack_bundle(archive: bytes, directory: Path) -> Path:
    """Unpack it as the role `bundle` does, to a directory of its digest's name that is `current`; return that."""
    name = hashlib.sha256(archive).hexdigest()[:16]
    unpacked = directory / name
    unpacked.mkdir(parents=True)
    (unpacked.parent / "archive").write_bytes(archive)
    with tarfile.open(unpacked.parent / "archive") as members:
        members.extractall(unpacked, filter="data")
    (unpacked.parent / "archive").unlink()
    (directory / "current").symlink_to(name)
    return unpacked


def bundled_version(unpacked: Path) -> str:
    """Return the version that a bundle's commands call themselves by."""
    said = (unpacked / "lib/nat64/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', said, re.MULTILINE)
    if found is None:
        raise CannotBuild("the bundle does not say its version; build it with 'make bundle'")
    # What Debian takes for older than the release, Python writes without a mark.
    return re.sub(r"\.?(dev|a|b|rc)(?=\d)", r"~\1", found[1])


def build_time() -> int:
    """Return the time of all files, in seconds: SOURCE_DATE_EPOCH, else that of the last commit."""
    told = os.environ.get("SOURCE_DATE_EPOCH")
    if told is None:
        command = ["git", "-C", str(PROJECT), "log", "--max-count=1", "--format=%ct"]
        asked = subprocess.run(command, check=False, capture_output=True, text=True)
        told = asked.stdout.strip()
    if not told.isdecimal():
        raise CannotBuild("this is no checkout of git; set SOURCE_DATE_EPOCH to the seconds of a time")
    return int(told)


def lay_out(root: Path) -> None:
    """Write the package's files beside the bundle: what is rendered, the example configs, users, links."""
    files = {path: render_file(*found) for path, found in RENDERED.items()}
    files["usr/lib/sysusers.d/nat64.conf"] = SYSUSERS
    files |= example_configs()
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(0o755 if "/init.d/" in path else 0o644)
    for command in ("usr/sbin/nat64d", "usr/sbin/dns64d", "usr/sbin/nat64-clat", "usr/bin/nat64ctl"):
        link = root / command
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../lib/nat64/current/bin/{link.name}")


def render_file(template: str, init: str) -> str:
    """Render one of the files that the package has."""
    return render(template, init, {"ansible_managed": MANAGED} | GIVEN.get(template, {}))


def example_configs() -> dict[str, str]:
    """Return the configs, rendered for a documentation network, and all directives in them commented out."""
    network: dict[str, object] = {
        "nat64_prefix": "2001:db8:64:ff9b::/96",
        "nat64_ipv6_addr": "2001:db8:64::1",
        "dns64_interfaces": ["lan0"],
    }
    configs = {}
    for name, command in (("nat64", "nat64d"), ("dns64", "dns64d")):
        said = {"ansible_managed": EXAMPLE.format(command=command, manual=f"{name}.conf")}
        rendered = render(f"{name}/{name}.conf.j2", "systemd", network | said)
        configs[f"etc/nat64/{name}.conf"] = re.sub(r"(?m)^(?=[^#\n])", "#", rendered)
    return configs


def write_manuals(directory: Path, version: str, time: int) -> None:
    """Make the manual pages of the pages in docs/."""
    directory.mkdir()
    date = email.utils.formatdate(time).split(" ", 1)[1][:11]
    for manual, source in MANUALS.items():
        name, _, section = manual.rpartition(".")
        facts = {"title": name.upper(), "section": section, "date": date, "footer": f"nat64 {version}"}
        command = ["pandoc", "--from=gfm", "--to=man", "--standalone", f"--lua-filter={MANUAL_FILTER}"]
        command += [word for fact, text in facts.items() for word in ("--metadata", f"{fact}={text}")]
        run([*command, f"--output={directory / manual}", str(PROJECT / source)])


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


def run(command: list[str], directory: Path | None = None, environment: dict[str, str] | None = None) -> None:
    """Run a tool. Raises `CannotBuild` with what it said when it fails."""
    done = subprocess.run(
        command, check=False, cwd=directory, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise CannotBuild(f"'{command[0]}' failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
