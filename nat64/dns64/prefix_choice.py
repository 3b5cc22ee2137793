"""Which IPv6 address stands for an IPv4 address, by a view's prefixes and ranges. No I/O."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nat64.addressing.special_purpose import is_global, may_translate_ipv4
from nat64.dns64.longest_match import LongestMatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nat64.addressing.prefix import Pref64
    from nat64.config.dns64_config import View


_MOST_REMEMBERED: Final = 4096


class PrefixChoice:
    """The prefixes that take turns, and those that serve a part of the IPv4 addresses alone."""

    def __init__(self, view: View) -> None:
        self._mapped = view.mapped
        self._unmapped = view.unmapped
        self._dedicated = LongestMatch(
            (network, each.prefix) for each in view.prefixes for network in each.ipv4
        )
        shared = [each.prefix for each in view.prefixes if not each.ipv4]
        # RFC 6052 section 3.1 keeps 64:ff9b::/96 from addresses that are not global. They take turns of their
        # own, or the prefix after it in the order would serve its turns beside its own.
        self._turns_global = _Turns(shared)
        self._turns_other = _Turns([prefix for prefix in shared if not prefix.is_well_known])
        self._serving = lru_cache(_MOST_REMEMBERED)(self._find)  # popular servers stand behind most names

    def embed(self, addresses: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return the IPv6 addresses for the IPv4 addresses of one answer, which take one turn together.

        What is not to be synthesized from is left out: addresses that no translator lets pass, such as
        127.0.0.1; what `mapped` and `unmapped` leave out; and non-global ones that only 64:ff9b::/96 serves.
        """
        embedded: dict[bytes, bytes] = {}
        used: set[_Turns] = set()
        for address in addresses:
            found = self._serving(address)
            prefix = found.current if isinstance(found, _Turns) else found
            if prefix is not None:
                embedded[address] = prefix.embed(address)
                if isinstance(found, _Turns):
                    used.add(found)
        for turns in used:
            turns.advance()
        return embedded

    def _find(self, address: bytes) -> Pref64 | _Turns | None:
        """Return the prefix that serves an address alone, or those that take turns for it, or ``None``."""
        ipv4 = ipaddress.IPv4Address(address)
        if not may_translate_ipv4(address) or not self._is_mapped(ipv4):
            return None
        prefix = self._dedicated.find(ipv4)
        if prefix is None:
            return self._turns_global if is_global(address) else self._turns_other
        return None if prefix.is_well_known and not is_global(address) else prefix

    def _is_mapped(self, ipv4: ipaddress.IPv4Address) -> bool:
        if any(ipv4 in network for network in self._unmapped):
            return False
        return not self._mapped or any(ipv4 in network for network in self._mapped)


class _Turns:
    """Prefixes that serve one after the other, so that each serves equally many answers."""

    def __init__(self, prefixes: Sequence[Pref64]) -> None:
        self._prefixes = prefixes
        self._turn = 0

    @property
    def current(self) -> Pref64 | None:
        """The prefix whose turn it is, if there is any."""
        return self._prefixes[self._turn] if self._prefixes else None

    def advance(self) -> None:
        """Give the turn to the next one."""
        self._turn = (self._turn + 1) % len(self._prefixes) if self._prefixes else 0
