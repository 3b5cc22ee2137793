"""A download and a stream of queries, from inside the client's namespace: ``client.py SERVER NAME_SERVER NAME``.

The download is one TCP connection that brings octets steadily; its stall is the longest time without any. A query is
sent every `PAUSE`, once, and is lost when no right answer has come within `PATIENCE`. Until a line comes in; then a line of
JSON, an `Account`.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Final

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

PORT: Final = 8064
PAUSE: Final = 0.01
PATIENCE: Final = 2.0
LONGEST: Final = 600.0
"""Seconds after which it ends by itself."""


@dataclass(frozen=True, slots=True)
class Account:
    """What the client has met with."""

    asked: int
    lost: int
    silent: float
    """Seconds from the first to the last of the lost queries."""
    octets: int
    stalled: float
    """The longest time in seconds in which the download brought nothing."""
    intact: bool
    """Whether the one connection lasted, and brought what was sent in order."""


class Download:
    """A download in a thread of its own."""

    def __init__(self, server: str) -> None:
        self.octets = 0
        self.stalled = 0.0
        self.intact = True
        self.last = time.monotonic()
        self._ended = False
        self._connection = socket.create_connection((server, PORT), timeout=10)
        self._connection.settimeout(1)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        rest = b""
        number = 0
        while not self._ended:
            try:
                data = self._connection.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            if not data:
                self.intact = False
                return
            now = time.monotonic()
            self.stalled = max(self.stalled, now - self.last)
            self.last = now
            self.octets += len(data)
            rest += data
            for place in range(0, len(rest) - 7, 8):
                found = int.from_bytes(rest[place : place + 8], "big")
                self.intact &= found in {number, number + 1}
                number = found
            rest = rest[len(rest) - len(rest) % 8 :]

    def end(self) -> None:
        """Count the time since the last octets, too."""
        self._ended = True
        self.stalled = max(self.stalled, time.monotonic() - self.last)


class Queries:
    """A stream of queries, each with a name of its own label so that none is answered for another."""

    def __init__(self, name_server: str, name: str) -> None:
        self._name = name
        self._channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._channel.connect((name_server, 53))
        self._channel.setblocking(False)
        self.sent: list[float] = []
        self.answered: set[int] = set()

    def ask(self) -> None:
        """Send the next one."""
        query = dns.message.make_query(self._name, dns.rdatatype.AAAA, id=len(self.sent) % 65536)
        self.sent.append(time.monotonic())
        try:
            self._channel.send(query.to_wire())
        except OSError:
            return  # an ICMP error of an earlier one, or no route: lost

    def listen(self, until: float) -> None:
        """Take answers until then."""
        while (left := until - time.monotonic()) > 0:
            if not select.select([self._channel], [], [], left)[0]:
                return
            try:
                answer = dns.message.from_wire(self._channel.recv(4096))
            except (OSError, dns.exception.DNSException):
                continue
            if answer.rcode() == dns.rcode.NOERROR and answer.answer:
                self.answered.add(answer.id)

    def lost(self) -> list[float]:
        """Return when those were sent that had no answer."""
        return [sent for number, sent in enumerate(self.sent) if number not in self.answered]


def main(server: str, name_server: str, name: str) -> None:
    """Run both until a line comes in."""
    download = Download(server)
    queries = Queries(name_server, name)
    print("running", flush=True)  # noqa: T201 - the word that is waited for
    began = time.monotonic()
    while time.monotonic() < began + LONGEST and not select.select([sys.stdin], [], [], 0)[0]:
        queries.ask()
        queries.listen(began + PAUSE * len(queries.sent))
    download.end()
    queries.listen(time.monotonic() + PATIENCE)
    lost = queries.lost()
    account = Account(
        asked=len(queries.sent),
        lost=len(lost),
        silent=lost[-1] - lost[0] if lost else 0.0,
        octets=download.octets,
        stalled=download.stalled,
        intact=download.intact,
    )
    print(json.dumps(asdict(account)), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main(*sys.argv[1:])
