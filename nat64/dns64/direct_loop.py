"""An event loop that serves some descriptors as soon as it wakes, not in the turn after: a lone query is answered sooner.

asyncio makes a turn of what can be read and calls it then; from an idle processor's caches that costs as much as the
answer does.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import select
import selectors
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_MOST_AT_ONCE: Final = 64


class DirectSelector(selectors.EpollSelector):
    """Calls what it was given for a descriptor while it waits for the others."""

    def __init__(self) -> None:
        super().__init__()
        # The same set of descriptors by a number of its own, so that each is closed by whom it belongs to.
        self._epoll = select.epoll.fromfd(os.dup(self.fileno()))
        self._direct: dict[int, Callable[[], object]] = {}

    def add_direct(self, descriptor: int, callback: Callable[[], object]) -> None:
        """Call `callback` whenever there is something to read. The descriptor must not be registered, too."""
        self._epoll.register(descriptor, select.EPOLLIN)
        self._direct[descriptor] = callback

    def remove_direct(self, descriptor: int) -> None:
        """Call it no more, if it was to be called."""
        if self._direct.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def close(self) -> None:
        """Close it; nothing is called any more."""
        self._epoll.close()
        super().close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as other selectors do; return what is ready of what was registered, which may be nothing."""
        # Upwards to milliseconds, as epoll has it: too early it would be nobody's turn.
        wait = -1.0 if timeout is None else max(0.0, math.ceil(timeout * 1e3) * 1e-3)
        direct = self._direct
        keys = self.get_map()
        ready = []
        for descriptor, events in self._epoll.poll(wait, _MOST_AT_ONCE):
            callback = direct.get(descriptor)
            if callback is not None:
                _call(callback)
                continue
            key = keys.get(descriptor)
            if key is not None:
                ready.append((key, _events(events) & key.events))
        return ready


class DirectLoop(asyncio.SelectorEventLoop):
    """The loop with such a selector."""

    def __init__(self) -> None:
        self.direct = DirectSelector()
        super().__init__(self.direct)


def add_reader(descriptor: int, callback: Callable[[], object]) -> None:
    """Have `callback` called when the descriptor can be read, at once if the running loop can do that."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, DirectLoop):
        loop.direct.add_direct(descriptor, callback)
    else:
        loop.add_reader(descriptor, callback)


def remove_reader(descriptor: int) -> None:
    """Have what `add_reader` was given called no more."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, DirectLoop):
        loop.direct.remove_direct(descriptor)
    else:
        loop.remove_reader(descriptor)


def _call(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:
        log.exception("what came was not taken by a fault of ours")


def _events(events: int) -> int:
    """Return what epoll tells as selectors have it: errors let both sides go on."""
    found = 0
    if events & ~select.EPOLLIN:
        found |= selectors.EVENT_WRITE
    if events & ~select.EPOLLOUT:
        found |= selectors.EVENT_READ
    return found
