"""A router that advertises what a test says, once a second and when it is asked, and for a minute at most after each word.

Run as a program in the router's namespace: ``DEVICE``, then on standard input lines of words such as
``prefix=2001:db8:1::/64,LIFETIME`` (preferred, in seconds) and ``pref64=64:ff9b::/96,LIFETIME``; each line replaces the one before.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time
from ipaddress import IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import subprocess

    from tests.lab.namespaces import Namespace

ROUTER_LIFETIME: Final = 60
VALID: Final = 3600
PLC: Final = {96: 0, 64: 1, 56: 2, 48: 3, 40: 4, 32: 5}


class AdvertisingRouter:
    """The program as a test holds it."""

    def __init__(self, namespace: Namespace, device: str) -> None:
        self._program: subprocess.Popen[str] = namespace.popen(
            "python3", str(Path(__file__).resolve()), device, stdin=-1
        )

    def say(self, *words: str) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(" ".join(words) + "\n")
        self._program.stdin.flush()


def prefix_information(word: str) -> bytes:
    """Return the option of RFC 4861 section 4.6.2, on-link and autonomous."""
    network, _, preferred = word.partition(",")
    parsed = IPv6Network(network)
    return struct.pack("!BBBBIII", 3, 4, parsed.prefixlen, 0xC0, VALID, int(preferred), 0) + parsed[0].packed


def pref64(word: str) -> bytes:
    """Return the option of RFC 8781 section 4."""
    network, _, lifetime = word.partition(",")
    parsed = IPv6Network(network)
    return struct.pack("!BBH", 38, 2, int(lifetime) & ~7 | PLC[parsed.prefixlen]) + parsed[0].packed[:12]


def advertisement(line: str) -> bytes:
    words = [word.partition("=") for word in line.split()]
    kinds = {"prefix": prefix_information, "pref64": pref64}
    header = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, ROUTER_LIFETIME, 0, 0)
    return header + b"".join(kinds[kind](value) for kind, _, value in words)


def main() -> None:
    device = sys.argv[1]
    channel = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    message, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        readable, _, _ = select.select([sys.stdin, channel], [], [], 1)
        if channel in readable and channel.recv(2000)[0] != 133:
            continue
        if sys.stdin in readable:
            line = sys.stdin.readline()
            if not line:
                return
            message, end = advertisement(line), time.monotonic() + 60
        if message:
            channel.sendto(message, ("ff02::1", 0, 0, socket.if_nametoindex(device)))


if __name__ == "__main__":
    main()
