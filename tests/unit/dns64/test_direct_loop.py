"""The loop that serves some descriptors as soon as it wakes: they come first, and all else is as asyncio has it."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nat64.dns64 import direct_loop
from nat64.dns64.direct_loop import DirectLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def run(
    test: Callable[[], Coroutine[None, None, None]], factory: type[asyncio.AbstractEventLoop] = DirectLoop
) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(test(), 20))


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two ends that do not wait."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    return ends


@pytest.mark.parametrize("factory", [DirectLoop, asyncio.SelectorEventLoop])
def test_what_comes_is_told_until_it_is_not_wanted(factory: type[asyncio.AbstractEventLoop]) -> None:
    async def test() -> None:
        ours, theirs = pair()
        with ours, theirs:
            came: list[bytes] = []
            direct_loop.add_reader(ours.fileno(), lambda: came.append(ours.recv(10)))
            for expected in (1, 2):
                theirs.send(b"!")
                while len(came) < expected:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0)
            for _ in range(2):
                direct_loop.remove_reader(ours.fileno())
            theirs.send(b"!")
            await asyncio.sleep(0.01)
            assert came == [b"!", b"!"]

    run(test, factory)


def test_it_is_told_before_what_waits_for_its_turn() -> None:
    async def test() -> None:
        ours, theirs = pair()
        with ours, theirs:
            told: list[str] = []
            ended = asyncio.Event()

            def in_turn() -> None:
                theirs.recv(10)
                told.append("in turn")
                ended.set()

            def at_once() -> None:
                ours.recv(10)
                told.append("at once")

            asyncio.get_running_loop().add_reader(theirs, in_turn)
            direct_loop.add_reader(ours.fileno(), at_once)
            ours.send(b"!")
            theirs.send(b"!")
            await ended.wait()
            assert told == ["at once", "in turn"]
            asyncio.get_running_loop().remove_reader(theirs)
            direct_loop.remove_reader(ours.fileno())

    run(test)


def test_a_fault_is_logged_and_the_next_datagram_is_taken_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        ours, theirs = pair()
        with ours, theirs:
            came = asyncio.Queue[bytes]()

            def take() -> None:
                data = ours.recv(10)
                if data == b"bad":
                    raise ValueError(data)
                came.put_nowait(data)

            direct_loop.add_reader(ours.fileno(), take)
            theirs.send(b"bad")
            await asyncio.sleep(0.01)
            theirs.send(b"good")
            assert await came.get() == b"good"
            direct_loop.remove_reader(ours.fileno())

    run(test)
    assert "by a fault of ours" in caplog.text


def test_connections_and_timers_work_as_in_any_loop() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def test() -> None:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        much = os.urandom(3_000_000)  # more than buffers take: there is waiting to write, too
        receiving = loop.create_task(reader.readexactly(len(much)))
        writer.write(much)
        await writer.drain()
        assert await receiving == much
        writer.close()
        server.close()
        began = loop.time()
        await asyncio.sleep(0.0151)
        assert loop.time() - began >= 0.0151

    run(test)


def test_a_refused_connection_is_told() -> None:
    async def test() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*closed.getsockname())

    run(test)


def test_nothing_stays_open() -> None:
    async def test() -> None:
        await asyncio.sleep(0)

    run(test)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        run(test)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
