"""TAYGA's dynamic.map, read and written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing import dynamic_map
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64

NETWORK = IPv4Network("192.168.255.0/24")
PREFIX = Pref64(IPv6Network("64:ff9b::/96"))
NOW = 1_000_000.0
UNIX_NOW = 1_800_000_000.0

# A file as TAYGA 0.9.6 writes it
TAYGA_FILE = """\
###
###
### TAYGA dynamic map database
###
### You can edit this (carefully!) as long as you shut down TAYGA first
###
###
### Last written: Mon Nov 23 14:00:00 2026
###
###

192.168.255.17\t2001:db8:1::5\t1799999000
192.168.255.200\t2001:db8:1::dead:beef\t1799990000
"""


def leases(pool: DynamicPool) -> dict[str, tuple[str, float]]:
    return {str(IPv6Address(lease.host)): (str(IPv4Address(lease.address)), lease.last_use) for lease in pool}


def test_tayga_file_is_read() -> None:
    pool = DynamicPool(NETWORK)
    assert dynamic_map.restore(TAYGA_FILE, {PREFIX: pool}, NOW, UNIX_NOW) == []
    assert leases(pool) == {
        "2001:db8:1::5": ("192.168.255.17", NOW - 1000),
        "2001:db8:1::dead:beef": ("192.168.255.200", NOW - 10000),
    }
    assert {lease.prefix for lease in pool} == {PREFIX}


def test_what_is_written_has_taygas_line_format() -> None:
    pool = DynamicPool(NETWORK)
    pool.restore(
        IPv6Address("2001:db8:1::5").packed, PREFIX, IPv4Address("192.168.255.17").packed, NOW - 1000
    )
    text = dynamic_map.write(pool, PREFIX, NOW, UNIX_NOW)
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == [
        "192.168.255.17\t2001:db8:1::5\t1799999000"
    ]


def test_a_lease_of_another_prefix_carries_it_in_a_fourth_word() -> None:
    other = Pref64(IPv6Network("2001:db8:64::/96"))
    pool = DynamicPool(NETWORK)
    pool.restore(IPv6Address("2001:db8:1::5").packed, other, IPv4Address("192.168.255.17").packed, NOW)
    text = dynamic_map.write(pool, PREFIX, NOW, UNIX_NOW)
    assert text.endswith("192.168.255.17\t2001:db8:1::5\t1800000000\t2001:db8:64::/96\n")
    again = DynamicPool(NETWORK)
    assert dynamic_map.restore(text, {PREFIX: None, other: again}, NOW, UNIX_NOW) == []
    assert [lease.prefix for lease in again] == [other]
    (skipped,) = dynamic_map.restore(text, {PREFIX: DynamicPool(NETWORK)}, NOW, UNIX_NOW)
    assert skipped.problem == "the prefix 2001:db8:64::/96 is not configured"


def test_each_line_goes_to_the_pool_of_its_prefix() -> None:
    other = Pref64(IPv6Network("2001:db8:64::/96"))
    text = (
        "192.168.255.17\t2001:db8:1::5\t1799999000\n"
        "10.0.0.17\t2001:db8:1::5\t1799999000\t2001:db8:64::/96\n"
        "10.0.0.18\t2001:db8:1::6\t1799999000\n"
    )
    first, second = DynamicPool(NETWORK), DynamicPool(IPv4Network("10.0.0.0/24"))
    (skipped,) = dynamic_map.restore(text, {PREFIX: first, other: second}, NOW, UNIX_NOW)
    assert (skipped.line, skipped.problem) == (3, "the address is outside 192.168.255.0/24")
    assert leases(first) == {"2001:db8:1::5": ("192.168.255.17", NOW - 1000)}
    assert leases(second) == {"2001:db8:1::5": ("10.0.0.17", NOW - 1000)}
    without = dynamic_map.restore(text, {PREFIX: DynamicPool(NETWORK), other: None}, NOW, UNIX_NOW)
    assert without[0].problem == "the prefix 2001:db8:64::/96 has no pool"


def test_only_the_lines_of_the_prefixes_asked_for_are_read() -> None:
    other = Pref64(IPv6Network("2001:db8:64::/96"))
    text = "192.168.255.17 2001:db8:1::5 1799999000\n10.0.0.17 2001:db8:1::5 1799999000 2001:db8:64::/96\n"
    first, second = DynamicPool(NETWORK), DynamicPool(IPv4Network("10.0.0.0/24"))
    assert dynamic_map.restore(text, {PREFIX: first, other: second}, NOW, UNIX_NOW, only=[other]) == []
    assert (len(first), len(second)) == (0, 1)


def test_dates_in_the_future_count_as_now() -> None:
    pool = DynamicPool(NETWORK)
    dynamic_map.restore("192.168.255.17 2001:db8::1 9999999999\n", {PREFIX: pool}, NOW, UNIX_NOW)
    assert leases(pool) == {"2001:db8::1": ("192.168.255.17", NOW)}


@pytest.mark.parametrize(
    "line",
    [
        "192.168.255.17",
        "192.168.255.17 2001:db8::1",
        "192.168.255.17 2001:db8::1 1 64:ff9b::/96 more",
        "192.168.255.256 2001:db8::1 1",
        "192.168.255.17 2001:db8::g 1",
        "192.168.255.17 2001:db8::1 0",
        "192.168.255.17 2001:db8::1 -5",
        "192.168.255.17 2001:db8::1 soon",
        "192.168.255.17 2001:db8::1 ٣",
        "192.168.255.17 2001:db8::1 1 64:ff9b::/95",
        "192.168.254.17 2001:db8::1 1",
        "192.168.255.0 2001:db8::1 1",
        "192.168.255.17 ff02::1 1",
        "192.168.255.17 64:ff9b::1 1",
    ],
)
def test_a_malformed_line_is_told_and_the_others_are_used(line: str) -> None:
    pool = DynamicPool(NETWORK)
    text = f"# first\n{line}\n192.168.255.18\t2001:db8::2\t1799999999\n"
    (skipped,) = dynamic_map.restore(text, {PREFIX: pool}, NOW, UNIX_NOW)
    assert skipped.line == 2
    assert skipped.problem
    assert list(leases(pool)) == ["2001:db8::2"]


def test_the_second_of_two_lines_for_an_address_is_told() -> None:
    pool = DynamicPool(NETWORK)
    text = "192.168.255.18 2001:db8::2 5\n192.168.255.18 2001:db8::3 6\n"
    (skipped,) = dynamic_map.restore(text, {PREFIX: pool}, NOW, UNIX_NOW)
    assert (skipped.line, skipped.problem) == (2, "the address is taken")


@given(
    st.dictionaries(st.integers(1, 255), st.tuples(st.integers(0, 2**64), st.integers(0, 10**6)), max_size=20)
)
def test_writing_and_reading_gives_the_same_leases(entries: dict[int, tuple[int, int]]) -> None:
    pool = DynamicPool(NETWORK)
    for offset, (host, idle) in entries.items():
        packed = (0x20010DB8 << 96 | host).to_bytes(16, "big")
        pool.restore(packed, PREFIX, NETWORK[offset].packed, NOW - idle)
    again = DynamicPool(NETWORK)
    text = dynamic_map.write(pool, PREFIX, NOW, UNIX_NOW)
    assert dynamic_map.restore(text, {PREFIX: again}, NOW, UNIX_NOW) == []
    assert leases(again) == leases(pool)


@given(st.text(), st.floats(1, 1e10))
def test_no_text_raises(text: str, unix_now: float) -> None:
    dynamic_map.restore(text, {PREFIX: DynamicPool(NETWORK)}, NOW, unix_now)
