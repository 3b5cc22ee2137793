"""Asks forwarders over UDP by a large set of source ports that changes all the time (RFC 5452 section 9.2).

Each port is a socket connected to its forwarder: the kernel chose the port at random, drops what comes from
elsewhere, and tells of a closed port at once. A question goes by any one of a forwarder's ports; a reply
belongs to it by that port and the ID.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nat64.dns64 import direct_loop
from nat64.dns64.asker import OUR_SHORTAGES

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from nat64.config.dns64_config import Forwarder
    from nat64.dns64.asker import Asker
    from nat64.dns64.exchange import Ask

MOST_PORTS: Final = 64
"""Ports of a forwarder that questions are spread over. While there are fewer, each question gets a new one."""
MOST_ASKS: Final = 64
"""Questions by one port before another takes its place."""
OLDEST_SECONDS: Final = 10.0
"""The age at which that happens to any port."""
MOST_USELESS: Final = 100
"""Datagrams to one port that answer nothing before it is given up: somebody is guessing."""
_LONGEST_DATAGRAM: Final = 65535
_PORTS_AT_A_TIME: Final = 32
_MOST_TURNS: Final = 256
_FORGED: Final = "too many replies that do not fit; see who forges them, or what it answers"


@dataclass(slots=True, eq=False)
class Waiting:
    """A question that is on its way."""

    ask: Ask
    asker: Asker
    port: _Port | None = None
    was_moved: bool = False
    """Whether it was put again from another port already."""

    def give_up(self) -> None:
        """Want no reply any more."""
        if self.port is not None:
            self.port.forget(self)


@dataclass(slots=True, eq=False)
class _Port:
    """One source port, and what was asked by it."""

    source: socket.socket
    pool: _Pool
    opened: float
    asked: dict[bytes, Waiting | None]
    """What became of each ID; ``None``: it was answered, or nobody waits any more, but a reply may still come."""
    waiting: int = 0
    useless: int = 0
    retired: bool = False

    def forget(self, waiting: Waiting) -> bool:
        """Let a question wait no more; return whether it did."""
        ident = waiting.ask.data[:2]
        if self.asked.get(ident) is not waiting:
            return False
        self.asked[ident] = None
        self.waiting -= 1
        if self.retired and not self.waiting:
            self.pool.owner.close_port(self)
        return True

    def still_waiting(self) -> list[Waiting]:
        """Return the questions that wait."""
        return [waiting for waiting in self.asked.values() if waiting is not None]


class UdpForwarders:
    """The ports to all forwarders. Their replies and failures go to the askers."""

    def __init__(self, counters: Counter[str]) -> None:
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        # One descriptor for asyncio to watch, whatever number of ports there is: they come and go often.
        self._epoll = select.epoll()
        direct_loop.add_reader(self._epoll.fileno(), self._take_some)
        self._ports: dict[int, _Port] = {}
        self._pools: dict[int, _Pool] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def send(self, waiting: Waiting, now: float) -> None:
        """Put a question to its forwarder. Raises `OSError` when it cannot leave."""
        forwarder = waiting.ask.forwarder
        # By identity: its hash costs more than all else here.
        pool = self._pools.get(id(forwarder))
        if pool is None:
            pool = self._pools[id(forwarder)] = _Pool(self, forwarder)
        data = waiting.ask.data
        port = pool.port_for(data[:2], now)
        try:
            port.source.send(data)
        except ConnectionRefusedError as error:
            # What was asked before by this port has been refused, not this.
            self._retire(port)
            self._loop.call_soon(self._port_failed, port, error)
            port = pool.new_port(now)
            port.source.send(data)
        port.asked[data[:2]] = waiting
        port.waiting += 1
        waiting.port = port

    def close(self) -> None:
        """Close all ports; nobody hears of it."""
        for port in list(self._ports.values()):
            self.close_port(port)
        if self._sweeping is not None:
            self._sweeping.cancel()
        direct_loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def open_port(self, pool: _Pool, now: float) -> _Port:
        """Open another port. Raises `OSError`."""
        source = socket.socket(pool.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            source.connect(pool.address)
            self._epoll.register(source, select.EPOLLIN)
        except OSError:
            source.close()
            raise
        port = self._ports[source.fileno()] = _Port(source, pool, now, {})
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(OLDEST_SECONDS, self._sweep)
        return port

    def close_port(self, port: _Port) -> None:
        """Close a port that nothing is expected at."""
        number = port.source.fileno()
        if number >= 0:
            del self._ports[number]
            port.source.close()

    def _retire(self, port: _Port) -> None:
        port.retired = True
        if port in port.pool.ports:
            port.pool.ports.remove(port)

    def _sweep(self) -> None:
        """Close what has grown old, so that a server without work keeps no ports."""
        oldest = self._loop.time() - OLDEST_SECONDS
        for key, pool in list(self._pools.items()):
            pool.retire_before(oldest)
            if not pool.ports:
                del self._pools[key]
        # Ports that still wait are closed by what they wait for.
        self._sweeping = self._loop.call_later(OLDEST_SECONDS, self._sweep) if self._pools else None

    def take_replies(self) -> None:
        """Take what has come in, as much of it as has a bound."""
        for _ in range(_MOST_TURNS):
            if not self._take_some():
                return

    def _take_some(self) -> int:
        """Read from the ports whose turn it is; return how many they were."""
        now = self._loop.time()
        readable = self._epoll.poll(0, _PORTS_AT_A_TIME)
        for number, _ in readable:
            port = self._ports.get(number)
            if port is not None:
                self._read(port, now)
        return len(readable)

    def _read(self, port: _Port, now: float) -> None:
        """Read one datagram. Of a port that has more the next turn tells."""
        try:
            data = port.source.recv(_LONGEST_DATAGRAM)
        except BlockingIOError:
            return
        except OSError as error:
            self._retire(port)
            self._port_failed(port, error)
            return
        ident = data[:2]
        waiting = port.asked.get(ident)
        if waiting is not None and waiting.asker.reply_received(waiting.ask, data, now):
            port.forget(waiting)
            return
        if waiting is not None or ident not in port.asked:
            self._counters["forged"] += 1
        port.useless += 1
        if port.useless >= MOST_USELESS:
            self._give_up(port, now)

    def _give_up(self, port: _Port, now: float) -> None:
        """Leave a port at which too much was of no use, and put its questions again from others."""
        self._retire(port)
        for waiting in port.still_waiting():
            if port.forget(waiting):  # else what was told to another one has ended this, too
                self._move(waiting, now)
        self.close_port(port)

    def _move(self, waiting: Waiting, now: float) -> None:
        if waiting.was_moved:
            waiting.asker.ask_failed(waiting.ask, now, why=_FORGED)
            return
        waiting.was_moved = True
        try:
            self.send(waiting, now)
        except OSError as error:
            waiting.asker.ask_failed(waiting.ask, now, by_us=error.errno in OUR_SHORTAGES)

    def _port_failed(self, port: _Port, error: OSError) -> None:
        """Tell all who wait at a port, of which an ICMP error told that the forwarder does not listen."""
        now = self._loop.time()
        by_us = error.errno in OUR_SHORTAGES
        for waiting in port.still_waiting():
            if port.forget(waiting):
                waiting.asker.ask_failed(waiting.ask, now, by_us=by_us)
        self.close_port(port)


class _Pool:
    """The ports to one forwarder that are in use."""

    def __init__(self, owner: UdpForwarders, forwarder: Forwarder) -> None:
        self.owner = owner
        self.forwarder = forwarder  # kept, so that its identity is not another's
        endpoint = forwarder.endpoint
        self.family = socket.AF_INET6 if endpoint.address.version == 6 else socket.AF_INET
        self.address = (str(endpoint.address), endpoint.port)
        self.ports: list[_Port] = []
        self._choices = _random_bytes()

    def port_for(self, ident: bytes, now: float) -> _Port:
        """Return a port by which nothing with that ID was asked. Raises `OSError`."""
        ports = self.ports
        if len(ports) < MOST_PORTS:
            try:
                return self.new_port(now)
            except OSError as error:
                if error.errno not in OUR_SHORTAGES or not ports:
                    raise
        port = ports[next(self._choices) % len(ports)]
        if len(port.asked) < MOST_ASKS and ident not in port.asked and now - port.opened < OLDEST_SECONDS:
            return port
        return self._instead_of(port, ident, now)

    def new_port(self, now: float) -> _Port:
        """Open another port. Raises `OSError`."""
        port = self.owner.open_port(self, now)
        self.ports.append(port)
        return port

    def retire_before(self, oldest: float) -> None:
        """Use the ports no more that were opened before `oldest`."""
        old = [port for port in self.ports if port.opened <= oldest]
        self.ports = [port for port in self.ports if port.opened > oldest]
        for port in old:
            self._leave(port)

    def _instead_of(self, port: _Port, ident: bytes, now: float) -> _Port:
        try:
            fresh = self.owner.open_port(self, now)
        except OSError as error:
            # With no descriptor to be had, an old port is better than none.
            free = (each for each in (port, *self.ports) if each.asked.get(ident) is None)
            kept = next(free, None)
            if error.errno not in OUR_SHORTAGES or kept is None:
                raise
            return kept
        self.ports[self.ports.index(port)] = fresh
        self._leave(port)
        return fresh

    def _leave(self, port: _Port) -> None:
        port.retired = True
        if not port.waiting:
            self.owner.close_port(port)


def _random_bytes() -> Iterator[int]:
    """Yield numbers from 0 to 255 that nobody can foresee."""
    while True:
        yield from os.urandom(256)
