"""When a worker looks for cycles among all its objects, as Python's collector does. No I/O, no clock.

Most are found while they are young, and answers make none. But to look through everything takes a worker seconds where
it keeps a million answers, and nobody is answered meanwhile: so that is done while there are few, else only when what
it may find is as large as what has to be looked through.
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
"""Connections and HTTPS requests, each of which may leave a cycle of some 2 KiB, which is what an answer takes."""
FEW: Final = 20_000
"""Answers; with fewer it takes some hundredths of a second, which nobody minds."""


class Looks:
    """Tells when to look, if it is asked each second."""

    def __init__(self, now: float) -> None:
        self._last = now
        self._litter = 0

    def is_due(self, now: float, *, answers: int, litter: int) -> bool:
        """Tell whether to look now: so many answers are kept, and so many connections and HTTPS requests there were."""
        is_cheap = answers < FEW and now - self._last >= EARLIEST
        if not is_cheap and litter - self._litter < max(MUCH, answers):
            return False
        self._last = now
        self._litter = litter
        return True
