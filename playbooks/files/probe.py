# noqa: INP001 - a script that the playbook sends, not a module
"""Probe a gateway, or the way through it, from the host that this runs on; nothing but Python is needed there.

The playbook feeds this file to the host's own Python (``python3 - JSON``). The JSON is a list of probes, each
a list of the probe's name and its arguments; see `PROBES`. Prints one line for each, ``ok`` or ``FAILED``, what
was probed and what was seen; the exit status is 1 when one failed.
"""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)
SECONDS = 5.0
AAAA = 28


class Failed(Exception):  # noqa: N818 - reads as what happened to the probe
    """The probe did not see what it should; the text says what it saw."""


def active(service: str) -> str:
    """Tell whether the init system, systemd or OpenRC, has the service running."""
    if SYSTEMD.exists():
        status, log = ["systemctl", "is-active", service], f"journalctl -u {service}"
    else:
        status, log = ["rc-service", service, "status"], "the system's log"
    shown = subprocess.run(status, check=False, capture_output=True, text=True)  # noqa: S603 - the playbook's words
    state = " ".join(shown.stdout.removeprefix(" * status:").split())
    if shown.returncode:
        raise Failed(f"is {state}; see: {log}")
    return state


def routed(destination: str, device: str) -> str:
    """Tell whether the kernel sends packets for the destination, a network's first address, to the device."""
    first = str(ipaddress.ip_network(destination)[1])
    shown = subprocess.run(["ip", "route", "get", first], check=False, capture_output=True, text=True)  # noqa: S603, S607 - the playbook's words
    words = shown.stdout.split()
    if device not in words:
        raise Failed(shown.stdout.strip() or shown.stderr.strip())
    return f"goes to {device}"


def fast_path(wanted: str) -> str:
    """Ask the translator whether the kernel translates for it; only where that is required must it be so."""
    asking = ["nat64ctl", "status", "nat64d", "--json"]
    answered = subprocess.run(asking, check=False, capture_output=True, text=True)  # noqa: S603 - its words are above
    if answered.returncode:
        raise Failed(answered.stderr.strip())
    status = json.loads(answered.stdout)["nat64d"]
    state, problem = status.get("fast_path", "missing"), status.get("fast_path_problem")
    seen = f"{state}, {problem}" if problem else str(state)
    if wanted == "require" and state != "live":
        raise Failed(f"is {seen}")
    return seen


def synthesized(name: str, server: str, *prefixes: str) -> str:
    """Ask the server for the AAAA records of a name, which must lie in one of the prefixes."""
    return _within(ask(name, server), prefixes)


