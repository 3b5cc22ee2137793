"""That `make bench` works: each way carries a load and is told apart from the others. Not how fast: no test asserts that."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bench import subjects
from tests.lab.namespaces import PREFIX, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lab


def _pings_of_each_way(results: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "bench", "--quick", "--parts", "ways", "--only", "ping", "--results"),
        str(results),
    ]


def test_the_bench_measures_every_subject_and_says_on_what(tmp_path: Path) -> None:
    completed = subprocess.run(
        _pings_of_each_way(tmp_path),
        check=True,
        capture_output=True,
        text=True,
        timeout=110,
    )
    (path,) = tmp_path.iterdir()
    report = json.loads(path.read_text())
    found = {row["subject"]: row["numbers"]["median"] for row in report["results"]}
    assert found.keys() == set(subjects.NAMES) - {subjects.UNUSUAL}
    assert all(microseconds > 0 for microseconds in found.values())
    assert report["tayga"].startswith("0.")
    assert {"processor", "kernel", "commit"} <= report["machine"].keys()
    assert "nat64d / TAYGA" in completed.stdout


def test_the_bench_puts_loads_on_translators_that_know_many_hosts_and_on_one_that_is_attacked(
    tmp_path: Path,
) -> None:
    completed = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "bench",
                "--quick",
                "--parts",
                "hosts;attack",
                "--results",
                str(tmp_path),
            ),
            *(
                "--subjects",
                "10 hosts;10,000 hosts;beside known hosts;beside new hosts",
                "--only",
                "all hosts,p99",
            ),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert completed.returncode == 0, completed.stderr
    (path,) = tmp_path.iterdir()
    found = {
        (row["load"], row["subject"]): row["numbers"]["median"]
        for row in json.loads(path.read_text())["results"]
    }
    assert found.keys() == {
        ("UDP 64 of all hosts", "10 hosts"),
        ("UDP 64 of all hosts", "10,000 hosts"),
        ("ping p99", "beside known hosts"),
        ("ping p99", "beside new hosts"),
    }
    assert all(number > 0 for number in found.values())
    assert "10,000 hosts / 10 hosts" in completed.stdout


def test_a_bench_that_is_stopped_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        _pings_of_each_way(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as bench:

        def its_namespaces() -> list[str]:
            listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True)
            return [line for line in listed.stdout.splitlines() if line.startswith(f"{PREFIX}-{bench.pid}-")]

        wait_until(lambda: len(its_namespaces()) == 3, "the bench to begin")
        bench.terminate()
        assert bench.wait(60) == 128 + signal.SIGTERM
        assert its_namespaces() == []
    assert list(tmp_path.iterdir()) == []


def test_a_load_that_is_not_there_is_refused() -> None:
    completed = subprocess.run(
        [sys.executable, "-m", "bench", "--only", "nothing"], check=False, capture_output=True, text=True
    )
    assert completed.returncode == 2
    assert "no load has 'nothing' in its name" in completed.stderr


def test_the_dns64_bench_measures_each_server_and_how_fast_the_generator_is(tmp_path: Path) -> None:
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "bench.dns64", "--quick", "--cores", "1", "--names", "2000"),
            *("--only", "cached 1M,latency", "--results", str(tmp_path)),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    (path,) = tmp_path.iterdir()
    report = json.loads(path.read_text())
    found = {(row["load"], row["subject"]): row["numbers"] for row in report["results"]}
    assert completed.returncode == 0, completed.stderr
    for subject in ("dns64d", "Unbound", "BIND", "pdns-recursor"):
        for load in ("cached 1M", "cached 1M, CPU", "latency p50", "latency p99", "memory at 1M"):
            assert found[load, subject]["median"] > 0
    assert report["generator_limit"] > 0
    assert {"processor", "kernel", "commit"} <= report["machine"].keys()
    assert "dns64d / Unbound" in completed.stdout
