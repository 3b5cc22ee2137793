"""The address map of a running nat64d: made from its config, and made anew at a reload without losing leases."""

from __future__ import annotations

import logging
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from nat64.addressing.address_map import AddressMap
from nat64.addressing.eamt import Eamt
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix_map import PrefixMap

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Network

    from nat64.addressing.lease import Lease
    from nat64.addressing.prefix import Pref64
    from nat64.config.tayga import NatConfig
    from nat64.device.lease_file import LeaseFile

log = logging.getLogger(__name__)


def at_start(config: NatConfig, saved: LeaseFile | None, now: float) -> AddressMap:
    """Return the map that the config asks for, with the saved leases. Raises `DeviceError` as `LeaseFile.load`."""
    pools = {each.prefix: _new_pool(each.pool, config) for each in config.prefixes}
    if saved is not None and any(pool is not None for pool in pools.values()):
        saved.load(pools, now)
    return _address_map(config, pools)


def after_reload(
    old: AddressMap, old_config: NatConfig, config: NatConfig, saved: LeaseFile | None, now: float
) -> AddressMap:
    """Return the map for another config, with each pool that still serves, and the leases that fit of the others.

    A pool for a prefix that had none gets the saved leases: it may have been taken out of the config for a while. Raises
    `DeviceError` as `LeaseFile.load`.
    """
    pools_before = {of.prefix: of.pool for of in old.prefixes}
    same = ("max_hosts_per_prefix", "log")
    is_same = (
        all(getattr(config, name) == getattr(old_config, name) for name in same)
        and config.reserved_in_pools() == old_config.reserved_in_pools()
    )
    pools: dict[Pref64 | None, DynamicPool | None] = {}
    for each in config.prefixes:
        before = pools_before.get(each.prefix)
        if is_same and before is not None and before.network == each.pool:
            pools[each.prefix] = before
        else:
            pools[each.prefix] = _new_pool(each.pool, config)
    added = [
        prefix for prefix, pool in pools.items() if pool is not None and pools_before.get(prefix) is None
    ]
    if added and saved is not None:
        saved.load(pools, now, only=added)
    if any(pools.get(prefix) is not pool for prefix, pool in pools_before.items()):
        _move_leases(pools_before, pools)
    return _address_map(config, pools)


def _move_leases(
    before: Mapping[Pref64 | None, DynamicPool | None], after: Mapping[Pref64 | None, DynamicPool | None]
) -> None:
    kept = lost = 0
    for prefix, old in before.items():
        new = after.get(prefix)
        if old is None or new is old:
            continue
        for lease in old:
            fits = new is not None and not new.restore(lease.host, prefix, lease.address, lease.last_use)
            kept += fits
            lost += not fits
    log.info("the pool changed", extra={"leases_kept": kept, "leases_lost": lost})


def _address_map(config: NatConfig, pools: Mapping[Pref64 | None, DynamicPool | None]) -> AddressMap:
    return AddressMap(
        [
            PrefixMap(each.prefix, Eamt(each.eams), pools[each.prefix], wkpf_strict=config.wkpf_strict)
            for each in config.prefixes
        ],
        config.hairpin,
    )


def _new_pool(network: IPv4Network | None, config: NatConfig) -> DynamicPool | None:
    if network is None:
        return None
    pool = DynamicPool(network, config.reserved_in_pools(), config.max_hosts_per_prefix)
    if "dyn" in config.log:
        pool.observe = _log_lease
    return pool


def _log_lease(event: str, lease: Lease) -> None:
    log.info(
        f"lease {event}",  # noqa: G004 - three fixed events, each its own message
        extra={"host": str(IPv6Address(lease.host)), "address": str(IPv4Address(lease.address))},
    )
