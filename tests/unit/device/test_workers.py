"""The daemon's side of its workers, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nat64.addressing.address_map import AddressMap
from nat64.device.forwarding import Forwarding
from nat64.device.tun import OpenTun
from nat64.device.workers import Workers
from nat64.siit.settings import Settings
from nat64.siit.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def queues() -> Iterator[list[OpenTun]]:
    """Two queues that no packet comes from."""
    ends = [end for _ in range(2) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)]
    for end in ends:
        end.setblocking(False)
    yield [OpenTun(os.dup(end.fileno()), offloads=False) for end in ends[::2]]
    for end in ends:
        end.close()


def children() -> set[int]:
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def test_a_worker_that_does_not_listen_is_ended_and_its_queue_served(queues: list[OpenTun]) -> None:
    own, other = queues
    settings = Settings(
        ipv4_addr=IPv4Address("192.0.2.1").packed, ipv6_addr=IPv6Address("2001:db8::1").packed
    )
    translator = Translator(settings, AddressMap(()), lambda *_: None)
    served: list[int] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        workers = Workers(Forwarding(own, translator, time.monotonic), translator, served.append)
        before = children()
        workers.start([other], loop)
        (pid,) = children() - before
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(30):
                while len(workers):  # until its channel is full, and it is given up
                    workers.reset()
                    await asyncio.sleep(0)
        finally:
            workers.end(loop)
        assert pid not in children()

    asyncio.run(run())
    assert served == [other.descriptor]
