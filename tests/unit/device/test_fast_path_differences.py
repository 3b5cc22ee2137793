"""What a reload changes in the fast path's maps: only what differs, and nothing of the leases that stay."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.address_map import AddressMap
from nat64.addressing.eamt import Eam, Eamt
from nat64.addressing.lease import Lease
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.addressing.prefix_map import PrefixMap
from nat64.device.fast_path import contents
from nat64.device.fast_path.contents import Entry, LeaseEntries
from nat64.device.fast_path.differences import COMPARED, differences

MAPS = [
    ("192.0.2.1/32", "3fff:1::1/128"),
    ("192.0.2.2/32", "3fff:1::2/128"),
    ("192.0.2.16/28", "3fff:2::/124"),
    ("192.0.2.64/26", "3fff:3::/64"),
]


def address_map(pool: DynamicPool, maps: list[tuple[str, str]]) -> AddressMap:
    eamt = Eamt(Eam(IPv4Network(ipv4), IPv6Network(ipv6)) for ipv4, ipv6 in maps)
    return AddressMap([PrefixMap(Pref64(IPv6Network("64:ff9b::/96")), eamt, pool, wkpf_strict=True)])


def all_entries(of: AddressMap) -> set[Entry]:
    leases = LeaseEntries(of)
    return {
        *contents.map_entries(of),
        *(entry for pool in of.pools for lease in pool for entry in leases.of(lease)),
    }


def present(entries: set[Entry]) -> dict[str, list[tuple[bytes, bytes]]]:
    return {
        name: [(entry.key, entry.value) for entry in entries if entry.map_name == name] for name in COMPARED
    }


def lease(pool: DynamicPool, number: int, now: float) -> Lease:
    made = pool.assign(IPv6Address(f"3fff:9::{number:x}").packed, Pref64(IPv6Network("64:ff9b::/96")), now)
    assert isinstance(made, Lease)
    return made


@given(st.sets(st.sampled_from(MAPS)), st.sets(st.sampled_from(MAPS)), st.integers(0, 6), st.integers(0, 6))
def test_the_changes_lead_from_what_was_to_what_is_wanted(
    before: set[tuple[str, str]], after: set[tuple[str, str]], leases: int, given_up: int
) -> None:
    pool = DynamicPool(IPv4Network("192.168.240.0/29"))
    old = address_map(pool, sorted(before))
    for number in range(leases):
        lease(pool, number, float(number))
    there = all_entries(old)
    for number in range(min(given_up, leases)):  # the pool is left with other leases
        pool.reserve([IPv4Network(next(iter(pool)).address)])
        assert number < 7
    new = address_map(pool, sorted(after))
    changes = differences(present(there), new, LeaseEntries(new))
    wanted = all_entries(new)
    assert (there - set(changes.remove)) | set(changes.put) == wanted
    assert set(changes.remove) == there - wanted
    assert set(changes.put) == wanted - there


def test_a_leased_address_that_becomes_a_map_is_replaced_and_not_removed() -> None:
    pool = DynamicPool(IPv4Network("192.168.240.0/29"))
    made = lease(pool, 1, 0.0)
    old = address_map(pool, [])
    there = all_entries(old)
    network = IPv4Network(made.address)
    pool.reserve([network])
    new = address_map(pool, [(str(network), "3fff:1::1/128")])
    changes = differences(present(there), new, LeaseEntries(new))
    assert {entry.map_name for entry in changes.remove} == {"hosts6"}
    assert IPv4Address(made.address).packed in {entry.key for entry in changes.put}


def test_a_key_of_a_prefix_that_is_no_more_there_is_removed() -> None:
    pool = DynamicPool(IPv4Network("192.168.240.0/29"))
    made = lease(pool, 1, 0.0)
    of = address_map(pool, [])
    stale = contents.lease_entries(made.host, made.address, 3, 2)
    changes = differences(present(set(stale)), of, LeaseEntries(of))
    assert set(changes.remove) == set(stale)
    assert changes.put == []
