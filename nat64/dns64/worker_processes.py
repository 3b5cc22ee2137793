"""The supervisor's side of its workers: forks of it that are started, asked, started again and told to leave."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nat64.dns64.restart_pace import LONGEST_PAUSE, RestartPace
from nat64.dns64.statistics import Statistics
from nat64.dns64.worker_channel import Ask, SupervisorEnd
from nat64.process import event_log, privileges
from nat64.process.errors import ProcessError
from nat64.process.forked import keep_only

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nat64.dns64.worker_channel import Flush, Serve, ToWorker

log = logging.getLogger(__name__)

SERVES_WITHIN: Final = 20.0
"""Seconds that a worker has to begin."""
TAKES_WITHIN: Final = 5.0
"""Seconds that a worker has to take a config, before another that has it takes its place."""
ANSWERS_WITHIN: Final = 1.0
LEAVES_WITHIN: Final = 10.0
_LOOKS_EVERY: Final = 5.0
_IS_WELL_WITHIN: Final = 15.0
"""Seconds after which a worker that says nothing is taken for stuck."""
_CHANNEL_OCTETS: Final = 1 << 20


@dataclass(slots=True, eq=False)
class Worker:
    """One process."""

    number: int
    pid: int
    end: SupervisorEnd
    born: float
    """By the monotonic clock."""
    started: float
    """In seconds since 1970."""
    answers: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    counted: Statistics = field(default_factory=Statistics)
    """What it had counted when it was last heard."""


class WorkerProcesses:
    """The workers, by their numbers from 0 on.

    `serve` is what a worker does, in its own process, until it returns: it gets the worker's number and the
    channel. `keep` tells which open files stay with it.
    """

    def __init__(
        self, serve: Callable[[int, socket.socket], None], keep: Callable[[int], Iterable[int]]
    ) -> None:
        self._serve = serve
        self._keep = keep
        self.counted_before = Statistics()
        """What those had counted that are gone, as far as it is known: a worker that dies takes along the last seconds."""
        self._workers: dict[int, Worker] = {}
        self._leaving: set[Worker] = set()
        self._first: dict[int, asyncio.Future[None]] = {}
        self._paces: dict[int, RestartPace] = {}
        self._wanted = 0
        self._number = 0
        self._loop = asyncio.get_running_loop()
        self._watch = self._loop.create_task(self._look_after())

    @property
    def workers(self) -> Sequence[Worker]:
        """Those that run and are to stay."""
        return [self._workers[number] for number in sorted(self._workers)]

    @property
    def wanted(self) -> int:
        """How many there are to be."""
        return self._wanted

    def restarts(self, number: int) -> int:
        """Return how often a worker was started again."""
        return self._paces[number].restarts

    def counted(self) -> Statistics:
        """Return what all workers have counted, those that are gone with them, as far as they were heard."""
        whole = Statistics()
        for each in (self.counted_before, *(worker.counted for worker in self._all())):
            whole.add(each)
        return whole

    async def start(self, wanted: int) -> None:
        """Start workers until there are so many. Raises `ProcessError` when one does not come to serve."""
        numbers = range(self._wanted, wanted)
        self._wanted = max(wanted, self._wanted)
        gc.freeze()  # what is there now stays shared with the workers
        for number in numbers:
            self._paces[number] = RestartPace()
            self._first[number] = self._loop.create_future()
            # Not from within a task, which the worker's own loop would take for its own.
            self._loop.call_soon(self._start, number)
        try:
            async with asyncio.timeout(SERVES_WITHIN):
                await asyncio.gather(*(self._first[number] for number in numbers))
        except TimeoutError:
            raise ProcessError(
                f"a worker does not serve after {SERVES_WITHIN:.0f} s; see the log, or start again"
            ) from None
        finally:
            for number in numbers:
                self._first.pop(number).cancel()

    async def leave(self, wanted: int) -> None:
        """Have the workers beyond the first `wanted` finish what they have begun and go."""
        leaving = [self._workers.pop(number) for number in list(self._workers) if number >= wanted]
        self._wanted = min(wanted, self._wanted)
        await self._let_go(leaving, LEAVES_WITHIN)

    async def dismiss(self, others: Iterable[Sequence[Any]]) -> None:
        """Have workers leave that the program before this one has started, of which it told by `hand_over`."""
        leaving = []
        for pid, descriptor, counted in others:
            channel = socket.socket(fileno=descriptor)
            channel.set_inheritable(False)
            worker = self._know(-1, pid, channel)
            worker.counted = Statistics.from_json(counted)
            leaving.append(worker)
        await self._let_go(leaving, LEAVES_WITHIN)

    def hand_over(self) -> list[list[Any]]:
        """Describe the workers to the program that takes this one's place: process, descriptor, and what it counted."""
        return [[worker.pid, worker.end.descriptor, worker.counted.as_json()] for worker in self._all()]

    def tell_all(self, message: ToWorker) -> None:
        """Tell the workers something that has no answer."""
        for worker in self.workers:
            worker.end.send(message)

    async def ask_all(
        self, message: Callable[[int], Ask | Flush], seconds: float = ANSWERS_WITHIN
    ) -> list[tuple[Worker, dict[str, Any] | None]]:
        """Ask the workers; ``None`` is the answer of one that gives none in time. `message` gets the question's number."""
        workers = self.workers
        answers = await asyncio.gather(*(self.ask(worker, message, seconds) for worker in workers))
        return list(zip(workers, answers, strict=True))

    async def ask(
        self, worker: Worker, message: Callable[[int], Ask | Flush | Serve], seconds: float
    ) -> dict[str, Any] | None:
        """Ask one of the workers. ``None``: it has not answered in time, or has ended."""
        self._number += 1
        number = self._number
        answer = worker.answers[number] = self._loop.create_future()
        worker.end.send(message(number))
        await asyncio.wait((answer,), timeout=seconds)
        del worker.answers[number]
        return answer.result() if answer.done() and not answer.cancelled() else None

    def replace(self, worker: Worker) -> None:
        """Kill a worker; another takes its place, unless it was to leave."""
        if worker.end.is_open:  # else its process number may be another's by now
            os.kill(worker.pid, signal.SIGKILL)

    async def end(self, seconds: float) -> None:
        """End all workers, with so much time to finish what they have begun."""
        self._watch.cancel()
        leaving = self._all()
        self._workers.clear()
        self._wanted = 0
        await self._let_go(leaving, seconds)

    def _all(self) -> list[Worker]:
        return [*self._workers.values(), *self._leaving]

    async def _let_go(self, leaving: Sequence[Worker], seconds: float) -> None:
        self._leaving.update(leaving)
        for worker in leaving:
            worker.end.ask_to_leave()
        deadline = self._loop.time() + seconds
        while self._leaving.intersection(leaving):
            if self._loop.time() >= deadline:
                for worker in self._leaving.intersection(leaving):
                    self.replace(worker)
                deadline += 1.0
            await asyncio.sleep(0.005)

    def _start(self, number: int) -> None:
        # It runs already where the pause of one before it outlasted two reloads, to fewer workers and to more again.
        if number >= self._wanted or number in self._workers:
            return
        ends: tuple[socket.socket, ...] = ()
        try:
            ours, theirs = ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            for each in ends:
                each.setblocking(False)
                each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _CHANNEL_OCTETS)
            pid = os.fork()
        except OSError as error:
            log.error("a worker cannot be started", extra={"why": error.strerror})  # noqa: TRY400 - no fault of the code
            for each in ends:
                each.close()
            self._loop.call_later(LONGEST_PAUSE, self._start, number)
            return
        if not pid:
            self._become_worker(number, theirs)
        theirs.close()
        self._workers[number] = self._know(number, pid, ours)

    def _become_worker(self, number: int, channel: socket.socket) -> None:
        """Be a worker, and nothing after that."""
        status = 1
        try:
            keep_only({channel.fileno(), *self._keep(number), *event_log.descriptors()})
            with contextlib.suppress(OSError):  # a filter that is not ours: then it is kept, and of no use
                privileges.give_up(privileges.Capability.NET_BIND_SERVICE)
            self._serve(number, channel)
            status = 0
        except Exception:
            log.exception("a worker ends by a fault of ours")
        finally:
            os._exit(status)

    def _know(self, number: int, pid: int, channel: socket.socket) -> Worker:
        end = SupervisorEnd(channel, lambda said: self._hear(worker, said), lambda: self._has_ended(worker))
        worker = Worker(number, pid, end, time.monotonic(), time.time())
        return worker

    def _hear(self, worker: Worker, said: dict[str, Any]) -> None:
        if "statistics" in said:
            worker.counted = Statistics.from_json(said["statistics"])
        if "serving" in said:
            first = self._first.get(worker.number)
            if first is not None and not first.done():
                first.set_result(None)
            return
        number = said.get("number")
        answer = worker.answers.get(number) if isinstance(number, int) else None
        if answer is not None and not answer.done():
            answer.set_result(said)

    def _has_ended(self, worker: Worker) -> None:
        self.replace(worker)  # should it have closed its channel only
        _, status = os.waitpid(worker.pid, 0)
        worker.end.close()
        self.counted_before.add(worker.counted)
        for answer in worker.answers.values():
            answer.cancel()
        if worker in self._leaving:
            self._leaving.discard(worker)
            return
        del self._workers[worker.number]
        pause = self._paces[worker.number].pause(time.monotonic() - worker.born)
        log.error(
            "a worker has ended, another takes its place",
            extra={"pid": worker.pid, "status": os.waitstatus_to_exitcode(status), "pause": pause},
        )
        first = self._first.get(worker.number)
        if first is not None and not first.done():
            first.set_exception(ProcessError("a worker ended before it served; see the log"))
        self._loop.call_later(pause, self._start, worker.number)

    async def _look_after(self) -> None:
        """Replace workers that are stuck."""
        while True:
            await asyncio.sleep(_LOOKS_EVERY)
            for worker, answer in await self.ask_all(Ask, _IS_WELL_WITHIN):
                if answer is None and self._workers.get(worker.number) is worker:
                    log.error("a worker is stuck, it is killed", extra={"pid": worker.pid})
                    self.replace(worker)
