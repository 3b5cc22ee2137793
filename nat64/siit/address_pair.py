"""Pairs of source and destination with their translation, kept so that a packet of a known pair is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nat64.siit import checksum

if TYPE_CHECKING:
    from nat64.addressing.lease import Lease

_TWO_IPV6: Final = 32  # octets


class AddressPair:
    """What one pair of addresses becomes.

    `translated` are the new source and destination, ready for the header, of the other family unless the pair
    `is_hairpinned`; `translated_sum` and
    `original_sum` are the one's complement sums of the addresses, and `delta` their difference, by which a
    transport checksum changes. `lease` is the dynamic pool's lease in the pair, if any.
    """

    __slots__ = ("delta", "lease", "original_sum", "translated", "translated_sum")

    def __init__(self, original: bytes, translated: bytes, lease: Lease | None) -> None:
        self.translated = translated
        self.original_sum = checksum.word_sum(original)
        self.translated_sum = checksum.word_sum(translated)
        self.delta = self.translated_sum - self.original_sum
        self.lease = lease

    @property
    def is_hairpinned(self) -> bool:
        """Whether the pair turns back from IPv6 to IPv6; such a pair is never kept."""
        return len(self.translated) == _TWO_IPV6


class PairCache:
    """A bounded memory of pairs, by the octets of the original addresses.

    The pairs live in two generations: `recent` is read directly by the hot path; when it has half of
    `capacity`, it becomes the older one, and what the older one held is forgotten unless it was used.
    """

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self.recent: dict[bytes, AddressPair] = {}
        self._older: dict[bytes, AddressPair] = {}

    def find(self, addresses: bytes) -> AddressPair | None:
        """Return the pair, and keep it for longer."""
        pair = self.recent.get(addresses)
        if pair is None:
            pair = self._older.pop(addresses, None)
            if pair is not None:
                self.keep(addresses, pair)
        return pair

    def keep(self, addresses: bytes, pair: AddressPair) -> None:
        """Remember a pair."""
        if len(self.recent) >= self._half:
            self._older, self.recent = self.recent, {}
        self.recent[addresses] = pair

    def __len__(self) -> int:
        return len(self.recent) + len(self._older)
