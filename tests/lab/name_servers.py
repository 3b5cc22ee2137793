"""Debian's NSD and BIND with zones of ours, and its Unbound and BIND as resolvers that validate; never installed.

All are in one namespace, on its loopback. A root of ours delegates ``example`` and what is below to NSD and ``example.net`` to
BIND. ``signed.example`` is signed, ``bogus.example`` too, but by a key that the resolvers do not trust, and the proof that
``half.signed.example`` has no AAAA does not verify.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.lab.distribution_daemons import TMP, inside, unpacked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.namespaces import Namespace

PACKAGES: Final = ("base-files", "bind9", "bind9-utils", "nsd", "unbound")
NSD, BIND = "127.0.0.11", "127.0.0.12"
RESOLVERS: Final = {"unbound": 5301, "bind": 5302}
"""The ports of the resolvers on 127.0.0.1."""

_SOA: Final = "$TTL 3600\n@ 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60\n"
_SIGNED: Final = f"""{_SOA}@ NS ns.example.
v4 A 192.0.2.44
v6 AAAA 2001:db8:6::44
half A 192.0.2.45
"""
ZONES: Final = {
    ".": f"""{_SOA}. NS ns.example.
example. NS ns.example.
ns.example. A {NSD}
example.net. NS ns.example.net.
ns.example.net. A {BIND}
in-addr.arpa. NS ns.example.
""",
    "example.": f"""{_SOA}@ NS ns
ns A {NSD}
signed NS ns
bogus NS ns
v4 A 192.0.2.33
v6 AAAA 2001:db8:6::6
both A 192.0.2.34
both AAAA 2001:db8:6::7
brief 30 A 192.0.2.35
lasting A 192.0.2.37
text TXT "hello"
mapped AAAA ::ffff:192.0.2.36
mapped A 192.0.2.36
service HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.33
alias CNAME alias.example.net.
tree DNAME tree.example.net.
loop CNAME loop.example.net.
""",
    "in-addr.arpa.": f"{_SOA}@ NS ns.example.\n33.2.0.192 PTR v4.example.\n",
    "signed.example.": _SIGNED,
    "bogus.example.": _SIGNED,
    "example.net.": f"""{_SOA}@ NS ns
ns A {BIND}
alias CNAME v4.example.
loop CNAME loop.example.
www.tree CNAME v4.example.
v6.tree AAAA 2001:db8:6::8
"""
    + "".join(f"big A 198.51.100.{host}\n" for host in range(1, 201))
    + "".join(f'huge TXT "{number:03}{"x" * 237}"\n' for number in range(240)),
}
_SIGNED_ZONES: Final = ("signed.example.", "bogus.example.")

_NSD_CONF: Final = f"""server:
  ip-address: {NSD}
  username: ""
  pidfile: ""
  zonesdir: {TMP}
  database: ""
  xfrdfile: {TMP}/nsd.xfrd
  zonelistfile: {TMP}/nsd.zones
  server-count: 1
remote-control:
  control-enable: no
"""
_UNBOUND_CONF: Final = f"""server:
  username: ""
  chroot: ""
  directory: {TMP}
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  interface: 127.0.0.1@{RESOLVERS["unbound"]}
  do-ip6: no
  do-not-query-localhost: no
  root-hints: {TMP}/hints
  local-zone: 2.0.192.in-addr.arpa. nodefault
  module-config: "validator iterator"
  ede: yes
remote-control:
  control-enable: no
