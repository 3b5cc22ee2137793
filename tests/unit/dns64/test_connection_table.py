"""How many connections there may be, of a host and in all, and who leaves for another: RFC 7766 section 6.2.3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.config.dns64_config import ClientLimits
from nat64.dns64.connection_table import ConnectionTable, Standing


def table(connections: int = 8, of_a_host: int = 3) -> ConnectionTable[str]:
    return ConnectionTable(ClientLimits(connections=connections, connections_of_a_host=of_a_host))


def enter(
    open_ones: ConnectionTable[str], name: str, host: str, standing: Standing = Standing.IDLE
) -> list[str] | None:
    """Do as the listeners do: let those leave that are to, and enter."""
    all_leaving = open_ones.leaving_for(host)
    if all_leaving is not None:
        for leaving in all_leaving:
            open_ones.leave(leaving)
        open_ones.enter(name, host)
        open_ones.note(name, standing)
    return all_leaving


def test_a_host_has_no_more_than_its_share() -> None:
    open_ones = table()
    assert [enter(open_ones, f"c{number}", "192.0.2.1") for number in range(4)] == [[], [], [], None]
    assert enter(open_ones, "other", "192.0.2.2") == []
    open_ones.leave("c0")
    assert enter(open_ones, "again", "192.0.2.1") == []


@pytest.mark.parametrize(
    ("other", "is_the_same"),
    [("2001:db8::ffff:1", True), ("2001:db8::1%eth0", True), ("2001:db8:0:1::1", False)],
)
def test_an_ipv6_host_is_its_64_bits(other: str, *, is_the_same: bool) -> None:
    open_ones = table(of_a_host=1)
    assert enter(open_ones, "one", "2001:db8::1") == []
    assert (enter(open_ones, "other", other) is None) is is_the_same


def test_rfc7766_6_2_3_under_pressure_the_longest_idle_leaves_for_a_new_one() -> None:
    open_ones = table(connections=8)
    for number in range(7):
        assert enter(open_ones, f"c{number}", f"192.0.2.{number}") == []
    assert open_ones.leaving_for("192.0.2.9") == ["c0"]
    open_ones.note("c0", Standing.WAITING)
    open_ones.note("c0", Standing.IDLE)  # it asked, and is the last one now
    assert open_ones.leaving_for("192.0.2.9") == ["c1"]
    open_ones.note("c1", Standing.IDLE)  # nothing changed: it stays the first
    assert open_ones.leaving_for("192.0.2.9") == ["c1"]


def test_where_all_are_taken_who_does_not_read_leaves_and_who_waits_does_not() -> None:
    open_ones = table(connections=4)
    for number in range(4):
        enter(open_ones, f"c{number}", f"192.0.2.{number}", Standing.WAITING)
    assert enter(open_ones, "c4", "192.0.2.4") is None
    open_ones.note("c2", Standing.OWING)
    assert enter(open_ones, "c4", "192.0.2.4") == ["c2"]
    assert enter(open_ones, "c5", "192.0.2.5") == ["c4"]


def test_who_holds_the_most_leaves_first_whatever_it_does() -> None:
    open_ones = table(connections=8, of_a_host=6)
    enter(open_ones, "good", "192.0.2.1")
    for number in range(6):
        enter(open_ones, f"c{number}", "192.0.2.66", Standing.WAITING)
    assert (
        enter(open_ones, "next", "192.0.2.67") == []
    )  # it is the last one, and only idle ones leave before it
    open_ones.note("c3", Standing.OWING)
    assert enter(open_ones, "new", "192.0.2.2") == ["c3"]
    assert enter(open_ones, "newer", "192.0.2.3") == ["c0"]
    assert "good" in open_ones.all


def test_a_host_does_not_make_others_leave_who_hold_less() -> None:
    open_ones = table(connections=6, of_a_host=6)
    enter(open_ones, "good", "192.0.2.1")
    for number in range(40):
        enter(open_ones, f"c{number}", "192.0.2.66")
    assert "good" in open_ones.all
    assert len(open_ones) <= 6


def test_with_a_lower_limit_idle_ones_leave_until_it_is_kept() -> None:
    open_ones = table(connections=8)
    for number in range(6):
        enter(open_ones, f"c{number}", f"192.0.2.{number}")
    open_ones.limits = ClientLimits(connections=2)
    assert enter(open_ones, "new", "192.0.2.9") == ["c0", "c1", "c2", "c3", "c4"]
    assert len(open_ones) == 2


def test_who_left_does_not_come_back_by_being_noted() -> None:
    open_ones = table()
    enter(open_ones, "one", "192.0.2.1")
    open_ones.leave("one")
    open_ones.leave("one")
    open_ones.note("one", Standing.WAITING)
    assert len(open_ones) == 0
    assert not open_ones._of_host
    assert not any(open_ones._with.values())
    assert not open_ones._standing


steps = st.tuples(
    st.sampled_from(["enter", "enter", "leave", *Standing]), st.integers(0, 30), st.integers(0, 9)
)


@given(st.lists(steps, max_size=150), st.integers(1, 12), st.integers(1, 5))
def test_the_limits_hold_whatever_comes(
    steps: list[tuple[str | Standing, int, int]], most: int, of_a_host: int
) -> None:
    open_ones = table(most, of_a_host)
    hosts: dict[str, str] = {}
    standings: dict[str, Standing] = {}
    for what, number, host in steps:
        name, before = f"c{number}", open_ones.all
        if isinstance(what, Standing):
            open_ones.note(name, what)
            standings[name] = what
        elif what == "leave":
            open_ones.leave(name)
        elif name not in before:
            held = [hosts[each] for each in before]
            left = enter(open_ones, name, f"192.0.2.{host}")
            if left is not None:
                hosts[name], standings[name] = f"192.0.2.{host}", Standing.IDLE
            for each in left or ():
                waits = standings[each] is Standing.WAITING
                assert not waits or held.count(hosts[each]) > held.count(f"192.0.2.{host}") + 1
        current = [hosts[each] for each in open_ones.all]
        assert len(current) <= most
        assert all(current.count(each) <= of_a_host for each in current)
