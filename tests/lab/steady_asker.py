"""A client that asks steadily over UDP, each query once: ``steady_asker.py SERVER PAUSE``, from inside a namespace.

It asks until a line comes in. Half of the questions have an answer that nobody keeps. What became of them is a line of JSON,
an `Account`. `SteadyAsker` is the side of the test.
"""

from __future__ import annotations

import json
import select
import selectors
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import dns.exception
import dns.message
import dns.rcode

if TYPE_CHECKING:
    from tests.lab.namespaces import Namespace

PORTS: Final = 64
PATIENCE: Final = 6.0
"""Seconds from the last query to the last answer."""
MOST_QUERIES: Final = 20_000
QUESTIONS: Final = (("v4.example", "AAAA"), ("who.example", "TXT"))


@dataclass(frozen=True, slots=True)
class Account:
    """What has become of the queries."""

    asked: int
    answered: int
    wrong: int
    """Answers that are none to a question of ours, or not the right one."""
    slowest: float
    """Seconds that an answer took at most."""


class SteadyAsker:
    """A client in a namespace that has begun to ask, every `pause` seconds."""

    def __init__(self, namespace: Namespace, server: str, pause: float) -> None:
        self._process = namespace.popen(
            sys.executable,
            "-u",
            __file__,
            server,
            str(pause),
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "asking\n"

    def account(self) -> Account:
        """Have it end and return what it tells. It must not have ended by itself."""
        assert self._process.poll() is None
        printed, _ = self._process.communicate("end\n", timeout=60)
        return Account(**json.loads(printed))

    def end(self) -> None:
        """Have it end, whatever it has to tell."""
        self._process.kill()
        self._process.communicate()


class _Client:
    def __init__(self, server: str) -> None:
        self._ready = selectors.DefaultSelector()
        self._channels = []
        for _ in range(PORTS):
            channel = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
            channel.connect((server, 53))
            channel.setblocking(False)
            self._ready.register(channel, selectors.EVENT_READ, channel)
            self._channels.append(channel)
        self.waiting: dict[tuple[int, int], float] = {}
        self.asked = self.answered = self.wrong = 0
        self.slowest = 0.0

    def ask(self) -> None:
        """Send the next query."""
        name, rdtype = QUESTIONS[self.asked // PORTS % len(QUESTIONS)]
        query = dns.message.make_query(name, rdtype, id=self.asked)
        channel = self._channels[self.asked % PORTS]
        self.waiting[channel.fileno(), self.asked] = time.monotonic()
        channel.send(query.to_wire())
        self.asked += 1

    def take_answers(self, until: float) -> None:
        """Take answers until then, and those that are there in any case."""
        left = 0.0
        while left >= 0:
            left = until - time.monotonic()
            for key, _ in self._ready.select(max(0.0, left)):
                self._take_answer(key.data)

    def _take_answer(self, channel: socket.socket) -> None:
        try:
            response = dns.message.from_wire(channel.recv(4096))
        except (OSError, dns.exception.DNSException):
            self.wrong += 1
            return
        sent = self.waiting.pop((channel.fileno(), response.id), None)
        if sent is None or response.rcode() != dns.rcode.NOERROR or not response.answer:
            self.wrong += 1
        else:
            self.answered += 1
            self.slowest = max(self.slowest, time.monotonic() - sent)


def main() -> None:
    """Ask until a line comes in, and print what became of it."""
    client, pause = _Client(sys.argv[1]), float(sys.argv[2])
    sys.stdout.write("asking\n")
    began = time.monotonic()
    while client.asked < MOST_QUERIES and not select.select([sys.stdin], (), (), 0)[0]:
        client.ask()
        client.take_answers(began + pause * client.asked)
    end = time.monotonic() + PATIENCE
    while client.waiting and time.monotonic() < end:
        client.take_answers(time.monotonic() + 0.05)
    account = Account(client.asked, client.answered, client.wrong, client.slowest)
    sys.stdout.write(json.dumps(asdict(account)) + "\n")


if __name__ == "__main__":
    main()
