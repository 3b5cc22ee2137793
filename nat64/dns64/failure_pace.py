"""How often connections to one forwarder are made when none of them brings an answer. No I/O, no clock."""

from __future__ import annotations

from typing import Final

from nat64.dns64.asker import ForwarderError

MOST_FAILURES: Final = 8
"""Connections in a row that brought no answer before others are opened only once a second."""


class FailurePace:
    """Counts the connections that failed, and forgets one each second."""

    def __init__(self) -> None:
        self._failures = 0.0
        self._last = 0.0
        self._why = ""

    def succeeded(self) -> None:
        """Record that a connection brought an answer."""
        self._failures = 0.0

    def failed(self, now: float, why: str) -> None:
        """Record that a connection brought none."""
        self._failures = self.recent(now) + 1
        self._last = now
        self._why = why

    def check(self, now: float) -> None:
        """Raise `ForwarderError`, with what was wrong last, when it is too early for another connection."""
        if self.recent(now) >= MOST_FAILURES:
            raise ForwarderError(self._why)

    def recent(self, now: float) -> float:
        """Return how many connections failed, less one for each second since."""
        return max(0.0, self._failures - (now - self._last))
