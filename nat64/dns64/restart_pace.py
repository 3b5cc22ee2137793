"""How soon a worker that has ended is started again. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STEADY_AFTER: Final = 10.0
"""Seconds after which a worker counts as one that was well."""
LONGEST_PAUSE: Final = 5.0
_FIRST_PAUSE: Final = 0.1


@dataclass(slots=True)
class RestartPace:
    """The pace for one worker: at once, and with a pause that doubles each time when it ends again and again."""

    _failures: int = 0
    restarts: int = 0
    """How often it was started again."""

    def pause(self, lived: float) -> float:
        """Return how many seconds to wait after a worker that lived so many seconds."""
        self.restarts += 1
        if lived >= STEADY_AFTER:
            self._failures = 0
        self._failures += 1
        if self._failures == 1:
            return 0.0
        doublings = min(self._failures - 2, 10)
        return float(min(_FIRST_PAUSE * 2**doublings, LONGEST_PAUSE))
