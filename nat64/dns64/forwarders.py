"""Which forwarder to ask: totd's order of preference, with the failed ones passed over for a while."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nat64.config.totd import Endpoint


log = logging.getLogger(__name__)


class Forwarders:
    """The forwarders in order of preference, and until when each is passed over.

    Times are seconds of one monotonic clock, given as `now`.
    """

    def __init__(self, endpoints: Sequence[Endpoint], retry: float) -> None:
        self._endpoints = tuple(endpoints)
        self._retry = retry
        self._failed_until: dict[Endpoint, float] = {}
        self._last_answer: dict[Endpoint, float] = {}

    def in_order(self, now: float) -> list[Endpoint]:
        """Return whom to ask, best first: the healthy by preference, then the failed, soonest due first."""
        healthy = [endpoint for endpoint in self._endpoints if self.failed_until(endpoint, now) is None]
        failed = [endpoint for endpoint in self._endpoints if endpoint not in healthy]
        return healthy + sorted(failed, key=self._failed_until.__getitem__)

    def failed_until(self, endpoint: Endpoint, now: float) -> float | None:
        """Return when the forwarder will be preferred again; ``None`` when it is healthy."""
        until = self._failed_until.get(endpoint)
        return until if until is not None and until > now else None

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """Record that a forwarder cannot be reached."""
        if self.failed_until(endpoint, now) is None:
            self._failed_until[endpoint] = now + self._retry
            log.warning(
                "forwarder does not answer",
                extra={"forwarder": str(endpoint), "preferred_again_in": self._retry},
            )

    def silent(self, endpoint: Endpoint, since: float, now: float) -> None:
        """Record that a question sent at `since` is unanswered.

        The forwarder has failed if it was silent altogether; it may just be slow to find one answer.
        """
        if self._last_answer.get(endpoint, since) <= since:
            self.failed(endpoint, now)

    def answered(self, endpoint: Endpoint, now: float) -> None:
        """Record that a forwarder answered, whatever it said."""
        self._last_answer[endpoint] = now
        if self._failed_until.pop(endpoint, 0.0) > now:
            log.info("forwarder answers again", extra={"forwarder": str(endpoint)})

    def carry_over(self, before: Forwarders) -> None:
        """Take what `before` knew about the forwarders that both have."""
        for endpoint in self._endpoints:
            if endpoint in before._failed_until:
                self._failed_until[endpoint] = before._failed_until[endpoint]
            if endpoint in before._last_answer:
                self._last_answer[endpoint] = before._last_answer[endpoint]

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """All forwarders, in order of preference."""
        return self._endpoints
