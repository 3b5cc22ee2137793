"""What the bench of a fleet reads from Ansible, and the table that it makes."""

from __future__ import annotations

import pytest

from bench.fleet import markdown, measure
from lab.errors import LabError
from lab.fleet import Fleet, Recap, Run

OUTPUT = """\
PLAY RECAP *********************************************************************
gw01                       : ok=5    changed=2    unreachable=0    failed=0    skipped=1    rescued=0    ignored=0
gw02                       : ok=1    changed=0    unreachable=1    failed=0    skipped=0    rescued=0    ignored=0
"""


def test_the_recap_of_each_host_is_read() -> None:
    run = Run(4, OUTPUT, 1.0)
    assert run.recap == {"gw01": Recap(5, 2, 0, 0), "gw02": Recap(1, 0, 1, 0)}
    assert run.changed == ["gw01"]


def test_a_run_that_failed_is_not_measured() -> None:
    with pytest.raises(LabError, match="status 4"):
        Run(4, OUTPUT, 1.0).checked()


@pytest.mark.parametrize(("run", "word"), [(5.9, "kept"), (6.1, "missed")])
def test_the_ratio_is_that_of_pairs_and_is_held_against_the_goal(run: float, word: str) -> None:
    machine = {
        "cores": 2,
        "processor": "P",
        "kernel": "6.18",
        "python": "3.11.9",
        "commit": None,
        "changed_since": False,
        "load_average": [0.0],
    }
    pairs = [(1.0, run), (2.0, 2 * run), (4.0, 4.0)]
    text = markdown(
        {"machine": machine, "hosts": 50, "forks": 10, "first": 60.0, "change": 50.0, "pairs": pairs}
    )
    assert f"goal 6, {word} | {run:.2f} (1.00 to {run:.2f}) |" in text
    assert "| `ansible -m ping` | 2.00 (1.00 to 4.00) |" in text


class Told(Fleet):
    """Two gateways on which each run ends as it was told."""

    def __init__(self, *runs: str) -> None:
        self.hosts = ["gw01", "gw02"]
        self.calls: list[str] = []
        self._runs = list(runs)

    def up(self) -> bool:
        return False

    def play(self, *_arguments: str, **_variables: object) -> Run:
        self.calls.append("run")
        changed = self._runs.pop(0)
        recap = [
            f"{host} : ok=5 changed={int(host in changed)} unreachable=0 failed=0" for host in self.hosts
        ]
        return Run(0, "\n".join(recap), 3.0)

    def ping(self) -> Run:
        self.calls.append("ping")
        return Run(0, "", 1.0)


def test_runs_and_pings_take_turns_at_being_first() -> None:
    fleet = Told("gw01 gw02", "gw01 gw02", "", "", "")
    report = measure(fleet, 3, keep=False)
    assert report["pairs"] == [(1.0, 3.0)] * 3
    assert fleet.calls[2:] == ["ping", "run", "run", "ping", "ping", "run"]


@pytest.mark.parametrize(
    ("runs", "promise"),
    [
        (("", "gw01"), "a change to one map reaches all"),
        (("", "gw01 gw02", "gw02"), "a second run changes nothing"),
    ],
)
def test_a_fleet_that_breaks_a_promise_is_not_measured(runs: tuple[str, ...], promise: str) -> None:
    with pytest.raises(LabError, match=promise):
        measure(Told(*runs), 1, keep=False)
