"""The client, a process in a namespace: puts queries on a server as orders on its standard input say, a JSON line each.

It is never a flood: so many queries are outstanding at a time, and each answer lets another one go.
"""

from __future__ import annotations

import dataclasses
import json
import select
import sys
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from bench.dns64.batches import Incoming, Outgoing, connected
from bench.dns64.queries import SIZE, Names, fault, queries

LANES: Final = 8
"""Sockets, each with a port of its own, so that a server with several sockets for its port gets something on each."""
WINDOW: Final = 24
"""Queries outstanding on each: all together fit into a socket's receive buffer of Linux's default size."""
_LEAST: Final = WINDOW // 2
"""Sent at a time, so that the sender is not the one that is waited for."""
_PATIENCE: Final = 0.5
"""Seconds without an answer after which a lane's outstanding queries count as lost."""
_LOOK: Final = 0.1
_SAMPLE: Final = 512
"""Of so many batches of answers one answer is looked at closely."""
_SAMPLES: Final = 200
_RD_ANSWER, _RECURSION, _ONE = 0x81, 0x80, 1


@dataclass
class Tally:
    """What became of the queries. Seconds without those that the last answers were waited for."""

    asked: int = 0
    answered: int = 0
    in_time: int = 0
    """Answered within `seconds`."""
    wrong: int = 0
    seconds: float = 0.0
    example: str | None = None
    """What was wrong with one of the answers."""
    samples: list[bytes] = field(default_factory=list)


class _Lane:
    def __init__(self, server: str, port: int) -> None:
        self.socket = connected(server, port)
        self.outstanding = 0
        self.heard = 0.0


class Client:
    """Sockets towards one server; for `trains` see `Outgoing`."""

    def __init__(self, server: str, port: int, *, trains: bool = True) -> None:
        self._trains = trains
        self._lanes = [_Lane(server, port) for _ in range(LANES)]
        self._by_descriptor = {lane.socket.fileno(): lane for lane in self._lanes}
        self._epoll = select.epoll()
        for descriptor in self._by_descriptor:
            self._epoll.register(descriptor, select.EPOLLIN)
        self._incoming = Incoming(WINDOW)
        self._batches = 0

    def close(self) -> None:
        """Close the sockets."""
        self._epoll.close()
        for lane in self._lanes:
            lane.socket.close()

    def put(self, outgoing: Outgoing, *, first: int, count: int, seconds: float, spin: bool) -> Tally:
        """Send up to `count` queries within `seconds`, from index `first` on and around, and say what became of them.

        `spin`: look for answers without ever sleeping, on a core that nobody else needs.
        """
        self._send = outgoing.send if self._trains else outgoing.send_each
        tally = Tally()
        start = time.perf_counter()
        end, look = start + seconds, start
        self._at, self._left = first % outgoing.count, count
        for lane in self._lanes:
            outgoing.prepare(lane.socket, trains=self._trains)
            lane.heard = start
            self._fill(lane, outgoing, tally)
        wait = 0.0 if spin else _LOOK
        while (now := time.perf_counter()) < end and (self._left or self._outstanding()):
            for descriptor, _ in self._epoll.poll(wait):
                lane = self._by_descriptor[descriptor]
                self._take(lane, tally, now)
                self._fill(lane, outgoing, tally)
            if now > look:
                look = now + _LOOK
                self._give_up(now)
                for lane in self._lanes:
                    self._fill(lane, outgoing, tally)
        tally.seconds = now - start
        tally.in_time = tally.answered
        self._drain(tally)
        return tally

    def _outstanding(self) -> int:
        return sum(lane.outstanding for lane in self._lanes)

    def _fill(self, lane: _Lane, outgoing: Outgoing, tally: Tally) -> None:
        there = min(self._left, outgoing.count - self._at)
        free = min(WINDOW - lane.outstanding, there)
        if there and free >= min(_LEAST, there):
            sent = self._send(lane.socket, self._at, free)
            self._at = (self._at + sent) % outgoing.count
            self._left -= sent
            lane.outstanding += sent
            tally.asked += sent

    def _take(self, lane: _Lane, tally: Tally, now: float) -> None:
        incoming = self._incoming
        got = incoming.receive(lane.socket)
        if not got:
            return
        lane.outstanding = max(0, lane.outstanding - got)
        lane.heard = now
        tally.answered += got
        if not (
            incoming.column(2, got).count(_RD_ANSWER)
            == incoming.column(3, got).count(_RECURSION)
            == incoming.column(7, got).count(_ONE)
            == got
        ):
            self._look_closer(got, tally)
        self._batches += 1
        if self._batches % _SAMPLE == 1 and len(tally.samples) < _SAMPLES:
            tally.samples.append(incoming.datagram(0))

    def _look_closer(self, got: int, tally: Tally) -> None:
        for index in range(got):
            answer = self._incoming.datagram(index)
            # QR without opcode and TC; rcode; ANCOUNT
            if len(answer) < 12 or answer[2] & 0xFA != 0x80 or answer[3] & 0xF or answer[6:8] != b"\0\1":
                tally.wrong += 1
                tally.example = tally.example or answer.hex()

    def _give_up(self, now: float) -> None:
        for lane in self._lanes:
            if now > lane.heard + _PATIENCE:
                lane.outstanding = 0
                lane.heard = now

    def _drain(self, tally: Tally) -> None:
        end = time.perf_counter() + 4 * _PATIENCE
        while self._outstanding() and (now := time.perf_counter()) < end:
            for descriptor, _ in self._epoll.poll(_LOOK):
                self._take(self._by_descriptor[descriptor], tally, now)


