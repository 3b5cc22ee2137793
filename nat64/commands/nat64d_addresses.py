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
    from collections.abc import Iterable, Mapping
    from ipaddress import IPv4Network

    from nat64.addressing.lease import Lease
    from nat64.addressing.prefix import Pref64
    from nat64.config.nat_config import NatConfig
    from nat64.device.fast_path.kept import KeptLease
    from nat64.device.lease_file import LeaseFile

log = logging.getLogger(__name__)


def at_start(config: NatConfig, saved: LeaseFile | None, kept: Iterable[KeptLease], now: float) -> AddressMap:
    """Return the map that the config asks for, with the saved leases, and with those that the fast path has `kept`.

    The latter are newer. Raises `DeviceError` as `LeaseFile.load`.
    """
    pools = {each.prefix: _new_pool(each.pool, config) for each in config.prefixes}
    if saved is not None and any(pool is not None for pool in pools.values()):
        saved.load(pools, now)
    lost = 0
    for lease in kept:
        pool = pools.get(lease.prefix)
        lost += pool is None or pool.take_over(*lease) is not None
    if lost:
        log.info("leases lost to another config", extra={"leases_lost": lost})
    return _address_map(config, eamts(config), pools)


def eamts(config: NatConfig) -> list[Eamt]:
    """Return the table of the maps of each prefix."""
    return [Eamt(each.eams) for each in config.prefixes]


def after_reload(  # noqa: PLR0913, PLR0917 - what there was, and what there is to be
    old: AddressMap,
    old_config: NatConfig,
    config: NatConfig,
    tables: list[Eamt],
    saved: LeaseFile | None,
    now: float,
) -> AddressMap:
    """Return the map for another config, with each pool that still serves, and the leases that fit of the others.

    `tables` are the `eamts` of the config. A pool for a prefix that had none gets the saved leases: it may have been
    taken out of the config for a while. Raises `DeviceError` as `LeaseFile.load`.
    """
    pools_before = {of.prefix: of.pool for of in old.prefixes}
    pools: dict[Pref64 | None, DynamicPool | None] = {}
    for each in config.prefixes:
        before = pools_before.get(each.prefix)
        serves = before is not None and before.network == each.pool
        if serves and config.max_hosts_per_prefix == old_config.max_hosts_per_prefix:
            pools[each.prefix] = before
        else:
            pools[each.prefix] = _new_pool(each.pool, config)
    added = [
        prefix for prefix, pool in pools.items() if pool is not None and pools_before.get(prefix) is None
    ]
    if added and saved is not None:
        saved.load(pools, now, only=added)
    # From here on nothing may fail: what there was is changed.
    if config.reserved_in_pools() != old_config.reserved_in_pools():
        _reserve(pools_before, pools, config)
    if any(pools.get(prefix) is not pool for prefix, pool in pools_before.items()):
        _move_leases(pools_before, pools)
    for pool in pools.values():
        if pool is not None:
            _observe(pool, config)
    return _address_map(config, tables, pools)


def _reserve(
    before: Mapping[Pref64 | None, DynamicPool | None],
    after: Mapping[Pref64 | None, DynamicPool | None],
    config: NatConfig,
) -> None:
    """Have the pools that stay lease no address that has another use now."""
    kept = [pool for prefix, pool in after.items() if pool is not None and pool is before.get(prefix)]
    lost = sum(pool.reserve(config.reserved_in_pools()) for pool in kept)
    if lost:
        log.info("leases lost to maps or own addresses", extra={"leases_lost": lost})


def _move_leases(
    before: Mapping[Pref64 | None, DynamicPool | None], after: Mapping[Pref64 | None, DynamicPool | None]
) -> None:
    kept = lost = 0
    for prefix, old in before.items():
        new = after.get(prefix)
        if old is None or new is old:
            continue
        for lease in old:
            fits = new is not None and not new.restore(lease.host, prefix, lease.address, lease.used())
            kept += fits
            lost += not fits
    log.info("the pool changed", extra={"leases_kept": kept, "leases_lost": lost})


def _address_map(
    config: NatConfig, tables: list[Eamt], pools: Mapping[Pref64 | None, DynamicPool | None]
) -> AddressMap:
    return AddressMap(
        [
            PrefixMap(each.prefix, eamt, pools[each.prefix], wkpf_strict=config.wkpf_strict)
            for each, eamt in zip(config.prefixes, tables, strict=True)
        ],
        config.hairpin,
    )


def _new_pool(network: IPv4Network | None, config: NatConfig) -> DynamicPool | None:
    if network is None:
        return None
    pool = DynamicPool(network, config.reserved_in_pools(), config.max_hosts_per_prefix)
    _observe(pool, config)
    return pool


def _observe(pool: DynamicPool, config: NatConfig) -> None:
    pool.observers = [_log_lease] if "dyn" in config.log else []


def _log_lease(event: str, lease: Lease) -> None:
    log.info(
        f"lease {event}",  # noqa: G004 - three fixed events, each its own message
        extra={"host": str(IPv6Address(lease.host)), "address": str(IPv4Address(lease.address))},
    )
