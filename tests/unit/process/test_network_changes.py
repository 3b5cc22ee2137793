"""Following the host's addresses: a look after each burst of changes, whatever becomes of the notifications."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

import pytest

from nat64.process import network_changes
from nat64.process.network_changes import NetworkChanges

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Looks:
    """Counts looks; the first one fails."""

    def __init__(self) -> None:
        self.count = 0
        self.looked = asyncio.Event()

    async def look(self) -> None:
        self.count += 1
        self.looked.set()
        if self.count == 1:
            raise OSError(errno.EIO, "cannot look")

    async def next(self) -> None:
        async with asyncio.timeout(20):
            await self.looked.wait()
        self.looked.clear()


def follow(
    kernel: socket.socket | None,
    monkeypatch: pytest.MonkeyPatch,
    test: Callable[[Looks, NetworkChanges], Awaitable[None]],
) -> None:
    """Run `test` beside a follower that hears `kernel`."""

    async def run() -> None:
        monkeypatch.setattr(network_changes, "_subscribe", lambda _groups: kernel)
        looks, changes = Looks(), NetworkChanges()
        following = asyncio.get_running_loop().create_task(changes.follow(looks.look))
        await test(looks, changes)
        following.cancel()
        changes.close()

    asyncio.run(run())


def test_a_burst_of_changes_is_one_look_and_a_look_that_fails_is_not_the_last(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kernel, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    monkeypatch.setattr(network_changes, "_SETTLES_WITHIN", 0.05)

    async def test(looks: Looks, _: NetworkChanges) -> None:
        for round_ in (1, 2):
            for _number in range(50):
                kernel.send(b"a message of the kernel's")
            await looks.next()
            await asyncio.sleep(0.2)
            assert looks.count == round_

    follow(ours, monkeypatch, test)
    kernel.close()
    assert "the interfaces cannot be followed, everything stays as it was" in caplog.text


def test_without_notifications_there_is_a_look_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_changes, "_LOOKS_BLINDLY_EVERY", 0.05)

    async def test(looks: Looks, _: NetworkChanges) -> None:
        for _number in range(3):
            await looks.next()

    follow(None, monkeypatch, test)


class Broken(socket.socket):
    """A socket that fails when it is read."""

    error = errno.ENOBUFS

    def recv(self, size: int, flags: int = 0) -> bytes:
        error, self.error = self.error, 0
        if error:
            super().recv(size, flags)
            raise OSError(error, "failed")
        return super().recv(size, flags)


@pytest.mark.parametrize(("error", "goes_on"), [(errno.ENOBUFS, True), (errno.EIO, False)])
def test_lost_notifications_are_a_change_and_a_dead_socket_is_given_up(
    error: int, goes_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, plain = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours = Broken(fileno=plain.detach())
    ours.error = error
    ours.setblocking(False)
    monkeypatch.setattr(network_changes, "_SETTLES_WITHIN", 0.01)

    async def test(looks: Looks, _: NetworkChanges) -> None:
        kernel.send(b"one")
        await looks.next()
        assert (ours.fileno() >= 0) is goes_on

    follow(ours, monkeypatch, test)
    kernel.close()
