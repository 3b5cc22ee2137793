"""What holds for an address: the value of the longest network that it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nat64.config.dns64_config import IPAddress, IPNetwork

Value = TypeVar("Value")


class LongestMatch(Generic[Value]):
    """A table of networks, of either IP version. Of one network that stands there twice the first counts."""

    def __init__(self, entries: Iterable[tuple[IPNetwork, Value]]) -> None:
        self._entries = sorted(entries, key=lambda entry: -entry[0].prefixlen)

    def find(self, address: IPAddress) -> Value | None:
        """Return the value for `address`, or ``None`` when it is in none of the networks."""
        for network, value in self._entries:
            if address in network:
                return value
        return None
