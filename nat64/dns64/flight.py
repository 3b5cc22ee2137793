"""A question on its way to the answer, and those who wait for that: it is asked once for all of them. No I/O, no clock."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nat64.dns64.cache import Kept
    from nat64.dns64.clients import Client
    from nat64.dns64.exchange import Ask
    from nat64.dns64.plain_first import PlainFirst
    from nat64.dns64.terms import Terms
    from nat64.dns64.transport import Transport
    from nat64.dns64.wire import ClientQuery

log = logging.getLogger(__name__)

_FAULT: Final = "a query failed by a fault of ours"

STALE_SECONDS: Final = 1.8
"""How long clients wait before they get a stale answer, if there is one (RFC 8767 section 5)."""


@dataclass(slots=True)
class Waiter:
    """A client's query, when it came, and how to respond to it."""

    data: bytes
    """The query as it came."""
    query: ClientQuery
    client: Client
    transport: Transport
    terms: Terms
    since: float
    deliver: Callable[[bytes], None]


@dataclass(slots=True)
class Flight:
    """One resolution. Its owner sends what `asks_to_send` returns, and tells what comes of it, until `done`.

    `landed` is called once, when it is done; `stale_due` when those who wait should get `stale`. None of its calls
    raises: a fault of ours ends it without an answer.
    """

    key: bytes
    resolution: PlainFirst
    client: Client
    """Who asked first."""
    started: float
    landed: Callable[[Flight, float], None]
    stale_due: Callable[[Flight, float], None]
    stale: Kept | None = None
    waiters: list[Waiter] = field(default_factory=list)
    done: bool = False

    def start(self, now: float) -> None:
        """Begin. The answer may be there at once."""
        try:
            self.resolution.start(now)
        except Exception:
            log.exception(_FAULT)
            self._land(now)
        if self.resolution.answer is not None:
            self._land(now)

    def asks_to_send(self) -> Sequence[Ask]:
        """Return what is to be sent to forwarders, each once."""
        return () if self.done else self.resolution.asks_to_send()

    def reply_received(self, ask: Ask, data: bytes, now: float) -> bool:
        """Take bytes that came from where `ask` went; return whether they are a reply to it."""
        if self.done:
            return False
        fits = False
        try:
            fits = self.resolution.reply_received(ask, data, now)
        except Exception:
            log.exception(_FAULT)
            self._land(now)
        if self.resolution.answer is not None:
            self._land(now)
        return fits

    def ask_failed(self, ask: Ask, now: float, *, by_us: bool = False, why: str | None = None) -> None:
        """Learn that an ask cannot be answered: refused, unreachable, closed; or we could not ask.

        `why` is for the log, ``what is wrong; remedy``.
        """
        if self.done:
            return
        try:
            self.resolution.ask_failed(ask, now, by_us=by_us, why=why)
        except Exception:
            log.exception(_FAULT)
            self._land(now)
        if self.resolution.answer is not None:
            self._land(now)

    @property
    def stale_at(self) -> float:
        """When `stale` is due."""
        return self.started + STALE_SECONDS

    @property
    def timer(self) -> float:
        """When to call `handle_timer`."""
        timer = self.resolution.timer
        if self.stale is not None and self.waiters:
            return min(timer, self.stale_at)
        return timer

    def handle_timer(self, now: float) -> None:
        """Let time pass: ask other forwarders, or end at the deadline."""
        if self.done:
            return
        if self.stale is not None and self.waiters and now >= self.stale_at:
            self.stale_due(self, now)
        try:
            self.resolution.handle_timer(now)
        except Exception:
            log.exception(_FAULT)
            self._land(now)
        if self.resolution.answer is not None:
            self._land(now)

    def give_up(self, now: float) -> None:
        """End without an answer."""
        self._land(now)

    def _land(self, now: float) -> None:
        if not self.done:
            self.done = True
            self.landed(self, now)
