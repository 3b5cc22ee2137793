"""The endurance campaign in short: good clients are answered all the time, whatever else happens to dns64d."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lab


def test_every_good_query_is_answered_amid_bad_ones_attacks_and_operations(tmp_path: Path) -> None:
    """`make endurance` is the same for an hour, and judges memory, too; here others work beside it, so the attacks are weak."""
    log = tmp_path / "log"
    completed = subprocess.run(
        [sys.executable, "-m", "tests.endurance", "--seconds", "30", "--intensity", "0.1", "--log", str(log)],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert log.exists(), completed.stderr
    report = log.read_text()
    assert completed.returncode == 0, report
    for done in (
        "reload, query log on",
        "flush of everything",
        "a forwarder is restarted",
        "kill -9 of a worker",
    ):
        assert done in report
