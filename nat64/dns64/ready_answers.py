"""Responses that stand ready: what the very same bytes of a query were answered with, but for the ID. No I/O, no clock.

A table in front of the cache. Its key is a query's bytes behind the ID, so that flags, case, EDNS and all are the same.
"""

from __future__ import annotations

import ctypes
import struct
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

_TTL: Final = struct.Struct("!I")
_write_ttl: Final = _TTL.pack_into
_OVERHEAD: Final = 410
"""Bytes of one entry that are always there."""
_TTL_COST: Final = 145
"""Bytes that a TTL takes whose course no other answer shares."""
AHEAD: Final = 3
"""Seconds: with a million names each is asked for anew in another second, and its TTLs would be written each time."""
_COURSES: Final = 64
"""Remembered, so that the answers of one second share theirs: each number of its own is one more place to fetch."""
ID_SIZE: Final = 2


@dataclass(slots=True)
class ReadyAnswer:
    """A response that only lacks the ID, good until the second `until` of the monotonic clock."""

    data: bytearray
    ttls: tuple[tuple[int, int], ...]
    """For each of its TTLs where it stands, and how much of it is left at `until`."""
    second: int
    """The second for which they are right; in one before they are a little short, and never too long."""
    until: int
    address: int = 0
    """Where in memory it stands behind the ID."""
    size: int = 0
    """Bytes behind the ID."""

    def __post_init__(self) -> None:
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.data)) + ID_SIZE
        self.size = len(self.data) - ID_SIZE

    @classmethod
    def made(cls, data: bytearray, at: tuple[int, ...], second: int, until: int) -> Self:
        """Have a response ready whose TTLs stand at those places, and are right in that second."""
        now = tuple([_TTL.unpack_from(data, place)[0] for place in at])
        return cls(data, *_course(at, now, second, until))

    def turn_to(self, second: int, ahead: int) -> None:
        """Make its TTLs right for a later `second`, or for `ahead`, later still, if it is good until then."""
        until = self.until
        self.second = right = ahead if ahead < until else second
        left = until - right
        for at, beyond in self.ttls:
            _write_ttl(self.data, at, left + beyond)


@lru_cache(_COURSES)
def _course(
    at: tuple[int, ...], ttls: tuple[int, ...], second: int, until: int
) -> tuple[tuple[tuple[int, int], ...], int, int]:
    """Return the `ttls`, `second` and `until` of an answer that has these TTLs in that second."""
    life = until - second
    return tuple([(place, max(0, ttl - life)) for place, ttl in zip(at, ttls, strict=True)]), second, until


class ReadyAnswers:
    """A table of them that holds at most `size` bytes; the oldest go first where others must have their place."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._table: OrderedDict[bytes, ReadyAnswer] = OrderedDict()
        self.find = self._table.get
        """Return the answer for a query's bytes behind the ID, good or not; ``None``: there is none."""

    def __len__(self) -> int:
        return len(self._table)

    def put(self, query: bytes, answer: ReadyAnswer, *, displaces: bool = True) -> None:
        """Have an answer ready for a query's bytes behind the ID; if it `displaces` no others, only if there is room."""
        cost = _cost(query, answer)
        if cost > (self._size if displaces else self._size - self._used):
            return
        self._drop(query)
        self._used += cost
        while self._used > self._size:
            self._drop(next(iter(self._table)))
        self._table[query] = answer

    def clear(self) -> None:
        """Have none ready."""
        self._table.clear()
        self._used = 0

    def _drop(self, query: bytes) -> None:
        gone = self._table.pop(query, None)
        if gone is not None:
            self._used -= _cost(query, gone)


def _cost(query: bytes, answer: ReadyAnswer) -> int:
    return _OVERHEAD + len(query) + answer.size + _TTL_COST * len(answer.ttls)