def resolves(name: str, *prefixes: str) -> str:
    """Resolve a name as every program of this host does; the addresses must lie in one of the prefixes."""
    try:
        answers = socket.getaddrinfo(name, None, socket.AF_INET6, socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise Failed(f"{error.strerror}; is this gateway the host's name server?") from error
    return _within([str(answer[4][0]) for answer in answers], prefixes)


def pings(address: str) -> str:
    """Send an echo request to the address, and wait for the reply."""
    return f"{address} answered in {echo(ipaddress.ip_address(address)) * 1000:.1f} ms"


def pings_name(name: str) -> str:
    """Resolve a name to IPv6, and send an echo request to its first address."""
    try:
        answers = socket.getaddrinfo(name, None, socket.AF_INET6, socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise Failed(str(error.strerror)) from error
    return pings(str(answers[0][4][0]))


def loads(url: str) -> str:
    """Load a page."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as page:  # noqa: S310 - the playbook's URL
            return f"{page.status}, {len(page.read())} bytes"
    except OSError as error:
        raise Failed(str(error)) from error


def ipv4_addresses() -> str:
    """Say which IPv4 addresses this host has beside loopback's; having some is no failure."""
    shown = subprocess.run(["ip", "-4", "-o", "address"], check=True, capture_output=True, text=True)  # noqa: S607 - where ip stands differs
    # "2: wan0    inet 192.0.2.2/24 brd 192.0.2.255 scope global wan0": busybox has the same, and no JSON.
    found = [
        f"{words[3].partition('/')[0]} on {words[1]}"
        for words in map(str.split, shown.stdout.splitlines())
        if "host" not in words
    ]
    return ", ".join(found) or "none"


PROBES: dict[str, Callable[..., str]] = {
    "active": active,
    "routed": routed,
    "fast path": fast_path,
    "synthesized": synthesized,
    "resolves": resolves,
    "pings": pings,
    "pings name": pings_name,
    "loads": loads,
    "IPv4 addresses": ipv4_addresses,
}


def ask(name: str, server: str) -> list[str]:
    """Ask a DNS server for the AAAA records of a name (RFC 1035 section 4.1)."""
    query_id = secrets.randbits(16)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".")) + b"\0"
    query = struct.pack("!6H", query_id, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!2H", AAAA, 1)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(SECONDS)
        try:
            asking.connect((server, 53))
            asking.send(query)
            reply = asking.recv(4096)
        except OSError as error:
            raise Failed(f"no answer from {server}: {error}") from error
    replied_id, flags, __, answers, __, __ = struct.unpack_from("!6H", reply)
    if replied_id != query_id or flags & 0xF:
        raise Failed(f"{server} answered with RCODE {flags & 0xF}")
    at = len(query)
    found = []
    for __ in range(answers):
        at = _skip_name(reply, at)
        kind, __, __, length = struct.unpack_from("!2HIH", reply, at)
        at += 10
        if kind == AAAA:
            found.append(socket.inet_ntop(socket.AF_INET6, reply[at : at + length]))
        at += length
    return found


def _skip_name(message: bytes, at: int) -> int:
    while message[at]:
        if message[at] >= 0xC0:
            return at + 2
        at += 1 + message[at]
    return at + 1


def _within(addresses: list[str], prefixes: tuple[str, ...]) -> str:
    if not addresses:
        raise Failed("has no AAAA record")
    networks = [ipaddress.IPv6Network(prefix) for prefix in prefixes]
    for address in addresses:
        if not any(ipaddress.IPv6Address(address) in network for network in networks):
            raise Failed(f"is {address}, which is not in {' or '.join(prefixes)}")
    return ", ".join(dict.fromkeys(addresses))


def echo(target: ipaddress.IPv4Address | ipaddress.IPv6Address) -> float:
    """Send an echo request (RFC 792, RFC 4443) and return how many seconds the reply took."""
    six = target.version == 6
    family, protocol = (
        (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    )
    request, wanted = (128, 129) if six else (8, 0)
    identifier = os.getpid() & 0xFFFF
    rest = struct.pack("!HH", identifier, 1) + secrets.token_bytes(8)
    # The kernel computes ICMPv6's checksum itself (RFC 3542 section 3.1).
    message = (
        struct.pack("!BBH", request, 0, 0 if six else checksum(struct.pack("!BBH", request, 0, 0) + rest))
        + rest
    )
    with socket.socket(family, socket.SOCK_RAW, protocol) as asking:
        start = time.monotonic()
        try:
            asking.sendto(message, (str(target), 0))
            while (left := start + SECONDS - time.monotonic()) > 0:
                asking.settimeout(left)
                reply, __ = asking.recvfrom(2048)
                reply = reply if six else reply[(reply[0] & 0xF) * 4 :]
                if reply[0] == wanted and reply[4:] == rest:
                    return time.monotonic() - start
        except TimeoutError:
            pass
        except OSError as error:
            raise Failed(f"{target}: {error}") from error
    raise Failed(f"{target} did not answer within {SECONDS:g} s")


def checksum(octets: bytes) -> int:
    """Compute the Internet checksum (RFC 1071) of an even number of octets."""
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def main(probes: list[list[str]]) -> int:
    """Make the probes, print what they saw, and return the exit status."""
    status = 0
    for name, *arguments in probes:
        try:
            result, seen = "ok", PROBES[name](*arguments)
        except Failed as failure:
            result, seen, status = "FAILED", str(failure), 1
        what = " ".join([name, *arguments[:1]])
        print(f"{result}: {what}: {seen}", flush=True)  # noqa: T201 - the answer to the playbook
    return status


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
