"""Worker processes: started, asked, started again, told to leave. What they do here is to answer, no more."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from nat64.dns64 import worker_processes
from nat64.dns64.restart_pace import RestartPace
from nat64.dns64.statistics import Statistics
from nat64.dns64.worker_channel import Ask, WorkerEnd
from nat64.dns64.worker_processes import WorkerProcesses
from nat64.process.errors import ProcessError

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable

Serve = Callable[[int, "socket.socket"], None]


def answer(number: int, channel: socket.socket) -> None:
    """Answer what is asked until told to leave; worker 1 is deaf to that."""

    end = WorkerEnd(channel)

    async def run() -> None:
        end.send({"serving": True})
        while not end.at_end:
            select.select([channel], (), (), 10)
            for message in end.receive():
                assert isinstance(message, Ask)
                end.send({"number": message.number, "pid": os.getpid()})

    asyncio.run(run())
    if number == 1 and end.is_heard:
        time.sleep(60)


def count(number: int, channel: socket.socket) -> None:
    """Count what is asked; worker 1 says it once more when told to leave."""

    end = WorkerEnd(channel)
    statistics = Statistics()

    async def run() -> None:
        end.send({"serving": True})
        while not end.at_end:
            select.select([channel], (), (), 10)
            for message in end.receive():
                assert isinstance(message, Ask)
                statistics.answered("cached", 0.001, 10)
                end.send({"number": message.number, "statistics": statistics.as_json()})
        if number == 1:
            statistics.answered("cached", 0.001)
            end.send({"statistics": statistics.as_json()})

    asyncio.run(run())


def fail(_number: int, _channel: socket.socket) -> None:
    """End at once."""


def run(serve: Serve, test: Callable[[WorkerProcesses], Awaitable[None]]) -> None:
    async def with_processes() -> None:
        processes = WorkerProcesses(serve, lambda _: ())
        try:
            async with asyncio.timeout(60):
                await test(processes)
        finally:
            await processes.end(0.1)

    asyncio.run(with_processes())


async def answers(processes: WorkerProcesses) -> list[int | None]:
    said: list[tuple[Any, dict[str, Any] | None]] = list(await processes.ask_all(Ask, 5))
    for worker, account in said:
        assert account is None or account["pid"] == worker.pid
    return [None if account is None else account["pid"] for _, account in said]


async def until_there_are(count: int, processes: WorkerProcesses) -> list[int | None]:
    while len(processes.workers) < count:  # noqa: ASYNC110 - the loop starts them meanwhile
        await asyncio.sleep(0.01)
    return await answers(processes)


def test_a_worker_that_dies_is_started_again_under_its_number(caplog: pytest.LogCaptureFixture) -> None:
    async def test(processes: WorkerProcesses) -> None:
        await processes.start(3)
        first, second, third = await answers(processes)
        assert second is not None
        os.kill(second, signal.SIGKILL)
        while second in {worker.pid for worker in processes.workers}:  # noqa: ASYNC110 - the loop hears of it meanwhile
            await asyncio.sleep(0.01)
        after = await until_there_are(3, processes)
        assert (after[0], after[2]) == (first, third)
        assert after[1] not in {None, second}
        assert [processes.restarts(number) for number in range(3)] == [0, 1, 0]

    run(answer, test)
    assert "a worker has ended, another takes its place" in caplog.text


def test_what_is_asked_of_a_worker_that_dies_has_no_answer() -> None:
    async def test(processes: WorkerProcesses) -> None:
        await processes.start(2)
        os.kill(processes.workers[0].pid, signal.SIGSTOP)
        asked = asyncio.ensure_future(processes.ask_all(Ask, 30))
        await asyncio.sleep(0.1)
        os.kill(processes.workers[0].pid, signal.SIGKILL)
        (_, first), (_, second) = await asked
        assert first is None
        assert second is not None

    run(answer, test)


def test_workers_that_do_not_come_to_serve_are_told() -> None:
    async def test(processes: WorkerProcesses) -> None:
        with pytest.raises(ProcessError, match="a worker ended before it served; see the log"):
            await processes.start(2)

    run(fail, test)


def test_a_worker_that_is_stuck_is_killed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_processes, "_LOOKS_EVERY", 0.05)
    monkeypatch.setattr(worker_processes, "_IS_WELL_WITHIN", 0.5)

    async def test(processes: WorkerProcesses) -> None:
        await processes.start(2)
        stuck, well = (worker.pid for worker in processes.workers)
        os.kill(stuck, signal.SIGSTOP)
        while stuck in {worker.pid for worker in processes.workers}:  # noqa: ASYNC110 - the loop looks meanwhile
            await asyncio.sleep(0.01)
        after = await until_there_are(2, processes)
        assert after[1] == well
        assert after[0] is not None

    run(answer, test)
    assert "a worker is stuck, it is killed" in caplog.text


def test_workers_that_are_too_many_leave_and_those_that_do_not_are_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_processes, "LEAVES_WITHIN", 0.3)

    async def test(processes: WorkerProcesses) -> None:
        await processes.start(3)
        first, *others = [worker.pid for worker in processes.workers]
        await processes.leave(1)
        assert await answers(processes) == [first]
        for pid in others:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        await processes.start(2)
        assert len(await answers(processes)) == 2

    run(answer, test)


def test_a_worker_whose_pause_outlasts_two_reloads_is_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RestartPace, "pause", lambda *_: 0.3)

    async def test(processes: WorkerProcesses) -> None:
        await processes.start(2)
        os.kill(processes.workers[1].pid, signal.SIGKILL)
        while len(processes.workers) > 1:  # noqa: ASYNC110 - the loop hears of it meanwhile
            await asyncio.sleep(0.01)
        await processes.leave(1)
        await processes.start(2)
        before = await answers(processes)
        await asyncio.sleep(0.5)
        assert await answers(processes) == before

    run(answer, test)


def test_a_worker_for_which_the_host_is_short_of_files_is_started_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_processes, "LONGEST_PAUSE", 0.1)

    def short(*_: object) -> None:
        monkeypatch.undo()
        raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))

    async def test(processes: WorkerProcesses) -> None:
        await processes.start(1)
        first = processes.workers[0].pid
        monkeypatch.setattr("socket.socketpair", short)
        os.kill(first, signal.SIGKILL)
        while first in {worker.pid for worker in processes.workers}:  # noqa: ASYNC110 - the loop hears of it meanwhile
            await asyncio.sleep(0.01)
        async with asyncio.timeout(20):
            assert await until_there_are(1, processes) != [None]

    run(answer, test)


def test_what_workers_counted_stays_known_when_they_die_and_when_they_leave() -> None:
    async def test(processes: WorkerProcesses) -> None:
        await processes.start(2)
        await processes.ask_all(Ask, 5)
        assert processes.counted().counters["cached"] == 20
        first = processes.workers[0]
        os.kill(first.pid, signal.SIGKILL)
        while first in processes.workers:  # noqa: ASYNC110 - the loop hears of it meanwhile
            await asyncio.sleep(0.01)
        assert processes.counted().counters["cached"] == 20
        await processes.leave(1)
        counted = processes.counted()
        assert counted.counters["cached"] == 21
        assert sum(counted.latencies["cached"].counts) == 21

    run(count, test)
