"""NAT64 prefixes in the AAAA records of ipv4only.arpa, RFC 7050."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network
from typing import TYPE_CHECKING, Final

from nat64.addressing.prefix import LENGTHS, Pref64

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME: Final = "ipv4only.arpa"

_WELL_KNOWN: Final = (IPv4Address("192.0.0.170").packed, IPv4Address("192.0.0.171").packed)


def prefixes_in(addresses: Iterable[bytes]) -> tuple[Pref64, ...]:
    """Return the prefixes in which these IPv6 addresses carry the well-known IPv4 addresses, in the order of these.

    Where one could be of several lengths, that counts behind which more of the well-known addresses are seen: the answer has
    both behind each prefix, which is why there are two (RFC 7050 section 3).
    """
    candidates = [_candidates(address) for address in dict.fromkeys(addresses)]
    behind: dict[Pref64, set[bytes]] = {}
    for found in candidates:
        for prefix, well_known in found.items():
            behind.setdefault(prefix, set()).add(well_known)
    chosen: dict[Pref64, None] = {}
    for found in candidates:
        most = max((len(behind[prefix]) for prefix in found), default=0)
        best = [prefix for prefix in found if len(behind[prefix]) == most]
        if len(best) == 1:  # one that stays ambiguous tells nothing
            chosen[best[0]] = None
    return tuple(chosen)


def _candidates(address: bytes) -> dict[Pref64, bytes]:
    """Return the prefixes that the address may have, each with the well-known address that it carries then."""
    found = {}
    for length in LENGTHS:
        prefix = Pref64(IPv6Network((address, length), strict=False))
        ipv4 = prefix.extract(address)
        if ipv4 in _WELL_KNOWN:
            found[prefix] = ipv4
    return found
