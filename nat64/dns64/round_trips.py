"""How long a forwarder takes to answer, as RFC 6298 section 2 has it for TCP. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SHORTEST_PATIENCE: Final = 0.3
"""Seconds to wait for any forwarder; some names take even a near one so long."""
LONGEST_PATIENCE: Final = 1.0
"""Seconds to wait for one of which nothing is known."""
_SHARE: Final = 1 / 8
_SHARE_OF_VARIATION: Final = 1 / 4


@dataclass(slots=True)
class RoundTrips:
    """The smoothed time from a question to its answer, in seconds, and how much it varies."""

    smoothed: float | None = None
    """``None``: nothing was measured yet."""
    variation: float = 0.0

    def note(self, seconds: float) -> None:
        """Take another measurement into account."""
        if self.smoothed is None:
            self.smoothed = seconds
            self.variation = seconds / 2
        else:
            deviation = abs(self.smoothed - seconds)
            self.variation += _SHARE_OF_VARIATION * (deviation - self.variation)
            self.smoothed += _SHARE * (seconds - self.smoothed)

    @property
    def patience(self) -> float:
        """How long to wait, in seconds, before it is likely that no answer comes."""
        if self.smoothed is None:
            return LONGEST_PATIENCE
        return min(LONGEST_PATIENCE, max(SHORTEST_PATIENCE, self.smoothed + 4 * self.variation))
