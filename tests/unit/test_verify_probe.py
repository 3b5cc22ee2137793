"""What playbooks/verify.yml asks of a host."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
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


@pytest.mark.parametrize(
    ("wanted", "status", "seen"),
    [
        ("auto", {"fast_path": "live", "fast_path_problem": None}, "live"),
        ("off", {"fast_path": "off", "fast_path_problem": None}, "off"),
        (
            "auto",
            {"fast_path": "missing", "fast_path_problem": "no BPF; get some"},
            "missing, no BPF; get some",
        ),
        ("auto", {}, "missing"),  # an older translator has none
        ("require", {"fast_path": "live", "fast_path_problem": None}, "live"),
    ],
)
def test_which_path_packets_take_is_told_with_the_reason(
    wanted: str, status: dict[str, object], seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(tmp_path, monkeypatch, status)
    assert probe.fast_path(wanted) == seen


def test_a_fast_path_that_is_required_and_missing_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(tmp_path, monkeypatch, {"fast_path": "missing", "fast_path_problem": "no BPF; get some"})
    with pytest.raises(probe.Failed, match=r"^is missing, no BPF; get some$"):
        probe.fast_path("require")


def answering(directory: Path, monkeypatch: pytest.MonkeyPatch, status: dict[str, object]) -> None:
    """Have a nat64ctl that gives this for the translator's status."""
    program = directory / "nat64ctl"
    program.write_text(f"#!/bin/sh\necho '{json.dumps({'nat64d': status})}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
