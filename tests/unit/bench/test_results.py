"""What the bench makes of the numbers of its rounds."""

from __future__ import annotations

import pytest

from bench.loads import LOADS, Load
from bench.results import Measured, Spread, as_json, table

TCP = LOADS[0]
PING = next(load for load in LOADS if load.name == "ping")


def measured(**rounds: list[float | None]) -> Measured[Load]:
    one = Measured("a condition", TCP)
    one.rounds.update(rounds)
    return one


def test_a_spread_is_the_median_and_the_extremes() -> None:
    assert measured(nat64d=[4.0, 9.0, 5.0]).numbers("nat64d") == Spread(5.0, 4.0, 9.0)


def test_ratios_compare_numbers_of_the_same_round() -> None:
    """The machine was twice as slow in the second round, for both: the ratio does not see it."""
    one = measured(nat64d=[8.0, 4.0, 9.0], TAYGA=[1.0, 0.5, 1.0])
    assert one.ratio("nat64d", "TAYGA") == Spread(8.0, 8.0, 9.0)


def test_a_failed_measurement_is_left_out_and_seen() -> None:
    one = measured(nat64d=[8.0, None, 6.0], TAYGA=[2.0, 2.0, None], IPv6=[None, None, None])
    assert one.numbers("nat64d") == Spread(7.0, 6.0, 8.0)
    assert one.ratio("nat64d", "TAYGA") == Spread(4.0, 4.0, 4.0)
    assert one.ratio("nat64d", "IPv6") is None
    (row,) = [row for row in as_json([one], ["TAYGA", "IPv6"]) if row["subject"] == "nat64d"]
    assert row["rounds"] == [8.0, None, 6.0]
    assert row["ratios"] == {"TAYGA": {"median": 4.0, "min": 4.0, "max": 4.0}, "IPv6": None}
    assert "failed" in table([one], ["nat64d"], ["TAYGA", "IPv6"])


def test_what_was_not_measured_is_no_failure() -> None:
    both, one = measured(nat64d=[8.0], TAYGA=[2.0]), measured(nat64d=[8.0])
    assert one.numbers("TAYGA") is None
    assert one.ratio("nat64d", "TAYGA") is None
    *_, first, second = table([both, one], ["nat64d"], ["TAYGA"]).splitlines()
    assert first.split()[-6:] == ["8.00", "2.00", "4.00", "(4.00", "to", "4.00)"]
    assert second.split()[-3:] == ["8.00", "-", "-"]
    assert "TAYGA" not in one.rounds


def test_the_table_has_a_block_for_each_condition_and_says_where_less_is_better() -> None:
    one = measured(nat64d=[0.8], TAYGA=[0.1])
    other = Measured("another condition", PING)
    other.rounds.update({"nat64d": [150.0], "TAYGA": [100.0]})
    shown = table([one, other], ["nat64d"], ["TAYGA"]).splitlines()
    (tcp,) = [line for line in shown if line.startswith(TCP.name)]
    assert tcp.split() == [*TCP.name.split(), "Gbit/s", "0.80", "0.10", "8.00", "(8.00", "to", "8.00)"]
    (ping,) = [line for line in shown if line.startswith("ping")]
    assert "us (less is better)" in ping
    assert "1.50 (1.50 to 1.50)" in ping
    assert shown.index(tcp) < shown.index(ping)
    assert any(line.startswith("another condition: ") for line in shown)


@pytest.mark.parametrize("name", ["TCP 1 up", "TCP 4 down", "UDP 64 up", "ping", "connections"])
def test_each_kind_of_load_is_there(name: str) -> None:
    assert name in {load.name for load in LOADS}
