"""Which forwarder to ask: in totd's order or the fastest first, with the failed ones passed over for a while.

Times are seconds of one monotonic clock, given as `now`.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nat64.config.dns64_config import ForwarderOrder
from nat64.dns64.round_trips import RoundTrips

if TYPE_CHECKING:
    from collections.abc import Collection

    from nat64.config.dns64_config import Forwarder

SILENCE_SECONDS: Final = 1.0
"""How long a forwarder may leave all questions unanswered before it has failed."""
QUESTIONS_BETWEEN_TRIALS: Final = 30
"""With the fastest first: after so many questions another one is tried, which may have become faster."""
SECONDS_BETWEEN_TRIALS: Final = 30.0
"""How long one that did not answer its trial is left alone."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Condition:
    """What is known of one forwarder."""

    failed_until: float = -math.inf
    last_answer: float = -math.inf
    silent_since: float | None = None
    """When the first question since the last answer was sent that was waited for in vain."""
    round_trips: RoundTrips = field(default_factory=RoundTrips)
    last_trial: float = -math.inf
    """When it was asked first though another is faster."""
    firsts: int = 0
    """How often it was the fastest, and asked first, since the last trial of another one."""


class Health:
    """How the forwarders are, and until when each of those that failed is passed over; one table for all uses."""

    def __init__(self, retry: float = 0.0, order: ForwarderOrder = ForwarderOrder.PREFERENCE) -> None:
        self.retry = retry
        """How many seconds a failed one is passed over."""
        self.order = order
        """Which of the healthy ones is asked first."""
        self._conditions: dict[Forwarder, _Condition] = {}

    def failed_until(self, forwarder: Forwarder, now: float) -> float | None:
        """Return when the forwarder will be preferred again; ``None`` when it is healthy."""
        condition = self._conditions.get(forwarder)
        return condition.failed_until if condition is not None and condition.failed_until > now else None

    def failed(self, forwarder: Forwarder, now: float, why: str = "it does not answer") -> None:
        """Record that a forwarder cannot be used, and tell so once."""
        condition = self._condition(forwarder)
        if condition.failed_until <= now:
            condition.failed_until = now + self.retry
            log.warning(
                "forwarder failed",
                extra={"forwarder": str(forwarder), "why": why, "preferred_again_in": self.retry},
            )

    def silent(self, forwarder: Forwarder, since: float, now: float) -> None:
        """Record that a question sent at `since` is unanswered, and the next forwarder is asked.

        The forwarder has failed if it was silent altogether, for long or with an earlier question, too; it may
        just be slow to find one answer.
        """
        condition = self._condition(forwarder)
        if condition.last_answer > since:
            return
        if condition.silent_since is None:
            condition.silent_since = since
        if now - condition.silent_since >= SILENCE_SECONDS:
            self.failed(forwarder, now)

    def answered(self, forwarder: Forwarder, now: float, round_trip: float | None = None) -> None:
        """Record that a forwarder answered, whatever it said, and how many seconds after it was asked, if known."""
        condition = self._condition(forwarder)
        condition.last_answer = now
        condition.silent_since = None
        if round_trip is not None:
            condition.round_trips.note(round_trip)
        if condition.failed_until > -math.inf:
            if condition.failed_until > now:
                log.info("forwarder answers again", extra={"forwarder": str(forwarder)})
            condition.failed_until = -math.inf

    def patience(self, forwarder: Forwarder) -> float:
        """Return how many seconds to wait for it before the next one is asked."""
        return self._condition(forwarder).round_trips.patience

    def round_trip(self, forwarder: Forwarder) -> float | None:
        """Return how many seconds its answers take of late; ``None`` while that is unknown."""
        return self._condition(forwarder).round_trips.smoothed

    def in_order(
        self, forwarders: Collection[Forwarder], now: float, first: Forwarder | None = None
    ) -> list[Forwarder]:
        """Return whom to ask, best first: the healthy ones, then the failed, soonest due first.

        `first` goes before all others: it was asked already.
        """
        if len(forwarders) == 1:
            return list(forwarders)
        known = [(self._condition(forwarder), forwarder) for forwarder in forwarders]
        healthy = [each for each in known if each[0].failed_until <= now]
        failed = sorted(
            (each for each in known if each[0].failed_until > now), key=lambda each: each[0].failed_until
        )
        if self.order is ForwarderOrder.FASTEST and len(healthy) > 1:
            healthy = _fastest_first(healthy, now) if first is None else sorted(healthy, key=_seconds)
        ordered = [forwarder for _, forwarder in (*healthy, *failed)]
        return ordered if first is None else [first, *(each for each in ordered if each != first)]

    def forget_all_but(self, forwarders: Collection[Forwarder]) -> None:
        """Keep only what is known of `forwarders`."""
        for forwarder in set(self._conditions).difference(forwarders):
            del self._conditions[forwarder]

    def _condition(self, forwarder: Forwarder) -> _Condition:
        condition = self._conditions.get(forwarder)
        if condition is None:
            condition = self._conditions[forwarder] = _Condition()
        return condition


def _fastest_first(
    healthy: list[tuple[_Condition, Forwarder]], now: float
) -> list[tuple[_Condition, Forwarder]]:
    """Sort by round trips, but let now and then another one go first, so that it is seen when it is faster."""
    ranked = sorted(healthy, key=_seconds)
    fastest = ranked[0][0]
    fastest.firsts += 1
    tried = next((each for each in ranked if _is_unknown(each[0], now)), None)
    if tried is None:
        if fastest.firsts <= QUESTIONS_BETWEEN_TRIALS:
            return ranked
        tried = min(ranked[1:], key=lambda each: each[0].last_trial)
    tried[0].last_trial = now
    fastest.firsts = 0
    return [tried, *(each for each in ranked if each is not tried)]


def _seconds(each: tuple[_Condition, Forwarder]) -> float:
    smoothed = each[0].round_trips.smoothed
    return math.inf if smoothed is None else smoothed


def _is_unknown(condition: _Condition, now: float) -> bool:
    """Tell whether nothing was measured yet, nor will be soon."""
    return condition.round_trips.smoothed is None and now - condition.last_trial >= SECONDS_BETWEEN_TRIALS


@dataclass(frozen=True, slots=True)
class Forwarders:
    """Whom to ask, in order of preference, and how they are."""

    all: tuple[Forwarder, ...]
    health: Health

    def in_order(self, now: float, first: Forwarder | None = None) -> list[Forwarder]:
        """Return whom to ask, best first; before all `first`, which was asked already."""
        return self.health.in_order(self.all, now, first)
