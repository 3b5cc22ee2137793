"""What the bench of a fleet reads from Ansible, and the table that it makes."""

from __future__ import annotations

import pytest

from bench.fleet import markdown
from lab.errors import LabError
from lab.fleet import Recap, Run

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
