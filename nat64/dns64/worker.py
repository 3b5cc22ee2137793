"""A worker: a process that serves clients on sockets which the supervisor keeps open, too.

It has a service of its own, with its cache, and ways of its own to the forwarders. Config, sockets and networks come from
the supervisor. Told to leave it answers what it has been asked, and goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import select
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from nat64.dns64 import cycles
from nat64.dns64.certificates import read_certificates
from nat64.dns64.direct_loop import DirectLoop
from nat64.dns64.query_log import line_of
from nat64.dns64.query_log_file import QueryLogFile
from nat64.dns64.random_ids import random_ids
from nat64.dns64.service import Service
from nat64.dns64.sockets import BoundSockets, hear_no_more
from nat64.dns64.tcp_listeners import Accepting, Tasks, TcpListeners
from nat64.dns64.tls_listeners import TlsAccepting, TlsListeners
from nat64.dns64.udp_listener import UdpListener
from nat64.dns64.worker_channel import Allow, Ask, Flush, Serve, TakeSockets, WorkerEnd

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

    from nat64.config.dns64_config import Dns64Config, IPNetwork
    from nat64.dns64.certificates import Contexts
    from nat64.dns64.sockets import Binding
    from nat64.dns64.upstream import Upstream
    from nat64.dns64.worker_channel import ToWorker

log = logging.getLogger(__name__)

LEAVES_WITHIN: Final = 8.0
"""Seconds after which a worker that is to leave goes, whatever is still under way."""
_LEAVE_CYCLES: Final = ("connections_tcp", "connections_tls", "asked_https")
_DRAINS_WITHIN: Final = 0.3
_LOOKS_EVERY: Final = 0.02


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker begins with."""

    config: Dns64Config
    workers: int
    """How many there are of them."""
    networks: Sequence[IPNetwork]
    sockets: Mapping[Binding, BoundSockets]
    upstream: Upstream
    """Prepared for `config`, while all files could be reached."""
    certificates: Contexts
    """Read likewise."""
    cookie_secret: bytes
    """16 bytes; that of the config goes before it."""


def serve(assignment: Assignment, channel: socket.socket) -> None:
    """Serve until told to leave, or until the supervisor is gone. This is all that a worker's process does."""
    gc.set_threshold(*cycles.YOUNG, cycles.NEVER)
    with asyncio.Runner(loop_factory=DirectLoop) as runner:
        runner.run(_Worker(channel, assignment).run(assignment))


