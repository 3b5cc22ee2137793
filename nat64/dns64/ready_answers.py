"""Responses that stand ready: what the very same bytes of a query were answered with, but for the ID. No I/O, no clock.

A table in front of the cache. Its key is a query's bytes behind the ID, so that flags, case, EDNS and all are the same.
"""

from __future__ import annotations

import ctypes
import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from nat64.dns64.cache import TTL_COST

_TTL: Final = struct.Struct("!I")
_OVERHEAD: Final = 470
"""Bytes of one entry that are always there."""
_AHEAD: Final = 3
"""Seconds: with a million names each is asked for anew in another second, and its TTLs would be written each time."""
ID_SIZE: Final = 2


@dataclass(slots=True)
class ReadyAnswer:
    """A response that only lacks the ID, good until the second `until` of the monotonic clock."""

    data: bytearray
    ttls: tuple[int, ...]
    """Where its TTLs stand."""
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

    def turn_to(self, second: int) -> None:
        """Make its TTLs right for a later second, and for some more if it is good for so long."""
        ahead = second + _AHEAD if second + _AHEAD < self.until else second
        passed = ahead - self.second
        self.second = ahead
        for at in self.ttls:
            _TTL.pack_into(self.data, at, max(0, _TTL.unpack_from(self.data, at)[0] - passed))


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
    return _OVERHEAD + len(query) + answer.size + TTL_COST * len(answer.ttls)
