"""Bad clients, to be run inside a namespace: ``bad_clients.py --seed N --seconds S SERVER ADDRESS…``.

Malformed messages over UDP and TCP, names that forwarders fail for, connections that are held, written to an octet at a time,
or never read from; each from one of the addresses. It prints a JSON object with what was done.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import sys
import threading
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Final

import dns.message

from tests.fuzz.dns64_query_target import HEAD
from tests.fuzz.dns64_seeds import query_inputs
from tests.fuzz.mutation import mutated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MALFORMED_A_SECOND: Final = 100
UNLUCKY_A_SECOND: Final = 10
HOARDED: Final = 60
"""Connections that each hoarding host tries to hold."""
SLOW_WRITERS: Final = 10
SLOW_READERS: Final = 5
PIPELINED: Final = 300
UNLUCKY: Final = ("garbage", "silent", "forged", "servfail", "refused")
"""Kinds of names: see `tests.endurance.zones`."""


class Bad:
    """What all of them share."""

    def __init__(
        self, server: str, addresses: Sequence[str], seed: int, seconds: float, intensity: float
    ) -> None:
        self.server = server
        self.addresses = addresses
        self.seed = seed
        self.intensity = intensity
        self.end = time.monotonic() + seconds
        self.done: Counter[str] = Counter()

    def count(self, what: str) -> None:
        """Count a deed; the threads' counts are of different names, so nothing is lost."""
        self.done[what] += 1

    def turns(self, a_second: float) -> Iterator[int]:
        """Give turns at a steady rate until the time is over."""
        start = time.monotonic()
        number = 0
        while (now := time.monotonic()) < self.end:
            due = start + number / a_second
            if due > now:
                time.sleep(min(due, self.end) - now)
            yield number
            number += 1

    def connect(self, number: int) -> socket.socket | None:
        """Connect from one of the addresses; ``None`` when that fails."""
        source = self.addresses[number % len(self.addresses)]
        with contextlib.suppress(OSError):
            return socket.create_connection((self.server, 53), 3, source_address=(source, 0))
        return None

    def udp(self, number: int) -> socket.socket:
        """Return a socket from one of the addresses that does not wait."""
        channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        channel.bind((self.addresses[number % len(self.addresses)], 0))
        channel.setblocking(False)
        channel.connect((self.server, 53))
        return channel


def malformed(bad: Bad) -> None:
    """Send mutated messages, each tenth over TCP."""
    seeds = [data[HEAD.size : HEAD.size + HEAD.unpack_from(data)[1]] for _, data in query_inputs()]
    random = Random(bad.seed)  # noqa: S311 - the same each time
    for number in bad.turns(MALFORMED_A_SECOND * bad.intensity):
        message = mutated(seeds, random)[:65535]
        with contextlib.suppress(OSError):
            if number % 10:
                with bad.udp(number) as channel:
                    channel.send(message)
            elif (connection := bad.connect(number)) is not None:
                with connection:
                    claimed = len(message) if number % 20 else random.randrange(65536)
                    connection.sendall(claimed.to_bytes(2, "big") + message)
                    connection.settimeout(0.05)
                    connection.recv(4096)
            bad.count("malformed messages")


def unlucky(bad: Bad) -> None:
    """Ask for names that forwarders fail for."""
    random = Random(bad.seed + 1)  # noqa: S311 - as above
    for number in bad.turns(UNLUCKY_A_SECOND):
        name = f"u{random.randrange(1000)}.{UNLUCKY[number % len(UNLUCKY)]}.example."
        with contextlib.suppress(OSError), bad.udp(number) as channel:
            channel.send(dns.message.make_query(name, "AAAA", use_edns=0).to_wire())
            bad.count("queries that forwarders fail for")


def hoard(bad: Bad, host: int) -> None:
    """Hold as many connections as one gets, and open those anew that are closed."""
    held: list[socket.socket | None] = [None] * HOARDED
    for number in bad.turns(20):
        at = number % HOARDED
        connection = held[at]
        if connection is not None:
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                try:
                    if connection.recv(4096):
                        continue
                except ConnectionError:
                    pass
                connection.close()
                held[at] = None
                bad.count(f"connections closed on hoarder {host}")
        if held[at] is None:
            held[at] = bad.connect(host)
            bad.count(f"connections tried by hoarder {host}")
    for connection in held:
        if connection is not None:
            connection.close()


def write_slowly(bad: Bad, number: int) -> None:
    """Send a query an octet a second, for ever anew."""
    query = dns.message.make_query("k1.good.example.", "AAAA").to_wire()
    framed = len(query).to_bytes(2, "big") + query
    while time.monotonic() < bad.end:
        connection = bad.connect(number)
        with contextlib.suppress(OSError), connection or contextlib.nullcontext():
            for octet in framed:
                if connection is None or time.monotonic() > bad.end:
                    break
                connection.send(bytes([octet]))
                time.sleep(1)
        bad.count(f"queries written slowly by {number}")
        time.sleep(1)


def read_never(bad: Bad, number: int) -> None:
    """Ask for large answers, one after the other, and do not read them."""
    query = dns.message.make_query("m1.good.example.", "AAAA").to_wire()
    framed = len(query).to_bytes(2, "big") + query
    while time.monotonic() < bad.end:
        connection = bad.connect(number)
        with contextlib.suppress(OSError), connection or contextlib.nullcontext():
            if connection is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.settimeout(2)
                for _ in range(round(PIPELINED * bad.intensity)):
                    connection.sendall(framed)
                    bad.count(f"answers never read by {number}")
                time.sleep(min(10.0, max(0.0, bad.end - time.monotonic())))
        time.sleep(1)


def _threads(bad: Bad) -> list[tuple[Callable[..., None], int]]:
    hosts = range(1, len(bad.addresses))
    return [
        *((hoard, host) for host in hosts),
        *((write_slowly, number) for number in range(SLOW_WRITERS)),
        *((read_never, number) for number in range(SLOW_READERS)),
    ]


def main() -> None:
    """Be bad until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--intensity", type=float, default=1.0, help="what to multiply rates by")
    parser.add_argument("server")
    parser.add_argument("addresses", nargs="+")
    options = parser.parse_args()
    bad = Bad(options.server, options.addresses, options.seed, options.seconds, options.intensity)
    threads = [threading.Thread(target=malformed, args=(bad,)), threading.Thread(target=unlucky, args=(bad,))]
    threads += [threading.Thread(target=target, args=(bad, number)) for target, number in _threads(bad)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told: Counter[str] = Counter()
    for what, times in bad.done.items():
        told[what.rstrip("0123456789").removesuffix(" by ").removesuffix(" on hoarder ")] += times
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
