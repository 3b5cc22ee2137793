"""A worker, by what the supervisor says to it over their channel."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv6Address
from typing import Any

import pytest

from nat64.config.totd import parse
from nat64.dns64 import worker
from nat64.dns64.sockets import Binding
from nat64.dns64.upstream import Upstream
from nat64.dns64.worker_channel import Serve, SupervisorEnd, TakeSockets

CONFIG = parse("forwarder 192.0.2.53\nprefix 64:ff9b::/96\n", "f")
BINDING = Binding(IPv6Address("::1"), 53)


@pytest.mark.parametrize("came", [0, 1, 2])
def test_sockets_that_did_not_come_with_their_message_are_told(came: int) -> None:
    """With no descriptor to be had, recvmsg(2) gives fewer files than were sent, and no error."""

    async def test() -> dict[str, Any]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for each in (ours, theirs):
            each.setblocking(False)
        said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        end = SupervisorEnd(ours, said.put_nowait, lambda: None)
        assignment = worker.Assignment(CONFIG, 1, (), {}, Upstream(), {}, bytes(16))
        serving = asyncio.ensure_future(worker._Worker(theirs, assignment).run(assignment))
        with (
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tcp,
        ):
            for each in (udp, tcp):
                each.bind(("::1", 0))
            tcp.listen()
            sent = [udp.fileno(), tcp.fileno()][:came]
            async with asyncio.timeout(20):
                assert await said.get() == {"serving": True}
                end.send(TakeSockets((BINDING,)), sent)
                end.send(Serve(7, (BINDING,), 1, CONFIG))
                answer = await said.get()
                end.close()
                await serving
        theirs.close()
        return answer

    answer = asyncio.run(test())
    if came == 2:
        assert answer == {"number": 7}
    else:
        assert answer["number"] == 7
        assert "see the limit of open files" in answer["error"]
