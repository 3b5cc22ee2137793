"""Leases that somebody beside the pool translates for: the pool tells of them, and counts uses that only the other saw."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from nat64.addressing.host_limit import HostsPerPrefix
from nat64.addressing.lease import ACTIVE_SECONDS, REMEMBERED_SECONDS, Lease
from nat64.addressing.pool import DynamicPool
from nat64.addressing.unmappable import Unmappable

NETWORK = IPv4Network("192.168.240.0/30")
LATER = ACTIVE_SECONDS + 1


class Carrier:
    """Notes what it is told; `seen` are the times of its own."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bytes]] = []
        self.seen: dict[bytes, float] = {}

    def started(self, lease: Lease) -> None:
        self.told.append(("started", lease.host))

    def ended(self, lease: Lease) -> None:
        self.told.append(("ended", lease.host))

    def last_use(self, lease: Lease) -> float:
        return self.seen.get(lease.host, float("-inf"))


def host(number: int) -> bytes:
    return b"\x20\x01\x0d\xb8" + number.to_bytes(12, "big")


def full_pool(carrier: Carrier, limit: HostsPerPrefix | None = None) -> DynamicPool:
    pool = DynamicPool(NETWORK, hosts_per_prefix=limit)
    pool.carry_by(carrier)
    for number in range(3):
        assert isinstance(pool.assign(host(number), None, float(number)), Lease)
    return pool


def test_it_is_told_of_each_lease_made_and_ended() -> None:
    carrier = Carrier()
    pool = full_pool(carrier)
    assert isinstance(pool.assign(host(9), None, LATER + 1), Lease)
    assert pool.restore(host(10), None, IPv4Address("192.168.240.1").packed, 0) == "the address is taken"
    assert carrier.told == [
        *(("started", host(number)) for number in range(3)),
        ("ended", host(0)),
        ("started", host(9)),
    ]


def test_a_lease_that_only_the_carrier_saw_used_is_active_and_not_given_away() -> None:
    carrier = Carrier()
    pool = full_pool(carrier)
    carrier.seen = {host(0): LATER, host(1): LATER - 1, host(2): LATER - 2}
    lease = pool.of_host(host(1), None)
    assert lease is not None
    assert pool.of_address(lease.address, LATER + 5) is lease
    assert pool.assign(host(9), None, LATER + 5) is Unmappable.POOL_EXHAUSTED
    assert isinstance(pool.assign(host(9), None, LATER + ACTIVE_SECONDS - 1), Lease)
    assert carrier.told[-2:] == [("ended", host(2)), ("started", host(9))]


def test_a_networks_own_lease_is_given_away_by_the_same_times() -> None:
    carrier = Carrier()
    pool = full_pool(carrier, HostsPerPrefix(64, 3))
    carrier.seen = {host(0): LATER}
    assert isinstance(pool.assign(host(9), None, LATER + 5), Lease)
    assert carrier.told[-2] == ("ended", host(1))


def test_a_lease_that_only_the_carrier_saw_used_is_not_forgotten() -> None:
    carrier = Carrier()
    pool = full_pool(carrier)
    carrier.seen = {host(1): REMEMBERED_SECONDS}
    ended = {lease.host for _ in range(3) for lease in pool.forget(REMEMBERED_SECONDS + 10)}
    assert ended == {host(0), host(2)}


def test_the_times_stay_when_nobody_carries_any_more() -> None:
    carrier = Carrier()
    pool = full_pool(carrier)
    carrier.seen = {host(1): 77.0}
    pool.carry_by(None)
    assert sorted(lease.used() for lease in pool) == [0.0, 2.0, 77.0]
    assert isinstance(pool.assign(host(9), None, LATER + 77), Lease)
    assert carrier.told[-1] == ("started", host(2))


def test_a_lease_taken_over_goes_before_what_a_file_said_of_its_host_and_its_address() -> None:
    pool = DynamicPool(NETWORK, [IPv4Network("192.168.240.3/32")])
    first, second, third = (IPv4Address(NETWORK[n]).packed for n in (1, 2, 3))
    assert pool.restore(host(1), None, first, 10.0) is None
    assert pool.restore(host(2), None, second, 10.0) is None
    assert pool.take_over(host(1), None, second, 20.0) is None
    assert [(lease.host, lease.address, lease.last_use) for lease in pool] == [(host(1), second, 20.0)]
    assert pool.take_over(host(1), None, second, 15.0) is None
    assert [lease.last_use for lease in pool] == [20.0]
    assert pool.take_over(host(3), None, third, 20.0) == "the address is reserved"
    outside = IPv4Address("192.0.2.1").packed
    assert pool.take_over(host(1), None, outside, 20.0) == "the address is outside 192.168.240.0/30"
    assert [lease.address for lease in pool] == [second]
