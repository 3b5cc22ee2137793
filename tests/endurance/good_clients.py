"""Good clients, to be run inside a namespace: they ask steadily, check every answer, and go on as stub resolvers do.

``good_clients.py SEED SECONDS UDP-SERVER…`` prints a JSON line each ten seconds and one at the end with what became of the
queries. A query that is not answered in two seconds is sent again, two times; one that is then not answered, or is answered
wrongly, is a failure.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import socket
import ssl
import struct
import sys
import threading
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final, Protocol

import dns.exception
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from tests.endurance import zones

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE: Final = 2.0
SENT_AT_MOST: Final = 3
KNOWN: Final = 300
"""Names that are asked for again and again."""
FRESH: Final = 0.2
"""The share of queries for names that nobody asked for before."""
TOLD: Final = 20
"""Failures that are told in full."""
REPORT_EACH: Final = 10.0


@dataclass(slots=True)
class Outcome:
    """What became of the queries of one kind of client."""

    asked: int = 0
    answered: int = 0
    sent_again: int = 0
    unanswered: int = 0
    wrong: int = 0
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list)

    def note(self, failure: str) -> None:
        """Tell a failure, of the first ones."""
        if len(self.failures) < TOLD:
            self.failures.append(failure)


class Channel(Protocol):
    """A way to a server."""

    def exchange(self, query: bytes, ident: int) -> bytes:
        """Send a query and return the response with its ID. Raises `OSError`, also when none comes in time."""

    def forget(self) -> None:
        """Begin anew with the next query."""


class UdpChannel:
    """A port of its own for each query, as stub resolvers have it."""

    def __init__(self, server: str) -> None:
        self._server = server

    def exchange(self, query: bytes, ident: int) -> bytes:
        family = socket.AF_INET6 if ":" in self._server else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as channel:
            channel.connect((self._server, 53))
            channel.settimeout(PATIENCE)
            end = time.monotonic() + PATIENCE
            channel.send(query)
            while (left := end - time.monotonic()) > 0:
                channel.settimeout(left)
                response = channel.recv(65535)
                if response[:2] == ident.to_bytes(2, "big"):
                    if response[2] & 0x02:  # TC
                        return TcpChannel(self._server, 53, keep=1).exchange(query, ident)
                    return response
            raise TimeoutError

    def forget(self) -> None:
        """Nothing is kept."""


class TcpChannel:
    """A connection that is kept for `keep` queries, or a new one each; over TLS where there is a context."""

    def __init__(self, server: str, port: int, keep: int, tls: ssl.SSLContext | None = None) -> None:
        self._address = (server, port)
        self._keep = keep
        self._tls = tls
        self._connection: socket.socket | None = None
        self._left = 0

    def exchange(self, query: bytes, ident: int) -> bytes:
        if self._connection is None:
            self._connection = self._connect()
            self._left = self._keep
        connection = self._connection
        connection.settimeout(PATIENCE)
        connection.sendall(len(query).to_bytes(2, "big") + query)
        while True:
            (size,) = struct.unpack("!H", self._exactly(connection, 2))
            response = self._exactly(connection, size)
            if response[:2] == ident.to_bytes(2, "big"):
                break
        self._left -= 1
        if not self._left:
            self.forget()
        return response

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._address, PATIENCE)
        return self._tls.wrap_socket(connection) if self._tls is not None else connection

    @staticmethod
    def _exactly(connection: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = connection.recv(size - len(data))
            if not more:
                raise ConnectionResetError("the server closed the connection")
            data += more
        return data

    def forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def fault(response: bytes, name: str, label: str) -> str | None:
    """Return what is wrong with a response to the AAAA question for a good name; ``None`` if it is right."""
    try:
        message = dns.message.from_wire(response)
    except dns.exception.DNSException as error:
        return f"it cannot be parsed: {error!r}: {response.hex()}"
    if message.rcode() != dns.rcode.NOERROR:
        return f"{dns.rcode.to_text(message.rcode())} {message.options}"
    if str(message.question[0].name) != name:
        return f"it is one to {message.question[0]}"
    found = {
        ipaddress.IPv6Address(record.address)
        for rrset in message.answer
        if (rrset.rdclass, rrset.rdtype) == (dns.rdataclass.IN, dns.rdatatype.AAAA)
        for record in rrset
    }
    return None if found == zones.addresses_of(label) else f"it has {sorted(map(str, found))}"


class Asker(threading.Thread):
    """One client that asks with pauses until the time is over."""

    def __init__(self, channel: Channel, seed: str, pause: float, end: float) -> None:
        super().__init__()
        self.outcome = Outcome()
        self._channel = channel
        self._seed = seed
        self._random = Random(seed)  # noqa: S311 - the same each time
        self._pause = pause
        self._end = end
        self._fresh = 0

    def run(self) -> None:
        while time.monotonic() < self._end:
            began = time.monotonic()
            self._ask(self._label())
            took = time.monotonic() - began
            self.outcome.slowest = max(self.outcome.slowest, took)
            time.sleep(max(0.0, self._pause - took))
        self._channel.forget()

    def _label(self) -> str:
        if self._random.random() < FRESH:
            self._fresh += 1
            return f"f{self._fresh}-{self._seed}"
        return f"{self._random.choice('kkkkbcm')}{self._random.randrange(KNOWN)}"

    def _ask(self, label: str) -> None:
        name = f"{label}.good.example."
        query = dns.message.make_query(
            name, "AAAA", use_edns=0, payload=1232, id=self._random.randrange(65536)
        )
        self.outcome.asked += 1
        why = ""
        for attempt in range(SENT_AT_MOST):
            self.outcome.sent_again += bool(attempt)
            began = time.monotonic()
            try:
                response = self._channel.exchange(query.to_wire(), query.id)
            except OSError as error:
                why = f"{type(error).__name__} {error}"
                self._channel.forget()
                # At once after a closed connection, else after what is left of the patience.
                if attempt and attempt < SENT_AT_MOST - 1:
                    time.sleep(max(0.0, began + PATIENCE - time.monotonic()))
                continue
            wrong = fault(response, name, label)
            if wrong is None:
                self.outcome.answered += 1
            else:
                self.outcome.wrong += 1
                self.outcome.note(f"{time.strftime('%H:%M:%S')} {name} wrong: {wrong}")
            return
        self.outcome.unanswered += 1
        self.outcome.note(f"{time.strftime('%H:%M:%S')} {name} unanswered: {why}")


def _channels(options: argparse.Namespace) -> dict[str, list[Callable[[], Channel]]]:
    """Return how clients of each kind are made."""
    ipv6, ipv4 = options.servers
    kinds: dict[str, list[Callable[[], Channel]]] = {
        "UDP over IPv6": [lambda: UdpChannel(ipv6)] * 6,
        "UDP over IPv4": [lambda: UdpChannel(ipv4)] * 3,
        "TCP, a connection a query": [lambda: TcpChannel(ipv6, 53, keep=1)],
        "TCP, connections kept": [lambda: TcpChannel(ipv6, 53, keep=100)] * 2,
    }
    if options.tls:
        context = ssl.create_default_context(cafile=options.tls)
        context.check_hostname = False
        kinds["TLS"] = [lambda: TcpChannel(ipv6, 853, keep=50, tls=context)] * 2
    return kinds


def _told(askers: dict[str, list[Asker]]) -> dict[str, dict[str, Any]]:
    told = {}
    for kind, threads in askers.items():
        outcomes = [thread.outcome for thread in threads]
        told[kind] = {
            **{
                count: sum(getattr(outcome, count) for outcome in outcomes)
                for count in ("asked", "answered", "sent_again", "unanswered", "wrong")
            },
            "slowest": round(max(outcome.slowest for outcome in outcomes), 3),
            "failures": [failure for outcome in outcomes for failure in outcome.failures][:TOLD],
        }
    return told


def main() -> None:
    """Ask until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument(
        "--pause", type=float, default=0.15, help="seconds from one query of a client to its next"
    )
    parser.add_argument("--tls", metavar="CERTIFICATE", help="ask over TLS, too")
    parser.add_argument("servers", nargs=2)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    askers = {
        kind: [
            Asker(make(), f"{options.seed}-{at}-{number}", options.pause, end)
            for number, make in enumerate(makes)
        ]
        for at, (kind, makes) in enumerate(_channels(options).items())
    }
    for threads in askers.values():
        for thread in threads:
            thread.start()
    while time.monotonic() < end:
        time.sleep(max(0.0, min(REPORT_EACH, end - time.monotonic())))
        _print(askers)
    for threads in askers.values():
        for thread in threads:
            thread.join()
    _print(askers)


def _print(askers: dict[str, list[Asker]]) -> None:
    sys.stdout.write(json.dumps(_told(askers)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
