"""Which forwarder to ask: totd's order of preference, with the failed ones passed over for a while."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nat64.config.dns64_config import Forwarder


log = logging.getLogger(__name__)


class Forwarders:
    """The forwarders in order of preference, and until when each is passed over.

    Times are seconds of one monotonic clock, given as `now`.
    """

    def __init__(self, forwarders: Sequence[Forwarder], retry: float) -> None:
        self._forwarders = tuple(forwarders)
        self._retry = retry
        self._failed_until: dict[Forwarder, float] = {}
        self._last_answer: dict[Forwarder, float] = {}

    def in_order(self, now: float) -> list[Forwarder]:
        """Return whom to ask, best first: the healthy by preference, then the failed, soonest due first."""
        healthy = [forwarder for forwarder in self._forwarders if self.failed_until(forwarder, now) is None]
        failed = [forwarder for forwarder in self._forwarders if forwarder not in healthy]
        return healthy + sorted(failed, key=self._failed_until.__getitem__)

    def failed_until(self, forwarder: Forwarder, now: float) -> float | None:
        """Return when the forwarder will be preferred again; ``None`` when it is healthy."""
        until = self._failed_until.get(forwarder)
        return until if until is not None and until > now else None

    def failed(self, forwarder: Forwarder, now: float) -> None:
        """Record that a forwarder cannot be reached."""
        if self.failed_until(forwarder, now) is None:
            self._failed_until[forwarder] = now + self._retry
            log.warning(
                "forwarder does not answer",
                extra={"forwarder": str(forwarder), "preferred_again_in": self._retry},
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

    def carry_over(self, before: Forwarders) -> None:
        """Take what `before` knew about the forwarders that both have."""
        for forwarder in self._forwarders:
            if forwarder in before._failed_until:
                self._failed_until[forwarder] = before._failed_until[forwarder]
            if forwarder in before._last_answer:
                self._last_answer[forwarder] = before._last_answer[forwarder]

    @property
    def all(self) -> tuple[Forwarder, ...]:
        """All forwarders, in order of preference."""
        return self._forwarders
