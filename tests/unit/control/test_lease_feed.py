"""What a gateway tells another of its leases, and when."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.lease import Lease
from nat64.addressing.lease_agreement import ToldLease
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.control import lease_feed
from nat64.control.lease_feed import REFRESH_SECONDS, LeaseFeed
from nat64.control.protocol import PAGE, CommandFailed, render_error, render_result

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = Pref64(IPv6Network("64:ff9b::/96"))


def host(number: int) -> bytes:
    return b"\x20\x01\x0d\xb8" + number.to_bytes(12, "big")


class Gateway:
    """A pool and one who follows it; `now` is its clock."""

    def __init__(self, leases: int) -> None:
        self.pool = DynamicPool(IPv4Network("192.168.240.0/20"))
        self.now = 0.0
        self.use(*range(leases))
        self.feed = LeaseFeed(lambda: self.pool)
        self.watch()

    def watch(self) -> None:
        self.pool.observers.append(
            lambda event, lease: self.feed.made(lease) if event == "assigned" else None
        )

    def use(self, *numbers: int) -> None:
        for number in numbers:
            self.pool.assign(host(number), PREFIX, self.now)

    def told(self) -> Iterator[list[ToldLease]]:
        """Yield each line until all is told."""
        while rows := self.feed.next_rows(self.now):
            yield lease_feed.read_told(render_result({"rows": rows}, 0))

    def hosts_told(self) -> list[bytes]:
        return [lease.host for line in self.told() for lease in line]


def test_all_leases_are_told_first_in_lines_that_are_bounded() -> None:
    gateway = Gateway(PAGE + 1)
    assert [len(line) for line in gateway.told()] == [PAGE, 1]


def test_a_new_lease_comes_before_those_that_wait() -> None:
    gateway = Gateway(PAGE + 1)
    gateway.feed.next_rows(0)
    gateway.use(5000)
    assert gateway.hosts_told()[0] == host(5000)


def test_one_that_ended_meanwhile_is_not_told() -> None:
    gateway = Gateway(0)
    gateway.use(1)
    gateway.pool.reserve([gateway.pool.network])
    assert gateway.hosts_told() == []


def test_those_that_were_used_meanwhile_are_told_again_and_no_others() -> None:
    gateway = Gateway(3)
    assert len(gateway.hosts_told()) == 3
    gateway.now = REFRESH_SECONDS - 1
    assert gateway.hosts_told() == []
    gateway.now = 2 * REFRESH_SECONDS
    gateway.use(1)
    gateway.hosts_told()
    gateway.now = 3 * REFRESH_SECONDS
    gateway.use(1)
    assert gateway.hosts_told() == [host(1)]


def test_who_cannot_keep_up_is_told_all_again() -> None:
    gateway = Gateway(0)
    gateway.pool = DynamicPool(IPv4Network("192.168.128.0/17"))
    gateway.watch()
    gateway.hosts_told()
    gateway.use(*range(20_000))
    assert set(gateway.hosts_told()) == {host(number) for number in range(20_000)}


@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=4, max_size=4),
    st.sampled_from((None, PREFIX)),
    st.integers(0, 10**7),
)
def test_what_is_written_is_what_is_read(
    host: bytes, address: bytes, prefix: Pref64 | None, idle: int
) -> None:
    row = lease_feed.write_row(Lease(host, prefix, address, -float(idle)), 0)
    assert lease_feed.read_told(render_result({"rows": [row]}, 0)) == [ToldLease(host, prefix, address, idle)]


@pytest.mark.parametrize(
    "row",
    [
        None,
        {},
        {"host": "2001:db8::1", "prefix": None, "address": "192.168.240.300", "idle": 0},
        {"host": "2001:db8::1", "prefix": "64:ff9b::/97", "address": "192.168.240.3", "idle": 0},
        {"host": "2001:db8::1", "prefix": None, "address": "192.168.240.3", "idle": float("nan")},
        {"host": "2001:db8::1", "prefix": None, "address": "192.168.240.3", "idle": "long"},
    ],
)
def test_a_row_that_is_none_is_refused(row: object) -> None:
    with pytest.raises(CommandFailed, match="one version"):
        lease_feed.read_told(json.dumps({"version": 1, "ok": True, "result": {"rows": [row]}}).encode())


@given(st.binary(max_size=200))
def test_garbage_is_refused(line: bytes) -> None:
    with pytest.raises(CommandFailed):
        lease_feed.read_told(line)


def test_the_others_reason_is_told() -> None:
    with pytest.raises(CommandFailed, match="not today"):
        lease_feed.read_told(render_error(CommandFailed("not today")))


def test_an_address_is_written_as_people_write_it() -> None:
    row = lease_feed.write_row(Lease(host(1), PREFIX, b"\xc0\xa8\xf0\x03", 10.0), 25.7)
    assert row == {
        "host": str(IPv6Address(host(1))),
        "prefix": "64:ff9b::/96",
        "address": "192.168.240.3",
        "idle": 15,
    }
