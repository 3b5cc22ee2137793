"""Lay out what a distribution's package holds: the bundle, and the roles' own templates, rendered without Ansible.

    packaging/package_tree.py alpine|gentoo --output DIRECTORY

What the distribution's own tools do better stays with them: users, manual pages, the package itself.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tarfile
from pathlib import Path
from typing import Final

from build_bundle import ARCHIVE
from building import CannotBuild, argument_parser, report
from jinja2 import TemplateError
from role_templates import render

EXAMPLE: Final = """\
Nothing is set yet, and {command} does not start: take away the # before what you need, and make it that of your network.
{command} --check tells what is wrong or missing; {manual}(5) has every directive."""

# Where each rendered file stands, its template, and whose init system it is for.
Rendered = dict[str, tuple[str, str]]
_UNITS: Final[Rendered] = {
    "usr/lib/systemd/system/nat64-tun.service": ("nat64/nat64-tun.service.j2", "systemd"),
    "usr/lib/systemd/system/nat64d.service": ("nat64/nat64d.service.j2", "systemd"),
    "usr/lib/systemd/system/dns64d.service": ("dns64/dns64d.service.j2", "systemd"),
    "usr/lib/systemd/network/10-nat64.network": ("nat64/nat64.network.j2", "systemd"),
    "usr/lib/tmpfiles.d/nat64.conf": ("nat64/tmpfiles.conf.j2", "systemd"),
    "usr/lib/modules-load.d/nat64.conf": ("nat64/modules-load.conf.j2", "systemd"),
}
_EVERYWHERE: Final[Rendered] = {
    "usr/lib/NetworkManager/conf.d/90-nat64.conf": ("nat64/networkmanager.conf.j2", "systemd"),
    "etc/logrotate.d/dns64d": ("dns64/dns64d.logrotate.j2", "systemd"),
}


def _openrc(directory: str) -> Rendered:
    return {
        f"{directory}/{kind}/{daemon}d": (f"{daemon}/{daemon}d.{template}.j2", "openrc")
        for kind, template in (("init.d", "openrc"), ("conf.d", "confd"))
        for daemon in ("nat64", "dns64")
    }


# By the family that Ansible calls the distribution. Debian's sysvinit reads /etc/init.d as well, and cannot run these.
RENDERED: Final[dict[str, Rendered]] = {
    "Debian": _UNITS | _EVERYWHERE | _openrc("usr/share/doc/nat64/examples/openrc"),
    "Alpine": _EVERYWHERE | _openrc("etc"),
    "Gentoo": _UNITS | _EVERYWHERE | _openrc("etc"),
}
# What an inventory or the look at a host tells a role. Rotated is the log that the services have a directory for.
_LOGGED: Final[dict[str, object]] = {"dns64_query_log": "/var/log/dns64d/queries.log"}
GIVEN: Final[dict[str, dict[str, object]]] = {
    "nat64/nat64d.openrc.j2": {"__nat64_host": {"netifrc": "none"}},
    "dns64/dns64d.openrc.j2": _LOGGED,
    "dns64/dns64d.logrotate.j2": _LOGGED,
}


def main() -> int:
    """Lay out a tree; print where it is."""
    parser = argument_parser(__doc__)
    parser.add_argument("family", choices=[family.lower() for family in RENDERED], help="the distribution")
    parser.add_argument(
        "--bundle", type=Path, default=ARCHIVE, help="the bundle to carry (default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, required=True, help="the directory to lay it out in")
    arguments = parser.parse_args()

    def build() -> str:
        root: Path = arguments.output
        unpack_bundle(arguments.bundle, root / "usr/lib/nat64")
        lay_out(root, arguments.family.capitalize())
        return str(root)

    return report("package tree", build)


def unpack_bundle(archive: Path, directory: Path) -> Path:
    """Unpack it as the role `bundle` does, to a directory of its digest's name that is `current`; return that."""
    if not archive.exists():
        raise CannotBuild(f"there is no {archive}; run 'make bundle'")
    unpacked = directory / hashlib.sha256(archive.read_bytes()).hexdigest()[:16]
    unpacked.mkdir(parents=True)
    with tarfile.open(archive) as members:
        members.extractall(unpacked, filter="data")
    (directory / "current").symlink_to(unpacked.name)
    return unpacked


def bundled_version(unpacked: Path) -> str:
    """Return the version that a bundle's commands call themselves by, as Python writes versions."""
    return program_version((unpacked / "lib/nat64/__init__.py").read_text(encoding="utf-8"))


def program_version(module: str) -> str:
    """Return the version that the package's own module says. Raises `CannotBuild` where it says none."""
    found = re.search(r'^__version__ = "([^"]+)"', module, re.MULTILINE)
    if found is None:
        raise CannotBuild("nat64/__init__.py does not say its version")
    return found[1]


def lay_out(root: Path, family: str) -> None:
    """Write the package's files beside the bundle: what is rendered, the example configs, links."""
    files = {path: render_file(*found, family) for path, found in RENDERED[family].items()}
    for path, text in (files | example_configs()).items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(0o755 if "/init.d/" in path else 0o644)
    for command in ("usr/sbin/nat64d", "usr/sbin/dns64d", "usr/sbin/nat64-clat", "usr/bin/nat64ctl"):
        link = root / command
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../lib/nat64/current/bin/{link.name}")


def managed(family: str) -> str:
    """Return what a file's head says of who keeps it."""
    return f"Part of the {family} package nat64."


def render_file(template: str, init: str, family: str) -> str:
    """Render one of the files that the package has. Raises `CannotBuild` for a template with a mistake."""
    try:
        return render(template, init, {"ansible_managed": managed(family)} | GIVEN.get(template, {}), family)
    except TemplateError as mistake:
        raise CannotBuild(f"templates/{template}: {mistake}") from None


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


if __name__ == "__main__":
    sys.exit(main())
