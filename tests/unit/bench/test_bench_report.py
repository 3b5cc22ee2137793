"""What a run's file becomes in docs/performance.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench import report
from bench.loads import LOADS
from bench.results import Measured, as_json

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MACHINE = {
    "cores": 2,
    "processor": "a processor",
    "kernel": "6.1",
    "python": "3.11",
    "commit": "0123456789abcdef",
    "changed_since": True,
    "load_average": [0.25, 0.1, 0.1],
}


def written(tmp_path: Path) -> Path:
    one = Measured("offloads on", LOADS[0])
    one.rounds.update({"NAT44": [10.0, 8.0], "nat64d": [9.0, 8.0], "TAYGA": [None, None]})
    path = tmp_path / "report.json"
    path.write_text(
        json.dumps(
            {"machine": MACHINE, "rounds": 2, "seconds": 3, "results": as_json([one], ["NAT44", "TAYGA"])}
        )
    )
    return path


def test_medians_ratios_and_what_they_were_measured_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([str(written(tmp_path))]) == 0

    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == (
        "2 cores, a processor, Linux 6.1, Python 3.11, commit 0123456789ab with changes,"
        " 2 rounds of 3 seconds, load average before 0.2."
    )
    assert "**Offloads on**, medians:" in shown
    assert f"| {LOADS[0].name}, Gbit/s | 9.00 | 8.50 | - |" in shown
    assert "| nat64d ÷ NAT44 | 0.95 (0.90 to 1.00) |" in shown
    assert not [line for line in shown if "÷ TAYGA" in line]


def test_a_file_that_is_no_report_is_refused_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x").write_text("{")

    assert report.main([str(tmp_path / "x")]) == 1
    assert f"{tmp_path / 'x'} is no report of the bench" in capsys.readouterr().err