class _Worker:
    def __init__(self, channel: socket.socket, assignment: Assignment) -> None:
        self._channel = WorkerEnd(channel)
        self._upstream = upstream = assignment.upstream
        self._query_log = QueryLogFile(upstream.statistics)
        self._service = Service(
            random_id=random_ids().__next__,
            statistics=upstream.statistics,
            seconds_utc=time.time,
            cookie_secret=assignment.cookie_secret,
            log_query=lambda query: self._query_log.write(line_of(query)),
        )
        self._tasks = Tasks()
        self._tcp = TcpListeners(self._service, self._begin, assignment.config.limits)
        self._tls = TlsListeners(self._tcp)
        self._certificates = assignment.certificates
        self._open: dict[Binding, _Served] = {}
        self._taken: dict[Binding, BoundSockets] = {}
        self._changing = asyncio.Lock()
        self._end = asyncio.Event()

    async def run(self, assignment: Assignment) -> None:
        self._configure(assignment.config, assignment.workers, assignment.networks)
        for binding, bound in assignment.sockets.items():
            self._serve(binding, bound)
        asyncio.get_running_loop().add_reader(self._channel.channel, self._listen)
        self._channel.send({"serving": True})
        self._tasks.start(self._look_for_cycles())
        await self._end.wait()
        if self._channel.is_heard:
            await self._leave()
            self._channel.send({"statistics": self._service.statistics.as_json()})
        self._query_log.close()

    def _begin(self) -> None:
        """Pursue what clients have asked."""
        for flight in self._service.flights_to_begin():
            self._upstream.begin(flight)

    def _listen(self) -> None:
        for message in self._channel.receive():
            self._take(message)
        if self._channel.at_end:
            asyncio.get_running_loop().remove_reader(self._channel.channel)
            self._end.set()

    def _take(self, message: ToWorker) -> None:
        match message:
            case TakeSockets():
                for binding in message.bindings:
                    with contextlib.suppress(IndexError):  # `_serve_by` misses what did not come
                        udp = None if binding.tls else self._channel.take_socket()
                        self._taken[binding] = BoundSockets(self._channel.take_socket(), udp)
            case Serve():
                self._tasks.start(self._change(message))
            case Allow():
                self._service.allow(message.networks)
            case Ask():
                self._channel.send({"number": message.number, **self._account()})
            case Flush():
                self._channel.send({"number": message.number, "flushed": self._service.flush(message.name)})

    async def _change(self, message: Serve) -> None:
        """Serve by what the supervisor says from here on, and answer it."""
        answer: dict[str, Any] = {"number": message.number}
        try:
            async with self._changing:
                await self._serve_by(message)
        except Exception as error:  # the supervisor puts another worker in our place
            log.exception("what the supervisor says cannot be served by")
            answer["error"] = str(error)
        self._channel.send(answer)

    async def _serve_by(self, message: Serve) -> None:
        taken, self._taken = self._taken, {}
        if message.config is not None:
            self._certificates = read_certificates(message.config)
            self._upstream.prepare(message.config)
            self._configure(message.config, message.workers, message.networks)
        leaving = [self._open.pop(binding) for binding in set(self._open) - set(message.wanted)]
        leaving += [self._open.pop(binding) for binding in taken if binding in self._open]
        for binding, bound in taken.items():
            self._serve(binding, bound)
        missing = set(message.wanted) - set(self._open)
        if missing:  # with no descriptor to be had the kernel drops the files that come with a message
            raise RuntimeError(
                f"no sockets came for {', '.join(map(str, missing))}; see the limit of open files"
            )
        for served in leaving:
            await self._retire(served)

    def _configure(self, config: Dns64Config, workers: int, networks: Sequence[IPNetwork]) -> None:
        """Serve by `config`, as one of so many workers, for what has been read already."""
        limits = config.limits.divided_by(workers)
        self._service.configure(replace(config, limits=limits), workers=workers)
        self._service.allow(networks)
        self._tcp.configure(limits)
        self._query_log.use(config.query_log)
        for binding, served in self._open.items():
            if isinstance(served.tcp, TlsAccepting) and binding in self._certificates:
                served.tcp.context = self._certificates[binding]

    async def _retire(self, served: _Served) -> None:
        """Close sockets once what has come in by them so far is answered; new clients are served elsewhere."""
        if served.bound.udp is not None:
            hear_no_more(served.bound.udp)
        await served.drain()
        served.tcp.close()
        if self._service.waiting:
            self._tasks.start(self._close_later(served))
        else:
            served.close()

    async def _close_later(self, served: _Served) -> None:
        await self._finish()
        served.close()

    def _serve(self, binding: Binding, bound: BoundSockets) -> None:
        for each in bound:
            each.setblocking(False)
        udp = None
        if bound.udp is not None:
            asked_for = binding.address.is_unspecified
            udp = UdpListener(bound.udp, self._service, self._begin, asked_for=asked_for)
        tcp = (
            self._tls.serve(bound.tcp, self._certificates[binding])
            if binding.tls
            else self._tcp.serve(bound.tcp)
        )
        self._open[binding] = _Served(bound, udp, tcp)

    async def _leave(self) -> None:
        """Answer what has been asked, and no more: others serve these sockets now, or nobody is to."""
        for served in self._open.values():
            await served.drain()
            served.stop()
        self._service.leaving = True
        await asyncio.gather(self._finish(), self._tcp.drain(LEAVES_WITHIN))

    async def _finish(self) -> None:
        """Wait for what is under way, as long as that may take."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LEAVES_WITHIN
        while self._service.waiting and loop.time() < deadline:  # noqa: ASYNC110 - a count tells of no change
            await asyncio.sleep(_LOOKS_EVERY)

    async def _look_for_cycles(self) -> None:
        loop = asyncio.get_running_loop()
        looks = cycles.Looks(loop.time())
        while True:
            await asyncio.sleep(1)
            counters = self._service.counters
            litter = sum(counters[name] for name in _LEAVE_CYCLES)
            if looks.is_due(loop.time(), answers=len(self._service.cache), litter=litter):
                gc.collect()

    def _account(self) -> dict[str, Any]:
        """Say how it goes, in what JSON can carry."""
        service = self._service
        now = asyncio.get_running_loop().time()
        failed = {
            repr(forwarder): until - now
            for forwarder in service.forwarders
            if (until := service.health.failed_until(forwarder, now)) is not None
        }
        return {
            "outstanding": service.outstanding,
            "failed": failed,
            "statistics": service.statistics.as_json(),
            "cache": {"entries": len(service.cache), "bytes": service.cache.used},
        }


@dataclass(frozen=True, slots=True)
class _Served:
    """The sockets of a binding, with what serves them."""

    bound: BoundSockets
    udp: UdpListener | None
    tcp: Accepting

    async def drain(self) -> None:
        """Serve what has come in so far."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _DRAINS_WITHIN
        while _wait_to_be_read(self.bound) and loop.time() < deadline:  # noqa: ASYNC110 - the loop reads them meanwhile
            await asyncio.sleep(0)

    def stop(self) -> None:
        """Take nothing more; responses can still be sent."""
        self.tcp.close()
        if self.udp is not None:
            self.udp.stop()

    def close(self) -> None:
        """Close the sockets, but for the connections that were accepted."""
        self.tcp.close()
        if self.udp is not None:
            self.udp.close()


def _wait_to_be_read(bound: BoundSockets) -> bool:
    poll = select.poll()
    for each in bound:
        poll.register(each, select.POLLIN)
    return bool(poll.poll(0))
