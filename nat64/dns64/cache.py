"""Answers that are kept: bounded in bytes, the longest unused ones go first. No I/O, no clock.

Times are seconds of one monotonic clock, given as `now`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from sys import getsizeof
from typing import TYPE_CHECKING, Final

from nat64.dns64.message import RCode

if TYPE_CHECKING:
    from nat64.dns64.answer import Answer

_OVERHEAD: Final = 340
"""Bytes of one entry that are always there: its objects, and its place in the table."""
_TTL_COST: Final = 40
"""Bytes that it takes to know where a TTL stands: a number, and its place in a tuple."""
_KEY_BEHIND_NAME: Final = 5
_PREFETCH_SHARE: Final = 10
USABLE: Final = frozenset((RCode.NOERROR, RCode.NXDOMAIN))
"""Response codes of what is no failure."""
_SHORTEST_PREFETCHED: Final = 10

FAILURE_RECHECK: Final = 30.0
"""Seconds until what could not be had is asked for again, while a stale answer stands in (RFC 8767 section 5)."""


@dataclass(slots=True)
class Kept:
    """An answer with the times that it came and expires."""

    answer: Answer
    since: float
    until: float
    stale: float
    """Seconds that it is of use beyond `until`, as a stale one."""
    recheck: float = 0.0
    """Before then nobody is asked anew: asking has failed, and it stands in, be it stale."""

    def is_fresh(self, now: float) -> bool:
        """Tell whether it has not expired."""
        return now < self.until

    @property
    def due(self) -> float:
        """When the last tenth of its life begins: who asks for it from then on shows that it is wanted further."""
        life = self.answer.lifetime
        return self.until - (life / _PREFETCH_SHARE if life >= _SHORTEST_PREFETCHED else 0)

    def age(self, now: float) -> int:
        """Return its age by the seconds of the clock that have begun since, as a `ReadyAnswer` counts them.

        So it has the same TTLs in both tables, and for less than a second more than it has left.
        """
        return int(now) - int(self.since)


class Cache:
    """Answers by what they answer: `key` is a view's number in two bytes and a `ClientQuery.key`.

    Holds at most `size` bytes. An expired answer is kept for another `stale` seconds.
    """

    def __init__(self, size: int, stale: float = 0.0) -> None:
        self.size = size
        self.stale = stale
        self.used = 0
        """Bytes, by an estimate of what an entry takes."""
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes, now: float) -> Kept | None:
        """Return what is kept, be it fresh or stale."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        # It may have been put when `stale` was longer.
        if now >= kept.until and now >= kept.until + min(kept.stale, self.stale):
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def put(self, key: bytes, answer: Answer, now: float) -> Kept | None:
        """Keep an answer for its lifetime; return it as it is kept, ``None`` when it is not."""
        life = answer.lifetime
        cost = _cost(key, answer)
        if life <= 0 or cost > self.size:
            return None
        self._drop(key)
        self.used += cost
        while self.used > self.size:
            oldest, gone = self._kept.popitem(last=False)
            self.used -= _cost(oldest, gone.answer)
        # A failure is never better than none.
        stale = self.stale if answer.rcode in USABLE else 0.0
        kept = self._kept[key] = Kept(answer, now, now + life, stale)
        return kept

    def flush(self, name: bytes | None = None) -> int:
        """Forget what is kept for a name, given in wire form, and all below it, or everything; return how many went."""
        if name is None:
            gone = len(self._kept)
            self._kept.clear()
            self.used = 0
            return gone
        wanted = name.lower()
        found = [key for key in self._kept if _is_below(key[2:-_KEY_BEHIND_NAME], wanted)]
        for key in found:
            self._drop(key)
        return len(found)

    def resize(self, size: int, stale: float) -> None:
        """Hold another number of bytes from here on."""
        self.size = size
        self.stale = stale
        while self.used > size:
            oldest, gone = self._kept.popitem(last=False)
            self.used -= _cost(oldest, gone.answer)

    def _drop(self, key: bytes) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self.used -= _cost(key, gone.answer)


def _cost(key: bytes, answer: Answer) -> int:
    cost = _OVERHEAD + len(key) + getsizeof(answer.data) + _TTL_COST * len(answer.ttls)
    for _, text in answer.errors:
        cost += 64 + len(text)
    return cost


def _is_below(name: bytes, domain: bytes) -> bool:
    """Tell whether a name in wire form is a domain or below it."""
    if not name.endswith(domain):
        return False
    at = 0
    end = len(name) - len(domain)
    while at < end:
        at += name[at] + 1
    return at == end
