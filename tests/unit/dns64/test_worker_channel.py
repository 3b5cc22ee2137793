"""The channel between the supervisor and a worker: objects and open files one way, JSON the other."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TYPE_CHECKING, Any

from nat64.config.totd import parse
from nat64.dns64.sockets import Binding
from nat64.dns64.worker_channel import Allow, Ask, Flush, Serve, SupervisorEnd, TakeSockets, WorkerEnd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from nat64.dns64.worker_channel import ToWorker

BINDINGS = (Binding(IPv6Address("2001:db8::1"), 53), Binding(IPv4Address("192.0.2.1"), 853, tls=True))
CONFIG = parse(
    "forwarder 192.0.2.53\nprefix 64:ff9b::/96\nview guests 2001:db8:9::/48\nprefix none\nexclude ::/3\n", "f"
)


@dataclass
class Channel:
    """Both ends, with what was heard at either."""

    ours: SupervisorEnd
    theirs: WorkerEnd
    heard: list[dict[str, Any]]
    ended: asyncio.Event

    async def received(self, count: int) -> list[ToWorker]:
        """Let the worker read until it has so many messages."""
        messages: list[ToWorker] = []
        async with asyncio.timeout(20):
            while len(messages) < count:
                messages.extend(self.theirs.receive())
                await asyncio.sleep(0)
        return messages

    async def hears(self, count: int) -> list[dict[str, Any]]:
        """Let the supervisor read until it has heard so much."""
        async with asyncio.timeout(20):
            while len(self.heard) < count:  # noqa: ASYNC110 - the loop hears meanwhile
                await asyncio.sleep(0)
        return self.heard


@asynccontextmanager
async def channel(room: int = 1 << 18) -> AsyncIterator[Channel]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in (one, other):
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
    heard: list[dict[str, Any]] = []
    ended = asyncio.Event()
    ours = SupervisorEnd(one, heard.append, ended.set)
    yield Channel(ours, WorkerEnd(other), heard, ended)
    ours.close()
    other.close()


def test_messages_come_whole_and_in_order_also_through_little_room() -> None:
    async def test() -> None:
        networks = tuple(ip_network(f"2001:db8:{number:x}::/48") for number in range(2000))
        sent: list[ToWorker] = [
            Serve(1, BINDINGS, 2, CONFIG, networks),
            Allow(networks),
            Flush(2, "example.com"),
            Ask(3),
            Serve(4, (), 1),
        ]
        async with channel(room=4096) as both:
            for message in sent:
                both.ours.send(message)
            assert await both.received(len(sent)) == sent

    asyncio.run(test())


def test_open_files_come_with_their_message_and_stay_open_here_if_they_wait() -> None:
    async def test() -> None:
        opened = [socket.socket(socket.AF_INET6, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        inodes = [os.fstat(each.fileno()).st_ino for each in opened]
        filler = tuple(ip_network(f"2001:db8:{number:x}::/48") for number in range(4000))
        async with channel(room=4096) as both:
            both.ours.send(Allow(filler))
            for each in opened:
                both.ours.send(TakeSockets(BINDINGS[:1]), [each.fileno()])
            for each in opened:
                each.close()  # before there was room for them
            _, *taken = await both.received(3)
            assert taken == [TakeSockets(BINDINGS[:1])] * 2
            for inode in inodes:
                with both.theirs.take_socket() as came:
                    assert os.fstat(came.fileno()).st_ino == inode

    asyncio.run(test())


def test_what_a_worker_says_is_heard_and_nonsense_is_not() -> None:
    async def test() -> None:
        async with channel() as both:
            both.theirs.channel.send(b'not JSON\n[1, 2]\n"text"\n\n')
            both.theirs.send({"number": 1, "counters": {"queries_udp": 2}})
            both.theirs.channel.send(b"[" * 5000 + b"\n")
            both.theirs.send({"serving": True})
            assert await both.hears(2) == [
                {"number": 1, "counters": {"queries_udp": 2}},
                {"serving": True},
            ]
            assert not both.ended.is_set()

    asyncio.run(test())


def test_a_worker_that_is_asked_to_leave_is_heard_still() -> None:
    async def test() -> None:
        async with channel() as both:
            both.ours.send(Ask(1))
            both.ours.ask_to_leave()
            assert await both.received(1) == [Ask(1)]
            assert not list(both.theirs.receive())
            assert both.theirs.at_end
            assert both.theirs.is_heard
            both.theirs.send({"number": 1})
            assert await both.hears(1) == [{"number": 1}]

    asyncio.run(test())


def test_a_worker_knows_that_the_supervisor_is_gone() -> None:
    async def test() -> None:
        async with channel() as both:
            both.ours.close()
            assert not list(both.theirs.receive())
            assert both.theirs.at_end
            assert not both.theirs.is_heard

    asyncio.run(test())


def test_the_supervisor_learns_that_a_worker_has_ended_also_when_it_has_something_to_say() -> None:
    async def test() -> None:
        async with channel(room=4096) as both:
            both.ours.send(Allow(tuple(ip_network(f"2001:db8:{number:x}::/48") for number in range(4000))))
            both.theirs.channel.close()
            async with asyncio.timeout(20):
                await both.ended.wait()
            both.ours.send(Ask(1))

    asyncio.run(test())


def test_a_channel_that_cannot_carry_what_is_sent_ends_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object) -> int:
        raise OSError(errno.ETOOMANYREFS, os.strerror(errno.ETOOMANYREFS))

    async def test() -> None:
        async with channel() as both:
            with (
                monkeypatch.context() as patched,
                socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as opened,
            ):
                patched.setattr(socket, "send_fds", short)
                both.ours.send(TakeSockets(BINDINGS[:1]), [opened.fileno()])
            both.ours.send(Serve(1, BINDINGS[:1], 1))
            assert not list(both.theirs.receive())
            assert both.theirs.at_end
            async with asyncio.timeout(20):
                await both.ended.wait()

    asyncio.run(test())
