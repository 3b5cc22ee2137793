# noqa: INP001 - a script of its own, not a module
"""Look at a host of an IPv6-only network, and print as JSON what role client must know. Changes nothing.

Run by the host's own Python, with what is wanted as its argument, in JSON.

findings     what stands in the way, a line each
other_clat   what else on the host is a CLAT, or is set to be one; empty if nothing is
resolver     who the name servers of this host are told to: "resolved", or "file" for /etc/resolv.conf
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LENGTHS: Final = (32, 40, 48, 56, 64, 96)
CLAT_NETWORK: Final = ipaddress.IPv4Network("192.0.0.0/29")  # RFC 7335
NETWORKD: Final = ("etc/systemd/network", "run/systemd/network", "usr/lib/systemd/network")
NETWORK_MANAGER: Final = ("etc/NetworkManager", "run/NetworkManager", "usr/lib/NetworkManager/conf.d")
NETWORK_MANAGER_VALUES: Final = ("auto", "force", "1", "2")

_SIOCGIFADDR: Final = 0x8915


def look(wanted: dict[str, Any], root: Path = Path("/")) -> dict[str, Any]:
    """Return what is printed."""
    resolver, trouble = resolv_conf(root)
    findings = list(mistakes(wanted))
    if wanted["nameservers"] and trouble:
        findings.append(trouble)
    if wanted["clat"] and not (root / "dev/net/tun").exists() and not (root / "lib/modules").exists():
        findings.append(
            "this host has no /dev/net/tun, which the CLAT needs; give it to the container, or set client_clat to false"
        )
    other = next(other_clats(root, wanted["device"]), "") if wanted["clat"] else ""
    return {"findings": findings, "other_clat": other, "resolver": resolver}


def mistakes(wanted: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the variables."""
    prefix = wanted["prefix"]
    if prefix:
        try:
            length = ipaddress.IPv6Network(prefix).prefixlen
        except ValueError as error:
            yield f"client_prefix: {error}; write a prefix such as 64:ff9b::/96, or none to find it out"
        else:
            if length not in LENGTHS:
                lengths = ", ".join(map(str, LENGTHS))
                yield f"client_prefix: a NAT64 prefix cannot have the length {length}; RFC 6052 allows {lengths}"
    for server in wanted["nameservers"]:
        try:
            ipaddress.ip_address(server)
        except ValueError:
            yield f"client_nameservers: {server!r} is no address; give the address of a DNS64 server"
    for name in ("uplink", "device"):
        word = wanted[name]
        if (word or name == "device") and not re.fullmatch(r"[^/\s%{}$\"'\\]{1,15}", word):
            yield f"client_{name}: {word!r} cannot name an interface; give at most 15 characters"
    if wanted["uplink"] and wanted["uplink"] == wanted["device"]:
        yield f"client_device: {wanted['device']} is the uplink; give the TUN a name of its own"


def resolv_conf(root: Path) -> tuple[str, str]:
    """Return whom to tell the name servers, and why that cannot be done here, if so."""
    path = root / "etc/resolv.conf"
    if not path.is_symlink():
        return "file", ""
    target = str(path.readlink())
    if "systemd/resolve/" in target:
        return "resolved", ""
    return "file", (
        f"/etc/resolv.conf is a link to {target}, so that another program writes it; set the name servers there and leave "
        "client_nameservers empty"
    )


def other_clats(root: Path, device: str) -> Iterator[str]:
    """Yield what else is a CLAT."""
    for name, address in addresses():
        if name != device and address in CLAT_NETWORK:
            yield f"the interface {name} has {address}, which is a CLAT's"
    for path in files(root, NETWORKD, "*.network"):
        if any(key == "clat" and value in ("yes", "true", "on", "1") for _, key, value in settings(path)):
            yield f"{path} has systemd-networkd run one"
    for path in files(root, NETWORK_MANAGER, "*.nmconnection", "*.conf"):
        for section, key, value in settings(path):
            is_clat = key == "ipv4.clat" or (section == "ipv4" and key == "clat")
            if is_clat and value in NETWORK_MANAGER_VALUES:
                yield f"{path} has NetworkManager run one"


def files(root: Path, directories: Iterable[str], *patterns: str) -> Iterator[Path]:
    """Yield the files of these directories and what is below."""
    for directory in directories:
        for pattern in patterns:
            yield from sorted((root / directory).rglob(pattern))


def settings(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value of each line of a file that has such, in lower case."""
    section = ""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").lower().splitlines()
    except OSError:
        return
    for line in lines:
        if line.strip().startswith("["):
            section = line.strip(" []\t")
        elif "=" in line and not line.lstrip().startswith(("#", ";")):
            key, _, value = line.partition("=")
            yield section, key.strip(), value.strip()


def addresses() -> Iterator[tuple[str, ipaddress.IPv4Address]]:
    """Yield each interface with its first IPv4 address, if it has one."""
    import fcntl  # noqa: PLC0415 - only where there are interfaces to ask

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue
            yield name, ipaddress.IPv4Address(answer[20:24])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look(json.loads(sys.argv[1]))) + "\n")
