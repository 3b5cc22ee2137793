"""How two gateways with one pool come to the same leases: what one says of a lease, held against what the other has.

Both start a host at the same place of the pool (`DynamicPool.assign`), so they differ only where two hosts wanted one place in
another order, or where neither heard of the other for a while. Each tells the other all of its leases; of two that
exclude each other both keep the same one:

1. one that is active before one that is dormant;
2. of two addresses of one host the lower one, of two hosts with one address the lower host.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from nat64.addressing.lease import ACTIVE_SECONDS
from nat64.addressing.special_purpose import may_translate_ipv6

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nat64.addressing.lease import Lease
    from nat64.addressing.pool import DynamicPool
    from nat64.addressing.prefix import Pref64


@dataclass(frozen=True, slots=True)
class ToldLease:
    """A lease as the other gateway tells it: `host` is 16 octets, `address` 4, `idle` the seconds since its last use."""

    host: bytes
    prefix: Pref64 | None
    address: bytes
    idle: float


class Agreement(enum.Enum):
    """What became of a lease that was told."""

    SAME = "same"
    """It was there, and is used as lately as either of both says."""
    TAKEN = "taken"
    """It was new here."""
    REPLACED = "replaced"
    """It took the place of others, which have ended."""
    OURS_STAYS = "ours stays"
    """One of ours excludes it and comes first; the other gateway gives in when it hears of that."""
    UNUSABLE = "unusable"
    """It has no place here: another config."""


def agree(pools: Mapping[Pref64 | None, DynamicPool | None], told: ToldLease, now: float) -> Agreement:
    """Take a lease that the other gateway told into the pool of its prefix, where it has its place there."""
    pool = pools.get(told.prefix)
    if pool is None or not pool.contains(told.address) or not _is_host(told.host, pools):
        return Agreement.UNUSABLE
    of_host = pool.of_host(told.host, told.prefix)
    last_use = now - max(0.0, told.idle)
    if of_host is not None and of_host.address == told.address:
        of_host.last_use = max(of_host.last_use, last_use)
        return Agreement.SAME
    of_address = pool.holder_of(told.address)
    in_its_way = [lease for lease in (of_host, of_address) if lease is not None]
    if any(not _comes_first(told, lease, now) for lease in in_its_way):
        return Agreement.OURS_STAYS
    if pool.take_over(told.host, told.prefix, told.address, last_use) is not None:
        return Agreement.UNUSABLE
    return Agreement.REPLACED if in_its_way else Agreement.TAKEN


def _comes_first(told: ToldLease, ours: Lease, now: float) -> bool:
    is_active = told.idle <= ACTIVE_SECONDS
    if is_active != ours.is_active(now):
        return is_active
    return (told.address, told.host) < (ours.address, ours.host)


def _is_host(host: bytes, prefixes: Mapping[Pref64 | None, DynamicPool | None]) -> bool:
    address = IPv6Address(host)
    return may_translate_ipv6(host) and not any(
        prefix is not None and address in prefix.network for prefix in prefixes
    )
