"""How the endurance campaign judges what it saw."""

from __future__ import annotations

from typing import Any

import pytest

from tests.endurance.report import Findings, Sample, thinned, told

MIB = 1 << 20
GOOD: dict[str, Any] = {
    "asked": 100,
    "answered": 100,
    "sent_again": 3,
    "unanswered": 0,
    "wrong": 0,
    "slowest": 2.1,
    "failures": [],
}


def findings(*memory: float, **good: Any) -> Findings:  # noqa: ANN401
    """Return those of an hour whose memory in MiB was as given, from its start to its end evenly."""
    found = Findings(3600, good={"UDP": GOOD | good})
    for number, mib in enumerate(memory):
        at = 3600 * number / (len(memory) - 1)
        found.samples.append(Sample(at, int(mib * MIB), int(mib * MIB / 2), 40))
    return found


def test_memory_that_ends_where_it_was_after_five_minutes_is_well() -> None:
    assert findings(*[30] * 20, *[40] * 180).faults() != []
    assert findings(30, 40, *[40] * 22, 43).faults() == []


def test_memory_that_grows_is_a_fault_of_all_and_of_the_oldest_worker() -> None:
    faults = findings(*range(40, 140)).faults()
    assert [fault.split(" grew")[0] for fault in faults] == [
        "memory of everything",
        "memory of the oldest worker",
    ]


def test_memory_that_was_never_seen_is_no_proof() -> None:
    assert len(Findings(3600, good={"UDP": GOOD}).faults()) == 2


@pytest.mark.parametrize(
    ("good", "fault"),
    [
        ({"answered": 99, "unanswered": 1}, "1 good queries unanswered"),
        ({"answered": 98, "wrong": 2}, "2 good queries wrong"),
        ({"answered": 97}, "3 good queries have no outcome"),
        ({"asked": 0, "answered": 0}, "no good query was asked"),
    ],
)
def test_each_good_query_needs_its_answer(good: dict[str, int], fault: str) -> None:
    assert findings(*[40] * 10, **good).faults() == [fault]


def test_the_report_tells_all_that_is_judged() -> None:
    found = findings(*[40] * 500, answered=99, wrong=1, failures=["12:00:00 k1.good.example. wrong"])
    found.troubles.append("dns64d ended with status -9")
    text = told(found, {"seed": "7"}, {"operations": {"reload": 9}})
    for part in (
        "seed: 7",
        "NOT CLEAN",
        "dns64d ended",
        "40.0 MiB",
        "12:00:00 k1",
        "reload",
        "1 good queries wrong",
    ):
        assert part in text
    assert "NOT CLEAN" not in told(findings(*[40] * 10), {}, {})


def test_a_long_campaign_has_a_short_list_of_samples() -> None:
    samples = findings(*[40] * 1000).samples
    assert len(thinned(samples)) <= 120
    assert thinned(samples[:5]) == samples[:5]
