"""How many connections there may be, of a host and in all, and who leaves for another: RFC 7766 section 6.2.3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.config.dns64_config import ClientLimits
from nat64.dns64.connection_table import ConnectionTable


def table(connections: int = 8, of_a_host: int = 3) -> ConnectionTable[str]:
    return ConnectionTable(ClientLimits(connections=connections, connections_of_a_host=of_a_host))


def enter(open_ones: ConnectionTable[str], name: str, host: str, *, busy: bool = False) -> bool:
    """Do as the listeners do: let those leave that are to, and enter."""
    if not open_ones.has_room_for(host):
        return False
    for leaving in open_ones.leaving():
        open_ones.leave(leaving)
    open_ones.enter(name, host)
    open_ones.note(name, busy=busy)
    return True


def test_a_host_has_no_more_than_its_share() -> None:
    open_ones = table()
    assert [enter(open_ones, f"c{number}", "192.0.2.1") for number in range(4)] == [True, True, True, False]
    assert enter(open_ones, "other", "192.0.2.2")
    open_ones.leave("c0")
    assert enter(open_ones, "again", "192.0.2.1")


@pytest.mark.parametrize(
    ("other", "is_the_same"),
    [("2001:db8::ffff:1", True), ("2001:db8::1%eth0", True), ("2001:db8:0:1::1", False)],
)
def test_an_ipv6_host_is_its_64_bits(other: str, *, is_the_same: bool) -> None:
    open_ones = table(of_a_host=1)
    assert enter(open_ones, "one", "2001:db8::1")
    assert enter(open_ones, "other", other) is not is_the_same


def test_rfc7766_6_2_3_under_pressure_the_longest_idle_leaves_for_a_new_one() -> None:
    open_ones = table(connections=8)
    for number in range(6):
        assert enter(open_ones, f"c{number}", f"192.0.2.{number}")
    assert open_ones.leaving() == []
    assert enter(open_ones, "c6", "192.0.2.6")
    assert open_ones.leaving() == ["c0"]
    open_ones.note("c0", busy=True)
    open_ones.note("c0", busy=False)  # it asked, and is the last one now
    assert open_ones.leaving() == ["c1"]
    open_ones.note("c1", busy=False)  # nothing changed: it stays the first
    assert open_ones.leaving() == ["c1"]


def test_whoever_waits_for_an_answer_never_leaves() -> None:
    open_ones = table(connections=4)
    for number in range(4):
        assert enter(open_ones, f"c{number}", f"192.0.2.{number}", busy=True)
    assert not enter(open_ones, "c4", "192.0.2.4")
    open_ones.note("c2", busy=False)
    assert enter(open_ones, "c4", "192.0.2.4")
    assert open_ones.all == ["c0", "c1", "c3", "c4"]


def test_with_a_lower_limit_idle_ones_leave_until_it_is_kept() -> None:
    open_ones = table(connections=8)
    for number in range(6):
        enter(open_ones, f"c{number}", f"192.0.2.{number}")
    open_ones.limits = ClientLimits(connections=2)
    assert enter(open_ones, "new", "192.0.2.9")
    assert len(open_ones) == 2


def test_who_left_does_not_come_back_by_being_noted() -> None:
    open_ones = table()
    enter(open_ones, "one", "192.0.2.1")
    open_ones.leave("one")
    open_ones.leave("one")
    open_ones.note("one", busy=False)
    assert len(open_ones) == 0
    assert not open_ones._of_host
    assert not open_ones._idle


steps = st.tuples(st.sampled_from(["enter", "leave", "busy", "idle"]), st.integers(0, 30), st.integers(0, 9))


@given(st.lists(steps, max_size=150), st.integers(1, 12), st.integers(1, 5))
def test_the_limits_hold_whatever_comes(steps: list[tuple[str, int, int]], most: int, of_a_host: int) -> None:
    open_ones = table(most, of_a_host)
    hosts: dict[str, str] = {}
    for what, number, host in steps:
        name = f"c{number}"
        match what:
            case "enter" if name not in open_ones.all:
                if enter(open_ones, name, f"192.0.2.{host}"):
                    hosts[name] = f"192.0.2.{host}"
            case "leave":
                open_ones.leave(name)
            case "busy":
                open_ones.note(name, busy=True)
            case "idle":
                open_ones.note(name, busy=False)
        current = [hosts[each] for each in open_ones.all]
        assert len(current) <= most
        assert all(current.count(each) <= of_a_host for each in current)
