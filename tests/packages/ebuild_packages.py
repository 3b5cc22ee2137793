"""What Portage has built of our ebuilds, as the lab's stand-in for Gentoo takes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.packages.stand_in_repository import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages.gentoo_tree import Tree

ACCOUNTS = ("acct-group/nat64-0", "acct-group/dns64-0", "acct-user/nat64-0", "acct-user/dns64-0")


def build(tree: Tree, version: str) -> list[StandIn]:
    """Have Portage build all of our packages."""
    made = [_account(name, tree.ebuild(name, "clean", "install")) for name in ACCOUNTS]
    image = tree.ebuild(f"net-proxy/nat64-{version}", "clean", "test", "install")
    needs = (*(package.name for package in made), "dev-lang/python", "dev-libs/libbpf")
    return [*made, StandIn("net-proxy/nat64", version, image, needs)]


def _account(name: str, image: Path) -> StandIn:
    """Return a package that makes its user by the sysusers.d file in it, which Gentoo's eclass does by itself."""
    plain = name.removesuffix("-0")
    text = (image / "usr/lib/sysusers.d" / f"{plain.replace('/', '-')}.conf").read_text(encoding="utf-8")
    lines = []
    for kind, rest in (line.split(maxsplit=1) for line in text.splitlines()):
        if kind == "g":
            lines.append(f"getent group {rest.split()[0]} >/dev/null || groupadd --system {rest.split()[0]}")
        elif kind == "u":
            found = re.fullmatch(r'(\S+) -:(\S+) "([^"]+)" (\S+) (\S+)', rest)
            assert found is not None
            user, group, comment, home, shell = found.groups()
            lines.append(
                f"getent passwd {user} >/dev/null || "
                f"useradd --system --gid {group} --comment '{comment}' --home-dir {home} --shell {shell} {user}"
            )
        else:
            user, group = rest.split()
            lines.append(f"usermod --append --groups {group} {user}")
    needs = ("acct-group/nat64", "acct-group/dns64") if plain.startswith("acct-user") else ()
    return StandIn(plain, "0", image, needs, install="\n".join(lines) + "\n")
