"""Two gateways with one pool come to the same leases."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.lease import ACTIVE_SECONDS, Lease
from nat64.addressing.lease_agreement import Agreement, ToldLease, agree
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64

PREFIX = Pref64(IPv6Network("64:ff9b::/96"))
NETWORK = IPv4Network("192.168.240.0/29")
HOST, OTHER = (IPv6Address(f"2001:db8::{number}").packed for number in (1, 2))
LOW, HIGH = NETWORK[2].packed, NETWORK[5].packed
NOW = 1_000_000.0
DORMANT = ACTIVE_SECONDS + 1


def pool_with(*leases: tuple[bytes, bytes, float]) -> DynamicPool:
    """A pool with leases of host, address and idle seconds."""
    pool = DynamicPool(NETWORK)
    for host, address, idle in leases:
        assert pool.restore(host, PREFIX, address, NOW - idle) is None
    return pool


def agreed(pool: DynamicPool, host: bytes, address: bytes, idle: float = 0) -> Agreement:
    return agree({PREFIX: pool}, ToldLease(host, PREFIX, address, idle), NOW)


def held(pool: DynamicPool) -> dict[bytes, bytes]:
    return {lease.host: lease.address for lease in pool}


def test_a_lease_that_is_new_here_is_taken_with_its_last_use() -> None:
    pool = DynamicPool(NETWORK)
    assert agreed(pool, HOST, HIGH, idle=50) is Agreement.TAKEN
    lease = pool.of_host(HOST, PREFIX)
    assert lease is not None
    assert (lease.address, lease.used()) == (HIGH, NOW - 50)


@pytest.mark.parametrize(("idle", "used"), [(20, NOW - 20), (500, NOW - 100)])
def test_of_a_lease_that_both_have_the_later_use_counts(idle: float, used: float) -> None:
    pool = pool_with((HOST, LOW, 100))
    assert agreed(pool, HOST, LOW, idle) is Agreement.SAME
    assert [lease.used() for lease in pool] == [used]


def test_an_active_lease_comes_before_a_dormant_one() -> None:
    pool = pool_with((HOST, LOW, DORMANT))
    assert agreed(pool, OTHER, LOW) is Agreement.REPLACED
    assert held(pool) == {OTHER: LOW}
    assert agreed(pool, HOST, LOW, DORMANT) is Agreement.OURS_STAYS


def test_of_two_addresses_of_one_host_the_lower_one_stays() -> None:
    pool = pool_with((HOST, HIGH, 0))
    assert agreed(pool, HOST, LOW) is Agreement.REPLACED
    assert agreed(pool, HOST, HIGH) is Agreement.OURS_STAYS
    assert held(pool) == {HOST: LOW}


def test_of_two_hosts_with_one_address_the_lower_one_stays() -> None:
    pool = pool_with((OTHER, LOW, 0))
    assert agreed(pool, HOST, LOW) is Agreement.REPLACED
    assert agreed(pool, OTHER, LOW) is Agreement.OURS_STAYS
    assert held(pool) == {HOST: LOW}


@pytest.mark.parametrize(
    ("host", "address"),
    [
        (HOST, IPv4Network("192.168.0.7/32")[0].packed),
        (HOST, NETWORK[0].packed),
        (PREFIX.embed(LOW), LOW),
        (IPv6Address("ff02::1").packed, LOW),
    ],
    ids=["another pool's", "never leased", "in the prefix", "multicast"],
)
def test_what_has_no_place_here_changes_nothing(host: bytes, address: bytes) -> None:
    pool = pool_with((OTHER, HIGH, 0))
    assert agreed(pool, host, address) is Agreement.UNUSABLE
    assert held(pool) == {OTHER: HIGH}


def test_a_prefix_that_is_not_ours_is_unusable() -> None:
    other = Pref64(IPv6Network("2001:db8:64::/96"))
    assert agree({PREFIX: DynamicPool(NETWORK)}, ToldLease(HOST, other, LOW, 0), NOW) is Agreement.UNUSABLE


@st.composite
def pools(draw: st.DrawFn) -> DynamicPool:
    """A gateway's pool as it may have come to be while it heard of nobody."""
    hosts = draw(st.permutations(range(1, 9)))
    addresses = draw(st.permutations(list(NETWORK)[1:]))
    number = draw(st.integers(0, 7))
    idle = draw(st.lists(st.sampled_from((0, DORMANT)), min_size=number, max_size=number))
    return pool_with(
        *(
            (IPv6Address(f"2001:db8::{host}").packed, address.packed, seconds)
            for host, address, seconds in zip(hosts[:number], addresses, idle, strict=False)
        )
    )


def told(lease: Lease) -> ToldLease:
    return ToldLease(lease.host, lease.prefix, lease.address, NOW - lease.used())


@given(pools(), pools())
def test_two_that_tell_each_other_all_they_have_come_to_the_same(
    ours: DynamicPool, theirs: DynamicPool
) -> None:
    for _ in range(2 * NETWORK.num_addresses):
        said_by_ours, said_by_theirs = list(map(told, ours)), list(map(told, theirs))
        changes = [
            agree({PREFIX: pool}, lease, NOW)
            for pool, said in ((theirs, said_by_ours), (ours, said_by_theirs))
            for lease in said
        ]
        if set(changes) <= {Agreement.SAME}:
            break
    assert held(ours) == held(theirs)
