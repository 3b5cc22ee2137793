"""The dynamic pool by TAYGA's rules."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nat64.addressing.host_limit import HostsPerPrefix
from nat64.addressing.lease import ACTIVE_SECONDS, REMEMBERED_SECONDS, Lease
from nat64.addressing.pool import DynamicPool
from nat64.addressing.unmappable import Unmappable

NETWORK = IPv4Network("192.168.240.0/29")


def host(number: int) -> bytes:
    return b"\x20\x01\x0d\xb8" + number.to_bytes(12, "big")


def taken(pool: DynamicPool, number: int, now: float) -> Lease:
    lease = pool.assign(host(number), None, now)
    assert isinstance(lease, Lease)
    return lease


def test_tayga_the_lowest_address_is_never_leased_the_highest_is() -> None:
    pool = DynamicPool(NETWORK)
    addresses = {IPv4Address(taken(pool, number, 0).address) for number in range(7)}
    assert addresses == set(NETWORK) - {NETWORK[0]}
    assert pool.size == 7


def test_tayga_own_address_and_maps_are_kept_out() -> None:
    excluded = [IPv4Network("192.168.240.3/32"), IPv4Network("192.168.240.4/30"), IPv4Network("10.0.0.0/8")]
    pool = DynamicPool(NETWORK, excluded)
    assert {IPv4Address(taken(pool, number, 0).address) for number in range(2)} == {NETWORK[1], NETWORK[2]}
    assert pool.assign(host(2), None, 0) is Unmappable.POOL_EXHAUSTED


def test_what_is_reserved_later_ends_only_the_leases_there() -> None:
    pool = DynamicPool(NETWORK, [IPv4Network("192.168.240.1/32")])
    leases = {IPv4Address(lease.address): lease for lease in (taken(pool, n, 0) for n in range(6))}
    told: list[tuple[str, Lease]] = []
    pool.observers.append(lambda event, lease: told.append((event, lease)))
    before = pool.revision
    networks = ["192.168.240.2/32", "192.168.240.2/31", "192.168.240.0/32", "10.0.0.0/8", "192.168.240.8/29"]
    assert pool.reserve(map(IPv4Network, networks)) == 2
    assert pool.revision == before + 2
    assert {IPv4Address(lease.address) for lease in pool} == {NETWORK[n] for n in (4, 5, 6, 7)}
    assert sorted(IPv4Address(lease.address) for _, lease in told) == [NETWORK[2], NETWORK[3]]
    assert {event for event, _ in told} == {"reclaimed"}
    assert [lease.ended for _, lease in sorted(leases.items())] == [True, True, False, False, False, False]
    assert pool.size == 5
    assert IPv4Address(taken(pool, 9, 1).address) == NETWORK[1]  # free again
    assert pool.assign(host(10), None, 1) is Unmappable.POOL_EXHAUSTED
    assert pool.reserve([]) == 0
    assert {IPv4Address(taken(pool, n, 1).address) for n in (10, 11)} == {NETWORK[2], NETWORK[3]}
    assert pool.assign(host(12), None, 1) is Unmappable.POOL_EXHAUSTED
    assert pool.reserve([IPv4Network("192.168.0.0/16")]) == 7
    assert (len(pool), pool.size) == (0, 0)


def test_a_dormant_lease_is_found_at_once_among_many_that_were_used_since() -> None:
    pool = DynamicPool(IPv4Network("192.168.240.0/20"))
    leases = [taken(pool, number, number / 1000) for number in range(pool.size)]
    for lease in leases[:-1]:
        lease.last_use = ACTIVE_SECONDS
    later = ACTIVE_SECONDS + 10.0
    for second in range(64):
        assert pool.forget(later + second) == []
    assert taken(pool, 5000, later + 64).address == leases[-1].address


def test_a_host_keeps_its_address() -> None:
    pool = DynamicPool(NETWORK)
    lease = taken(pool, 1, 0)
    assert pool.assign(host(1), None, 5) is lease
    assert lease.last_use == 5


def test_a_host_gets_the_same_address_in_another_run_of_the_daemon() -> None:
    assert taken(DynamicPool(NETWORK), 7, 0).address == taken(DynamicPool(NETWORK), 7, 100).address


def test_tayga_a_lease_is_active_for_124_minutes_after_its_last_use() -> None:
    pool = DynamicPool(NETWORK)
    lease = taken(pool, 1, 100)
    assert ACTIVE_SECONDS == 124 * 60
    assert pool.of_address(lease.address, 100 + 124 * 60) is lease
    assert pool.of_address(lease.address, 101 + 124 * 60) is None
    assert pool.of_host(host(1), None) is lease


def test_tayga_a_dormant_lease_is_reactivated_for_its_host() -> None:
    pool = DynamicPool(NETWORK)
    lease = taken(pool, 1, 0)
    assert pool.assign(host(1), None, 86400) is lease
    assert pool.of_address(lease.address, 86400) is lease


def test_tayga_a_full_pool_gives_the_longest_idle_dormant_address() -> None:
    pool = DynamicPool(NETWORK)
    leases = [taken(pool, number, number) for number in range(7)]
    leases[0].last_use = 50  # used again, so the second one is idle for longest
    now = 51 + ACTIVE_SECONDS
    lease = taken(pool, 99, now)
    assert lease.address == leases[1].address
    assert leases[1].ended
    assert not leases[0].ended
    assert pool.of_host(host(1), None) is None


def test_tayga_a_full_pool_of_active_leases_gives_none() -> None:
    pool = DynamicPool(NETWORK)
    for number in range(7):
        taken(pool, number, 0)
    assert pool.assign(host(99), None, ACTIVE_SECONDS) is Unmappable.POOL_EXHAUSTED
    assert isinstance(pool.assign(host(99), None, ACTIVE_SECONDS + 1), Lease)


def test_tayga_a_lease_is_forgotten_after_14_days() -> None:
    pool = DynamicPool(NETWORK)
    lease = taken(pool, 1, 0)
    assert pool.forget(14 * 86400) == []
    assert pool.forget(14 * 86400 + 1) == [lease]
    assert lease.ended
    assert len(pool) == 0


def test_leases_belong_to_host_and_prefix_and_are_told_when_they_change() -> None:
    pool = DynamicPool(NETWORK)
    events: list[tuple[str, bytes]] = []
    pool.observers.append(lambda event, lease: events.append((event, lease.host)))
    for number in range(7):
        taken(pool, number, 0)
    taken(pool, 99, ACTIVE_SECONDS + 1)
    pool.forget(ACTIVE_SECONDS + REMEMBERED_SECONDS + 2)
    assert [event for event, _ in events].count("assigned") == 8
    assert [event for event, _ in events].count("reclaimed") == 1
    assert [event for event, _ in events].count("forgotten") == 7


def test_many_busy_leases_in_a_full_pool_are_not_all_looked_at_for_one_packet() -> None:
    pool = DynamicPool(IPv4Network("10.0.0.0/18"))
    leases = [taken(pool, number, 0) for number in range(pool.size)]
    now = ACTIVE_SECONDS + 10
    for lease in leases[:-1]:
        lease.last_use = now  # all but one are busy, and the pool does not know it yet
    calls = 1
    while pool.assign(host(10**6), None, now) is Unmappable.POOL_EXHAUSTED:
        calls += 1
        assert calls <= len(leases)
    assert calls > 10  # the search for the one dormant lease was spread over packets
    assert leases[-1].ended
    assert sum(lease.ended for lease in leases) == 1


def test_restore_says_why_a_lease_cannot_be_put_back() -> None:
    pool = DynamicPool(NETWORK, [IPv4Network("192.168.240.1/32")])
    assert pool.restore(host(1), None, NETWORK[2].packed, 0) is None
    assert pool.restore(host(2), None, NETWORK[2].packed, 0) == "the address is taken"
    assert pool.restore(host(1), None, NETWORK[3].packed, 0) == "the host has another address"
    assert pool.restore(host(2), None, NETWORK[1].packed, 0) == "the address is reserved"
    assert "outside" in (pool.restore(host(2), None, IPv4Address("10.0.0.1").packed, 0) or "")


def in_network(network: int, number: int) -> bytes:
    return (0x20010DB8 << 96 | network << 64 | number).to_bytes(16, "big")


def test_max_hosts_per_prefix_leaves_the_rest_of_the_pool_to_other_networks() -> None:
    pool = DynamicPool(NETWORK, hosts_per_prefix=HostsPerPrefix(64, 3))
    greedy = [pool.assign(in_network(1, number), None, 0) for number in range(100)]
    assert sum(isinstance(lease, Lease) for lease in greedy) == 3
    assert set(greedy[3:]) == {Unmappable.PREFIX_EXHAUSTED}
    assert isinstance(pool.assign(in_network(2, 1), None, 0), Lease)
    assert pool.assign(in_network(1, 0), None, 1) is greedy[0]


def test_max_hosts_per_prefix_gives_a_network_its_own_longest_idle_address() -> None:
    pool = DynamicPool(NETWORK, hosts_per_prefix=HostsPerPrefix(64, 2))
    other = pool.assign(in_network(2, 1), None, 0)
    first, second = (pool.assign(in_network(1, number), None, number) for number in (1, 2))
    assert isinstance(first, Lease)
    assert isinstance(second, Lease)
    first.last_use = 100
    third = pool.assign(in_network(1, 3), None, ACTIVE_SECONDS + 50)
    assert isinstance(third, Lease)
    assert second.ended
    assert not first.ended
    assert isinstance(other, Lease)
    assert not other.ended
    assert len(pool) == 3


def test_max_hosts_per_prefix_keeps_what_was_leased_before_it() -> None:
    pool = DynamicPool(NETWORK, hosts_per_prefix=HostsPerPrefix(64, 1))
    for number in (1, 2, 3):
        assert pool.restore(in_network(1, number), None, NETWORK[number].packed, 0) is None
    assert isinstance(pool.assign(in_network(1, 3), None, 1), Lease)
    assert pool.assign(in_network(1, 4), None, 1) is Unmappable.PREFIX_EXHAUSTED


def test_max_hosts_per_prefix_counts_no_lease_that_has_ended() -> None:
    pool = DynamicPool(NETWORK, hosts_per_prefix=HostsPerPrefix(48, 2))
    now = 0.0
    for number in range(500):  # each is forgotten before the next but one comes
        assert isinstance(pool.assign(in_network(number % 7, number), None, now), Lease)
        now += REMEMBERED_SECONDS
        pool.forget(now)
    assert len(pool) <= 2


class PoolMachine(RuleBasedStateMachine):
    """The pool against a plain list of (host, address, last use)."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = DynamicPool(NETWORK, [IPv4Network("192.168.240.2/32")])
        self.usable = set(NETWORK) - {NETWORK[0], NETWORK[2]}
        self.model: dict[bytes, tuple[IPv4Address, float]] = {}
        self.now = 0.0

    @rule(seconds=st.sampled_from([1, 60, 3600, 7440, 7441, 86400, 14 * 86400]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(number=st.integers(0, 9))
    def a_host_sends(self, number: int) -> None:
        key = host(number)
        lease = self.pool.assign(key, None, self.now)
        if key not in self.model and len(self.model) == len(self.usable):
            oldest = min(self.model, key=lambda other: self.model[other][1])
            if self.now - self.model[oldest][1] <= ACTIVE_SECONDS:
                assert lease is Unmappable.POOL_EXHAUSTED
                return
            assert isinstance(lease, Lease)
            victims = [other for other, (_, used) in self.model.items() if used == self.model[oldest][1]]
            (victim,) = [other for other in victims if self.model[other][0].packed == lease.address]
            del self.model[victim]
        assert isinstance(lease, Lease)
        if key in self.model:
            assert lease.address == self.model[key][0].packed
        else:
            assert IPv4Address(lease.address) in self.usable
            assert lease.address not in {address.packed for address, _ in self.model.values()}
        self.model[key] = (IPv4Address(lease.address), self.now)

    @precondition(lambda self: self.model)
    @rule(number=st.integers(0, 9))
    def a_reply_comes(self, number: int) -> None:
        key = sorted(self.model)[number % len(self.model)]
        address, last_use = self.model[key]
        lease = self.pool.of_address(address.packed, self.now)
        if self.now - last_use > ACTIVE_SECONDS:
            assert lease is None
        else:
            assert lease is not None
            assert lease.host == key
            lease.last_use = self.now
            self.model[key] = (address, self.now)

    @rule()
    def old_leases_are_forgotten(self) -> None:
        ended = {lease.host for lease in self.pool.forget(self.now)}
        old = {key for key, (_, used) in self.model.items() if self.now - used > REMEMBERED_SECONDS}
        assert ended == old
        for key in old:
            del self.model[key]

    @invariant()
    def pool_and_model_hold_the_same(self) -> None:
        assert {lease.host: lease.address for lease in self.pool} == {
            key: address.packed for key, (address, _) in self.model.items()
        }


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPoolAgainstModel = PoolMachine.TestCase
