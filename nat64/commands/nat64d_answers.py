"""What nat64d answers on its control socket."""

from __future__ import annotations

import os
import time
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from nat64 import __version__
from nat64.commands import nat64d_fast_path
from nat64.commands.nat64d_config import read_config, unreadable
from nat64.config.grammar import ConfigError
from nat64.control.protocol import Access, Command, CommandFailed, Result
from nat64.device import forwarding
from nat64.siit import counters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nat64.addressing.prefix import Pref64
    from nat64.commands.nat64d_service import Nat64d


def commands(daemon: Nat64d) -> Mapping[str, Command]:
    """Return the commands that the daemon offers."""

    def status(_: Mapping[str, object]) -> Result:
        return _status(daemon)

    def hosts(_: Mapping[str, object]) -> Result:
        return {"rows": _hosts(daemon)}

    def stats(_: Mapping[str, object]) -> Result:
        return {"rows": _stats(daemon)}

    def check_config(_: Mapping[str, object]) -> Result:
        return _check_config(daemon)

    async def reload(_: Mapping[str, object]) -> Result:
        return {"warnings": await daemon.reload()}

    return {
        "status": Command(Access.READ, status),
        "hosts": Command(Access.READ, hosts),
        "stats": Command(Access.READ, stats),
        "check-config": Command(Access.READ, check_config),
        "reload": Command(Access.CHANGE, reload),
    }


def _status(daemon: Nat64d) -> Result:
    config = daemon.config
    return {
        "daemon": "nat64d",
        "version": __version__,
        "pid": os.getpid(),
        "started": daemon.started,
        "config": str(daemon.invocation.config_path),
        "device": daemon.device,
        "mtu": daemon.translator.settings.mtu,
        "offloads": daemon.offloads,
        "workers": 1 + len(daemon.workers),
        "fast_path": daemon.fast_path.state,
        "fast_path_problem": daemon.fast_path.problem if daemon.fast_path.state == "missing" else None,
        "ipv4_addr": str(config.ipv4_addr),
        "ipv6_addr": str(config.ipv6_addr),
        "prefixes": [str(each.prefix) for each in config.prefixes if each.prefix is not None],
        "pools": [
            {
                "network": str(of.pool.network),
                "size": of.pool.size,
                "leased": len(of.pool),
                "prefix": _name(of.prefix),
            }
            for of in daemon.translator.address_map.prefixes
            if of.pool is not None
        ],
        "hairpin": config.hairpin.value,
        "maps": len(config.eams),
        "lease_peers": [
            {"address": str(peer.endpoint), "problem": peer.problem, "leases_told": peer.told}
            for peer in daemon.lease_link.peers
        ],
        "counters": _counts(daemon),
    }


def _hosts(daemon: Nat64d) -> Iterator[dict[str, object]]:
    """Yield the static maps, then the leases; ``last_used`` is in Unix seconds."""
    for each in daemon.config.prefixes:
        for eam in each.eams:
            host = eam.ipv6.network_address if eam.ipv6.prefixlen == 128 else eam.ipv6
            address = eam.ipv4.network_address if eam.ipv4.prefixlen == 32 else eam.ipv4
            yield {
                "host": str(host),
                "address": str(address),
                "prefix": _name(each.prefix),
                "kind": "static",
                "last_used": None,
            }
    now = time.monotonic()
    unix_now = time.time()
    for pool in daemon.translator.address_map.pools:
        for lease in pool:
            yield {
                "host": str(IPv6Address(lease.host)),
                "address": str(IPv4Address(lease.address)),
                "prefix": _name(lease.prefix),
                "kind": "dynamic",
                "last_used": unix_now - (now - lease.used()),
            }


def _name(prefix: Pref64 | None) -> str | None:
    return str(prefix) if prefix is not None else None


def _counts(daemon: Nat64d) -> dict[str, int]:
    counts = {**daemon.translator.counts, **daemon.forwarding.counts}
    daemon.fast_path.add_to(counts)
    return counts


def _stats(daemon: Nat64d) -> Iterator[dict[str, object]]:
    """Yield each counter with what it counts."""
    counts = _counts(daemon)
    for name, meaning in {**counters.MEANINGS, **forwarding.MEANINGS, **nat64d_fast_path.MEANINGS}.items():
        if name in counts:
            yield {"name": name, "count": counts[name], "meaning": meaning}


def _check_config(daemon: Nat64d) -> Result:
    path = daemon.invocation.config_path
    try:
        config = read_config(path)
    except ConfigError as error:
        return {"config": str(path), "warnings": [], "mistakes": [str(mistake) for mistake in error.mistakes]}
    except OSError as error:
        raise CommandFailed(unreadable(path, error)) from None
    return {"config": str(path), "warnings": [str(warning) for warning in config.warnings], "mistakes": []}
