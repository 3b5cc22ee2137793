"""When a worker looks for cycles among all its objects, as Python's collector does. No I/O, no clock.

Most are found while they are young, and answers make none. To look through everything stops a worker for some tenths
of a second where it keeps hundreds of thousands of answers, so that waits until it hurts nobody, or until there must be much.
"""

from __future__ import annotations

from typing import Final

YOUNG: Final = (2_000, 10)
"""New objects before the young ones are looked through, and how often that happens before those of middle age are."""
NEVER: Final = 1_000_000_000
"""What keeps Python from looking through all of them by itself."""
EARLIEST: Final = 60.0
"""Seconds from one look to the next."""
MUCH: Final = 20_000
"""Connections and HTTPS requests, each of which may leave a cycle of some 2 KiB: after so many it is done whoever waits."""
FEW: Final = 20_000
"""Answers; with fewer it takes some hundredths of a second, which nobody minds."""


class Looks:
    """Tells when to look, if it is asked each second."""

    def __init__(self, now: float) -> None:
        self._last = now
        self._queries = 0
        self._litter = 0

    def is_due(self, now: float, *, queries: int, answers: int, litter: int) -> bool:
        """Tell whether to look now.

        So many queries came so far, so many answers are kept, and so many connections and HTTPS requests there were.
        """
        is_quiet = queries == self._queries
        self._queries = queries
        if litter - self._litter < MUCH and (now - self._last < EARLIEST or not (is_quiet or answers < FEW)):
            return False
        self._last = now
        self._litter = litter
        return True
