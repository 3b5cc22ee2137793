"""Fuzz target: the text of tayga.conf with its map file, of totd.conf, and of dynamic.map.

The first octet chooses which. Whatever the text, a config is read or refused with `ConfigError`, of which each mistake is one
line; and a `dynamic.map` never stops anything, but tells the lines that it cannot use.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeVar

from nat64.addressing import dynamic_map
from nat64.addressing.eamt import Eamt
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.config import tayga, totd
from nat64.config.dns64_config import IPV4_MAPPED
from nat64.config.grammar import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from nat64.config.dns64_config import Forwarder, View
    from nat64.config.grammar import Mistake

_Config = TypeVar("_Config")

FILE: Final = "the.conf"
MAP_FILE_BEGINS: Final = "\n%%\n"
"""In the input for tayga.conf, what follows this line is the map file."""

PREFIXES: Final = (Pref64(IPv6Network("64:ff9b::/96")), Pref64(IPv6Network("2001:db8:64::/96")))
POOLS: Final = (IPv4Network("192.168.240.0/26"), IPv4Network("192.168.241.0/26"))
NOW: Final = 1000.0
UNIX_NOW: Final = 1_790_000_000.0
_PIN_OCTETS: Final = 32
_SECRET_OCTETS: Final = 16
_LEAST_CACHE: Final = 1 << 20
_SMALL_POOL: Final = 20  # a larger one costs megabytes for each input


def run(data: bytes) -> None:
    """Read one input. Raises `AssertionError` for what may not be."""
    if not data:
        return
    text = data[1:].decode("utf-8", errors="replace")
    (_read_tayga, _read_totd, _read_dynamic_map)[data[0] % 3](text)


def _read_tayga(text: str) -> None:
    config_text, _, maps = text.partition(MAP_FILE_BEGINS)
    config = _refused_or_read(
        lambda: tayga.parse(config_text, FILE, state_directory="/var/lib/nat64", read_map_file=lambda _: maps)
    )
    if config is None:
        return
    for warning in config.warnings:
        _check_mistake(warning)
    for of in config.prefixes:
        eamt = Eamt(of.eams)
        for eam in eamt:
            assert eamt.to_ipv6(eam.ipv4.network_address.packed) is not None
        if of.pool is not None and of.pool.prefixlen >= _SMALL_POOL:
            pool = DynamicPool(of.pool, config.reserved_in_pools(), config.max_hosts_per_prefix)
            assert not pool.contains(config.ipv4_addr.packed) or pool.size < of.pool.num_addresses - 1


def _read_totd(text: str) -> None:
    config = _refused_or_read(lambda: totd.parse(text, FILE))
    if config is None:
        return
    for warning in config.warnings:
        _check_mistake(warning)
    assert (config.default.name, config.default.networks) == ("", ())
    assert all(view.name and view.networks for view in config.views)
    _check_distinct(view.name for view in config.views)
    _check_distinct(network for view in config.views for network in view.networks)
    for view in (config.default, *config.views):
        _check_view(view)
    _check_distinct([*config.listen, *(served.endpoint for served in config.listen_tls)])
    assert config.cache.size == 0 or config.cache.size >= _LEAST_CACHE
    assert 1 <= config.limits.connections_of_a_host <= config.limits.connections
    assert config.cookie_secret is None or len(config.cookie_secret) == _SECRET_OCTETS


def _check_view(view: View) -> None:
    assert IPV4_MAPPED in view.exclude
    _check_distinct(each.prefix for each in view.prefixes)
    _check_distinct(network for each in view.prefixes for network in each.ipv4)
    _check_distinct(domain.labels for domain in view.domains)
    assert view.forwarders
    _check_forwarders(view.forwarders)
    for domain in view.domains:
        assert domain.synthesis is not None or domain.forwarders
        assert all(1 <= len(label) <= 63 and label == label.lower() for label in domain.labels)
        assert sum(len(label) + 1 for label in domain.labels) < 255
        _check_forwarders(domain.forwarders)


def _check_forwarders(forwarders: Sequence[Forwarder]) -> None:
    _check_distinct(forwarder.endpoint for forwarder in forwarders)
    for forwarder in forwarders:
        assert 1 <= forwarder.endpoint.port <= 65535
        believed = forwarder.is_encrypted or forwarder.endpoint.address.is_loopback
        assert believed or not forwarder.validating
        assert forwarder.https_path is None or forwarder.tls_name is not None
        assert all(len(pin) == _PIN_OCTETS for pin in forwarder.pins)


def _check_distinct(values: Iterable[Hashable]) -> None:
    gathered = list(values)
    assert len(set(gathered)) == len(gathered), f"twice: {gathered}"


def _read_dynamic_map(text: str) -> None:
    pools = _pools()
    skipped = dynamic_map.restore(text, pools, NOW, UNIX_NOW)
    lines = text.splitlines()
    assert all(1 <= line.line <= len(lines) and line.problem for line in skipped)
    written = dynamic_map.write(chain.from_iterable(pools.values()), PREFIXES[0], NOW, UNIX_NOW)
    others = _pools()
    assert dynamic_map.restore(written, others, NOW, UNIX_NOW) == []
    assert _leases(others) == _leases(pools), "what is written is not read back"


def _pools() -> dict[Pref64 | None, DynamicPool]:
    return dict(zip(PREFIXES, map(DynamicPool, POOLS), strict=True))


def _leases(pools: Mapping[Pref64 | None, DynamicPool]) -> dict[bytes, tuple[bytes, object, float]]:
    # A time of 1 stands for all before 1970, as an epoch of 0 would not be read.
    return {
        lease.address: (lease.host, lease.prefix, max(1.0, UNIX_NOW - NOW + lease.last_use))
        for lease in chain.from_iterable(pools.values())
    }


def _refused_or_read(read: Callable[[], _Config]) -> _Config | None:
    try:
        return read()
    except ConfigError as error:
        mistakes = error.mistakes
    assert mistakes, "refused without a reason"
    for mistake in mistakes:
        _check_mistake(mistake)
    return None


def _check_mistake(mistake: Mistake) -> None:
    text = str(mistake)
    assert len(text.splitlines()) == 1, f"a mistake of several lines: {text!r}"
    assert "; " in text