"""
_NAMED_OPTIONS: Final = """options {{
  directory "{directory}";
  listen-on port {port} {{ {address}; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  recursion {recursion};
  dnssec-validation {recursion};
  empty-zones-enable no;
  max-records-per-type 0;
}};
controls {{ }};
"""


@dataclass(frozen=True, slots=True)
class NameServers:
    """The programs and their files: `directory` is what they see as /tmp."""

    root: Path
    directory: Path

    def command(self, *words: str) -> list[str]:
        """Return what runs one of the programs among its files."""
        return inside(self.root, self.directory, *words)

    def run(self, *words: str) -> str:
        """Run one of the tools and return what it printed."""
        return subprocess.run(self.command(*words), check=True, capture_output=True, text=True).stdout


def start(namespace: Namespace, directory: Path) -> None:
    """Write zones and configs to `directory`, sign, and start the two servers and the two resolvers."""
    servers = NameServers(unpacked("bookworm", PACKAGES, "name-servers"), directory)
    for name, text in ZONES.items():
        (directory / _file(name)).write_text(text)
    anchors = [_sign(servers, zone) for zone in _SIGNED_ZONES]
    _write_configs(directory, anchors)
    namespace.run(
        "ip", "address", "add", f"{BIND}/8", "dev", "lo"
    )  # BIND listens only where it sees an address
    for number, command in enumerate(
        (
            ("/usr/sbin/nsd", "-d", "-c", f"{TMP}/nsd.conf"),
            ("/usr/sbin/named", "-g", "-4", "-n", "1", "-c", f"{TMP}/server.conf"),
            ("/usr/sbin/named", "-g", "-4", "-n", "1", "-c", f"{TMP}/resolver.conf"),
            ("/usr/sbin/unbound", "-d", "-p", "-c", f"{TMP}/unbound.conf"),
        )
    ):
        with (directory / f"log-{number}").open("w") as log:
            namespace.popen(*servers.command(*command), stdout=log, stderr=log)


def _file(zone: str) -> str:
    return f"zone-{zone.rstrip('.') or 'root'}"


def _sign(servers: NameServers, zone: str) -> str:
    """Sign a zone in place and return the DS record that resolvers trust, which is not the right one for ``bogus``."""
    path = f"{TMP}/{_file(zone)}"
    key = servers.run("dnssec-keygen", "-q", "-K", TMP, "-a", "ECDSAP256SHA256", "-f", "KSK", zone).strip()
    servers.run("dnssec-signzone", "-q", "-S", "-z", "-K", TMP, "-O", "full", "-o", zone, "-f", path, path)
    signed = servers.directory / _file(zone)
    signed.write_text("".join(map(_spoiled, signed.read_text().splitlines(keepends=True))))
    anchor = servers.run("dnssec-dsfromkey", "-2", f"{TMP}/{key}").strip()
    if zone != "bogus.example.":
        return anchor
    words = anchor.split()
    return " ".join((*words[:-1], "0" * len(words[-1])))


def _spoiled(line: str) -> str:
    """Return the line of a signed zone, its signature spoiled if it is the one for ``half``'s NSEC record."""
    words = line.split()
    if words[0] == "half.signed.example." and words[3:5] == ["RRSIG", "NSEC"]:
        return " ".join((*words[:12], words[12].swapcase(), *words[13:])) + "\n"
    return line


def _write_configs(directory: Path, anchors: list[str]) -> None:
    (directory / "hints").write_text(f". 3600000 IN NS ns.example.\nns.example. 3600000 IN A {NSD}\n")
    own = [name for name in ZONES if name != "example.net."]
    zones = "".join(f"zone:\n  name: {name}\n  zonefile: {_file(name)}\n" for name in own)
    (directory / "nsd.conf").write_text(_NSD_CONF + zones)
    trusted = "".join(f'  trust-anchor: "{anchor}"\n' for anchor in anchors)
    (directory / "unbound.conf").write_text(
        _UNBOUND_CONF.replace("remote-control:", f"{trusted}remote-control:")
    )
    for name in ("server", "resolver"):
        (directory / name).mkdir()
    server = _NAMED_OPTIONS.format(directory=f"{TMP}/server", port=53, address=BIND, recursion="no")
    (directory / "server.conf").write_text(
        f'{server}zone "example.net" {{ type primary; file "{TMP}/{_file("example.net.")}"; }};\n'
    )
    resolver = _NAMED_OPTIONS.format(
        directory=f"{TMP}/resolver", port=RESOLVERS["bind"], address="127.0.0.1", recursion="yes"
    )
    static = "".join(_static_ds(anchor) for anchor in anchors)
    (directory / "resolver.conf").write_text(
        f'{resolver}trust-anchors {{\n{static}}};\nzone "." {{ type hint; file "{TMP}/hints"; }};\n'
    )


def _static_ds(anchor: str) -> str:
    zone, _, _, tag, algorithm, digest_type, digest = anchor.split()
    return f'  {zone} static-ds {tag} {algorithm} {digest_type} "{digest}";\n'