def round_trips(server: str, port: int, outgoing: bytes, *, rate: int, seconds: float) -> list[int]:
    """Ask one query at a time, `rate` a second, and return the nanoseconds that each answer took.

    Raises `TimeoutError` when one does not come.
    """
    found = []
    with connected(server, port) as channel:
        channel.settimeout(2)
        start = time.perf_counter()
        for number in range(int(rate * seconds)):
            at = number * SIZE % len(outgoing)
            query = outgoing[at : at + SIZE]
            time.sleep(max(0.0, start + number / rate - time.perf_counter()))
            began = time.perf_counter_ns()
            channel.send(query)
            answer = channel.recv(1232)
            found.append(time.perf_counter_ns() - began)
            if answer[:2] != query[:2] or answer[3] & 0xF or not answer[7]:
                raise ValueError(f"a wrong answer: {answer.hex()}")
    return found


@lru_cache(maxsize=3)
def _prepared(names: Names) -> Outgoing:
    return Outgoing(queries(names), SIZE)


def _put(order: dict[str, Any], names: Names) -> dict[str, Any]:
    client = Client(order["server"], order["port"], trains=order.get("trains", True))
    try:
        tally = client.put(
            _prepared(names),
            first=order.get("start", 0),
            count=order["count"],
            seconds=order["seconds"],
            spin=order.get("spin", False),
        )
    finally:
        client.close()
    for sample in tally.samples:
        wrong = fault(sample, names)
        if wrong is not None:
            tally.wrong += 1
            tally.example = tally.example or wrong
    return dataclasses.asdict(dataclasses.replace(tally, samples=[])) | {"samples": len(tally.samples)}


def _latency(order: dict[str, Any], names: Names) -> dict[str, Any]:
    wire = queries(names)
    found = round_trips(order["server"], order["port"], wire, rate=order["rate"], seconds=order["seconds"])
    return {"nanoseconds": found}


def main() -> None:
    """Serve the orders on standard input."""
    for line in sys.stdin:
        order = json.loads(line)
        names = Names(**order["names"])
        try:
            told = (_latency if order["do"] == "latency" else _put)(order, names)
        except (OSError, ValueError) as error:
            told = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
