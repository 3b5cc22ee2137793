"""What an administrator and fate do to a running dns64d meanwhile, each at its times."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nat64.control import client
from nat64.control.protocol import CommandFailed
from tests.endurance.network import FORWARDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.endurance.clock import FakeClock
    from tests.endurance.network import Place

_SHORT: Final = 0.25
"""By what the time between two turns of an operation is multiplied in a campaign of a minute or two."""
_AWAY: Final = 5.0
"""Seconds that a forwarder is away."""


class Operations:
    """All operations with the times of their next turns, in a campaign of so many seconds."""

    def __init__(self, place: Place, clock: FakeClock, seconds: float) -> None:
        pace = min(1.0, max(_SHORT, seconds / 600))
        self._place = place
        self._gateway = place.gateway
        self._clock = clock
        self._forwarder = itertools.cycle(FORWARDERS)
        self._away: dict[str, float] = {}
        self._logs_queries = itertools.cycle((True, False))
        self._flushed = itertools.cycle(({"name": "good.example"}, {}))
        self.done: Counter[str] = Counter()
        self._every: dict[Callable[[float], str], float] = {
            self._reload: 20 * pace,
            self._flush: 45 * pace,
            self._forwarder_goes: 30 * pace,
            self._empty_disk: 60 * pace,
            self._clock_jumps: 90 * pace,
            self._kill_worker: min(300.0, seconds / 2),
            self._upgrade: min(60.0, seconds / 4),
        }
        self._next = {operation: every / 2 for operation, every in self._every.items()}

    def tick(self, elapsed: float) -> Iterator[str]:
        """Do what is due so many seconds after the start, and tell it."""
        for address, back in list(self._away.items()):
            if elapsed >= back:
                del self._away[address]
                self._place.forwarders.start(address)
        for operation, due in self._next.items():
            if elapsed >= due:
                told = operation(elapsed)
                self._next[operation] = due + self._every[operation]
                self.done[told] += 1
                yield told

    def end(self) -> None:
        """Have all forwarders there again."""
        for address in self._away:
            self._place.forwarders.start(address)
        self._away.clear()

    def _reload(self, _: float) -> str:
        """Have the config read again, with and without a query log in turn: without it the fastest path is on."""
        with_query_log = next(self._logs_queries)
        self._gateway.write_config(with_query_log=with_query_log)
        self._gateway.process.send_signal(signal.SIGHUP)
        return f"reload, query log {'on' if with_query_log else 'off'}"

    def _flush(self, _: float) -> str:
        arguments = next(self._flushed)
        try:
            client.ask(self._gateway.control_socket, "flush", arguments)
        except CommandFailed as error:
            return f"flush refused: {error}"
        return f"flush of {arguments.get('name', 'everything')}"

    def _forwarder_goes(self, elapsed: float) -> str:
        if self._away:
            return "a forwarder is away still"
        address = next(self._forwarder)
        self._place.forwarders.stop(address)
        self._away[address] = elapsed + _AWAY
        return "a forwarder is restarted"

    def _empty_disk(self, _: float) -> str:
        path = self._gateway.inside / self._gateway.query_log.lstrip("/")
        with contextlib.suppress(FileNotFoundError):
            full = path.stat().st_size
            path.unlink()
            return f"full disk emptied ({full >> 10} KiB)"
        return "nothing on the disk"

    def _clock_jumps(self, _: float) -> str:
        return self._clock.jump()

    def _kill_worker(self, _: float) -> str:
        """Kill the youngest worker, so that the oldest one tells of a leak."""
        workers = self._gateway.processes.ids()[1:]
        if not workers:
            return "no worker to kill"
        with contextlib.suppress(ProcessLookupError):
            os.kill(max(workers, key=_started), signal.SIGKILL)
        return "kill -9 of a worker"

    def _upgrade(self, _: float) -> str:
        """Once: it begins all processes anew."""
        self._every[self._upgrade] = float("inf")
        status = Path(f"/proc/{self._gateway.process.pid}/status").read_text(encoding="ascii")
        caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
        if not caught >> signal.SIGUSR2 - 1 & 1:
            return "no upgrade: it does not take SIGUSR2"
        self._gateway.process.send_signal(signal.SIGUSR2)
        return "upgrade in place"


def _started(process: int) -> int:
    with contextlib.suppress(FileNotFoundError):
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        return int(text.rpartition(")")[2].split()[19])
    return 0
