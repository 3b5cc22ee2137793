"""Which forwarder to ask: totd's order of preference, with the failed ones passed over for a while.

Times are seconds of one monotonic clock, given as `now`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from nat64.config.dns64_config import Forwarder


log = logging.getLogger(__name__)


class Health:
    """Which forwarders answer, and until when each of the others is passed over; one table for all uses.

    `retry` is how many seconds that lasts.
    """

    def __init__(self, retry: float = 0.0) -> None:
        self.retry = retry
        self._failed_until: dict[Forwarder, float] = {}
        self._last_answer: dict[Forwarder, float] = {}

    def failed_until(self, forwarder: Forwarder, now: float) -> float | None:
        """Return when the forwarder will be preferred again; ``None`` when it is healthy."""
        until = self._failed_until.get(forwarder)
        return until if until is not None and until > now else None

    def failed(self, forwarder: Forwarder, now: float, why: str = "it does not answer") -> None:
        """Record that a forwarder cannot be used, and tell so once."""
        if self.failed_until(forwarder, now) is None:
            self._failed_until[forwarder] = now + self.retry
            log.warning(
                "forwarder failed",
                extra={"forwarder": str(forwarder), "why": why, "preferred_again_in": self.retry},
            )

    def silent(self, forwarder: Forwarder, since: float, now: float) -> None:
        """Record that a question sent at `since` is unanswered.

        The forwarder has failed if it was silent altogether; it may just be slow to find one answer.
        """
        if self._last_answer.get(forwarder, since) <= since:
            self.failed(forwarder, now)

    def answered(self, forwarder: Forwarder, now: float) -> None:
        """Record that a forwarder answered, whatever it said."""
        self._last_answer[forwarder] = now
        if self._failed_until.pop(forwarder, 0.0) > now:
            log.info("forwarder answers again", extra={"forwarder": str(forwarder)})

    def forget_all_but(self, forwarders: Collection[Forwarder]) -> None:
        """Keep only what is known of `forwarders`."""
        for table in (self._failed_until, self._last_answer):
            for forwarder in set(table).difference(forwarders):
                del table[forwarder]


@dataclass(frozen=True, slots=True)
class Forwarders:
    """Whom to ask, in order of preference, and how they are."""

    all: tuple[Forwarder, ...]
    health: Health

    def in_order(self, now: float) -> list[Forwarder]:
        """Return whom to ask, best first: the healthy by preference, then the failed, soonest due first."""
        until = {forwarder: self.health.failed_until(forwarder, now) for forwarder in self.all}
        return sorted(self.all, key=lambda forwarder: until[forwarder] or 0.0)
