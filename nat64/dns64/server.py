"""The running DNS64 server: config, sockets and workers, and what a reload changes of them. It serves no client itself."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from nat64.dns64.access import AllowQuery
from nat64.dns64.certificates import read_certificates
from nat64.dns64.sockets import BindError, Families, bindings
from nat64.dns64.upstream import Upstream
from nat64.dns64.worker import Assignment, serve
from nat64.dns64.worker_channel import Allow, Ask, Flush, Serve, TakeSockets
from nat64.dns64.worker_processes import TAKES_WITHIN, Worker, WorkerProcesses
from nat64.process.errors import ProcessError

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from nat64.config.dns64_config import Dns64Config, Interfaces, IPNetwork
    from nat64.dns64.certificates import Contexts
    from nat64.dns64.listening import Listening, Opened
    from nat64.dns64.sockets import Binding, BoundSockets

log = logging.getLogger(__name__)

MOST_WORKERS: Final = 64
_SPARED_FOR: Final = 0.1
"""Seconds for which workers that are to leave serve still, when new clients go to the others already."""


def worker_count(config: Dns64Config) -> int:
    """Return how many workers the config asks for: what it says, or one for each core that we may run on."""
    return min(config.workers or len(os.sched_getaffinity(0)), MOST_WORKERS)


class Server:
    """Serves DNS64 by workers until `end`.

    `listening` has the sockets of a first config open already, perhaps from before privileges were dropped. Where no
    config has one, `cookie_secret` is that of DNS cookies (RFC 7873); it is made where it is not given.
    """

    def __init__(
        self,
        families: Families,
        networks_of: Callable[[Interfaces], Awaitable[Sequence[IPNetwork]]],
        config: Dns64Config,
        listening: Listening,
        cookie_secret: bytes | None = None,
    ) -> None:
        self.started = time.time()
        self.config = config
        self._families = families
        self._networks_of = networks_of
        self._listening = listening
        self._upstream = Upstream()
        self._access = AllowQuery(())
        self._changing = asyncio.Lock()
        self._certificates: Contexts = {}
        self._cookie_secret = cookie_secret or secrets.token_bytes(16)
        self._dismissal: asyncio.Task[None] | None = None
        self.processes = WorkerProcesses(self._serve_as_worker, self._kept_by)

    async def prepare(self) -> None:
        """Read what is needed while all files can be reached. Raises `BindError` and what `networks_of` raises."""
        self._certificates = read_certificates(self.config)
        self._upstream.prepare(self.config)
        self._allow(await self._networks(self.config))

    async def start(self, workers_before: Sequence[Sequence[Any]] = ()) -> None:
        """Serve, and have workers leave that an earlier program has started. Raises `ProcessError`.

        Those are given as that program's `WorkerProcesses` handed them over.
        """
        async with self._changing:
            workers = worker_count(self.config)
            for binding in self._listening.bindings:
                log.info("listening", extra={"at": str(binding)})
            await self.processes.start(workers)
            self._listening.close_others(bindings(self.config, self._families))
            self._listening.share(workers)
        if workers_before:
            self._dismissal = asyncio.get_running_loop().create_task(self._dismiss(workers_before))

    async def _dismiss(self, workers: Sequence[Sequence[Any]]) -> None:
        """Have the workers of an earlier program leave; only they may have served some of the sockets."""
        await self.processes.dismiss(workers)
        async with self._changing:
            self._listening.close_beyond(self.processes.wanted)

    async def reload(self, config: Dns64Config) -> None:
        """Serve by another config. Sockets that both configs name stay open.

        Raises `BindError` when another one cannot be opened, or clients cannot be shown a certificate there, and
        what `networks_of` raises; then everything stays as it was.
        """
        wanted = bindings(config, self._families)
        workers = worker_count(config)
        async with self._changing:
            networks = await self._networks(config)
            certificates = read_certificates(config)
            opened = self._listening.open_missing(wanted, max(workers, self.processes.wanted))
            self._certificates = certificates
            self._upstream.prepare(config)
            self.config = config
            self._allow(networks)
            self._listening.add(opened)
            await self._have_served(opened, wanted, config)
            self._listening.share(self.processes.wanted)
            for binding in self._listening.close_others(wanted):
                log.info("no longer listening", extra={"at": str(binding)})
            await self._resize(workers)

    async def end(self, seconds: float) -> None:
        """Stop; what has been asked already is answered if it can be in so much time."""
        if self._dismissal is not None:
            self._dismissal.cancel()
        await self.processes.end(seconds)
        self._listening.close()

    async def follow_interfaces(self) -> None:
        """Serve interfaces that have come back, and answer the networks that they are connected to now.

        Raises what `networks_of` raises; then everything stays as it was.
        """
        async with self._changing:
            for binding in self._listening.stranded():
                await self._reopen(binding)
            before = self.allowed
            self._allow(await self._networks(self.config))
            if self.allowed != before:
                self.processes.tell_all(Allow(self.allowed))

    async def ask_workers(self) -> list[tuple[Worker, dict[str, Any] | None]]:
        """Return what each worker says of itself, ``None`` where it says nothing in time."""
        return await self.processes.ask_all(Ask)

    async def flush(self, name: str | None) -> list[tuple[Worker, dict[str, Any] | None]]:
        """Have the workers forget the answers kept for a name and below it, or all."""
        return await self.processes.ask_all(lambda number: Flush(number, name))

    @property
    def listening(self) -> list[str]:
        """Where the server listens, as text."""
        return [str(binding) for binding in self._listening.bindings]

    @property
    def allowed(self) -> tuple[IPNetwork, ...]:
        """The networks that are answered."""
        return self._access.networks

    @property
    def descriptors(self) -> list[int]:
        """The open files that the program which takes this one's place needs."""
        channels = [descriptor for _, descriptor, _ in self.processes.hand_over()]
        return [*self._listening.descriptors, *channels]

    def hand_over(self) -> dict[str, Any]:
        """Describe sockets and workers to the program that takes this one's place."""
        return {
            "sockets": self._listening.hand_over(),
            "workers": self.processes.hand_over(),
            "counted": self.processes.counted_before.as_json(),
            "cookie_secret": self._cookie_secret.hex(),
        }

    def _serve_as_worker(self, number: int, channel: socket.socket) -> None:
        assignment = Assignment(
            self.config,
            worker_count(self.config),
            self.allowed,
            self._sockets_of(number),
            self._upstream,
            self._certificates,
            self._cookie_secret,
        )
        serve(assignment, channel)

    def _kept_by(self, number: int) -> Iterable[int]:
        return [each.fileno() for bound in self._sockets_of(number).values() for each in bound]

    def _sockets_of(self, number: int) -> dict[Binding, BoundSockets]:
        """Return a worker's sockets, without those that are about to be closed."""
        wanted = set(bindings(self.config, self._families))
        return {binding: bound for binding, bound in self._listening.of(number).items() if binding in wanted}

    async def _have_served(
        self, opened: Opened, wanted: Sequence[Binding], config: Dns64Config | None = None
    ) -> None:
        """Have all workers serve on sockets that were opened, and by a config; one that does not is replaced."""
        for binding in opened:
            log.info("listening", extra={"at": str(binding)})
        await asyncio.gather(
            *(self._have_worker_serve(worker, opened, wanted, config) for worker in self.processes.workers)
        )

    async def _have_worker_serve(
        self, worker: Worker, opened: Opened, wanted: Sequence[Binding], config: Dns64Config | None
    ) -> None:
        theirs = {
            binding: numbered[worker.number]
            for binding, numbered in opened.items()
            if worker.number in numbered
        }
        for binding, bound in theirs.items():
            worker.end.send(TakeSockets((binding,)), [each.fileno() for each in bound])
        workers = worker_count(self.config)
        answer = await self.processes.ask(
            worker, lambda number: Serve(number, tuple(wanted), workers, config, self.allowed), TAKES_WITHIN
        )
        if answer is None or "error" in answer:
            log.error("a worker does not take the config, it is replaced", extra={"pid": worker.pid})
            self.processes.replace(worker)

    async def _resize(self, workers: int) -> None:
        """Have as many workers as the config says."""
        before = self.processes.wanted
        if workers > before:
            try:
                await self.processes.start(workers)
                self._listening.share(workers)
            except ProcessError as error:
                log.error("not all workers serve yet", extra={"why": str(error)})  # noqa: TRY400 - no fault of the code
        elif workers < before:
            self._listening.share(workers)
            await asyncio.sleep(_SPARED_FOR)
            await self.processes.leave(workers)
            self._listening.close_beyond(workers)

    async def _reopen(self, binding: Binding) -> None:
        """Open the sockets of an interface anew that was removed, if it has come back."""
        try:
            opened = self._listening.reopen(binding)
        except BindError as error:
            log.debug("not yet listening again", extra={"why": str(error)})
            return
        self._listening.add(opened)
        await self._have_served(opened, self._listening.bindings)
        self._listening.share(self.processes.wanted)

    async def _networks(self, config: Dns64Config) -> Sequence[IPNetwork]:
        """Return the networks to answer: those of `allow-query`, and those connected to `interfaces`."""
        connected = await self._networks_of(config.interfaces) if config.interfaces is not None else ()
        return (*config.allow_query, *connected)

    def _allow(self, networks: Sequence[IPNetwork]) -> None:
        before = self.allowed
        self._access = AllowQuery(networks)
        if self.allowed != before:
            log.info("answering", extra={"networks": " ".join(map(str, self.allowed))})
