"""What playbooks/verify.yml asks of a host."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.roles.scripts import load

PROJECT = Path(__file__).parents[2]
probe = load("playbooks/files/probe.py")


@given(st.binary(min_size=2, max_size=64).filter(lambda octets: len(octets) % 2 == 0))
def test_rfc1071_sum_with_its_checksum_is_all_ones(octets: bytes) -> None:
    with_checksum = octets + probe.checksum(octets).to_bytes(2, "big")
    assert probe.checksum(with_checksum) == 0


def test_a_probe_that_fails_is_told_and_gives_the_exit_status() -> None:
    asked = subprocess.run(
        [
            sys.executable,
            PROJECT / "playbooks/files/probe.py",
            json.dumps([["loads", "http://127.0.0.1:1/"]]),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 1
    assert asked.stdout.startswith("FAILED: loads http://127.0.0.1:1/: ")
