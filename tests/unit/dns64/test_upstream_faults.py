"""The way to the forwarders when it has a fault of its own: one question suffers, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nat64.dns64 import source_ports
from nat64.dns64.upstream import Upstream
from tests.unit.dns64.asking import Asking, UdpServer, ask, begin, question, run

if TYPE_CHECKING:
    import pytest


def test_a_question_that_cannot_be_put_by_a_fault_of_ours_fails_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a fault")

    async def test() -> None:
        way = Upstream()
        async with UdpServer().serving() as forwarder:
            with monkeypatch.context() as patched:
                patched.setattr(source_ports.UdpForwarders, "send", fail)
                asking = begin(way, forwarder)
            assert asking.failures == [(False, "a fault; see the log")]
            assert await ask(way, forwarder)
        way.close()

    run(test)


def test_time_goes_on_after_a_reply_that_failed_by_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    class Waits(Asking):
        def handle_timer(self, now: float) -> None:
            assert now >= self.timer
            self.end.set()

    def fail(*_: object) -> None:
        raise ValueError("a fault")

    async def test() -> None:
        way = Upstream()
        async with UdpServer(lambda _: []).serving() as forwarder:
            await asyncio.sleep(0)
            for _ in range(2):
                waits = Waits(question(forwarder))
                waits.timer = asyncio.get_running_loop().time() + 0.1
                way.begin(waits)
                monkeypatch.setattr(source_ports.UdpForwarders, "take_replies", fail)
                async with asyncio.timeout(20):
                    await waits.end.wait()
        way.close()

    run(test)
