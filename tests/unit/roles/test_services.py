"""What runs and since when: from what systemd says, and from what OpenRC keeps."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils import services

if TYPE_CHECKING:
    from pathlib import Path

# Of a unit that has run since second 1000 after boot, and has reloaded at 2000.
STATES = {"ActiveEnter": 1_000_000_000, "StateChange": 2_000_000_000}


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "SYSTEMD", tmp_path)


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize(
    ("written", "state", "topics"),
    [
        (500, "active", []),
        (1500, "active", ["unit changed"]),
        (2500, "active", ["unit changed", "config changed"]),
        (2500, "inactive", []),
    ],
)
def test_what_an_interrupted_run_did_not_come_to_is_taken_up(
    *, written: float, state: str, topics: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    boot = time.time() - time.monotonic()
    os.utime(file, (boot + written, boot + written))

    def show(*command: str) -> tuple[int, str]:
        (moment,) = (since for since in STATES if f"--property={since}TimestampMonotonic" in command)
        return 0, f"ActiveState={state}\n{moment}TimestampMonotonic={STATES[moment]}\n"

    monkeypatch.setattr(services, "_answer", show)
    applied = [
        {"topic": f"{kind} changed", "service": "a", "since": since, "files": [str(file), "/nowhere", ""]}
        for kind, since in (("unit", "start"), ("config", "reload"))
    ]
    assert services.left_over(applied) == topics


@pytest.mark.usefixtures("systemd")
def test_without_an_answer_of_the_init_system_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_answer", lambda *_: (1, ""))
    assert services.started_at("a") is None
    assert not services.is_running("a")


class OpenRC:
    """What OpenRC keeps of a service, below a directory that stands for /run."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.status = 0

    def start(self, service: str, at: float) -> None:
        mark = self.run / "openrc/started" / service
        mark.parent.mkdir(parents=True)
        mark.symlink_to(f"/etc/init.d/{service}")
        os.utime(mark, (at, at), follow_symlinks=False)

    def supervise(self, service: str, pid: int) -> None:
        kept = self.run / "openrc/options" / service / "child_pid"
        kept.parent.mkdir(parents=True)
        kept.write_text(str(pid))

    def daemon(self, service: str, pid: int) -> None:
        pidfile = self.run / f"{service}.pid"
        pidfile.write_text(f"{pid}\n")
        kept = self.run / "openrc/daemons" / service / "001"
        kept.parent.mkdir(parents=True)
        kept.write_text(f"exec=/usr/sbin/{service}\nargv_0={service}\npidfile={pidfile}\n")

    def reload(self, service: str, at: float) -> None:
        mark = self.run / service / "reloaded"
        mark.parent.mkdir()
        mark.touch()
        os.utime(mark, (at, at))


@pytest.fixture
def openrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenRC:
    openrc = OpenRC(tmp_path)
    monkeypatch.setattr(services, "SYSTEMD", tmp_path / "nowhere")
    monkeypatch.setattr(services, "OPENRC", tmp_path / "openrc")
    monkeypatch.setattr(services, "RUN", tmp_path)
    monkeypatch.setattr(services, "_answer", lambda *_: (openrc.status, ""))
    return openrc


def test_a_service_without_a_daemon_counts_from_its_mark(openrc: OpenRC) -> None:
    assert services.started_at("a") is None
    openrc.start("a", 1000)
    assert services.started_at("a") == 1000


def test_a_service_that_has_crashed_does_not_run(openrc: OpenRC) -> None:
    openrc.start("a", 1000)
    openrc.status = 32
    assert not services.is_running("a")


@pytest.mark.parametrize("kept", ["supervise", "daemon"])
def test_a_daemon_counts_from_its_own_start(kept: str, openrc: OpenRC) -> None:
    openrc.start("a", 1000)
    before = time.time()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    after = time.time()
    getattr(openrc, kept)("a", child.pid)
    started = services.started_at("a")
    child.kill()
    child.wait()
    assert started is not None
    tick = 1 / os.sysconf("SC_CLK_TCK")
    assert before - 2 * tick <= started <= after + 2 * tick
    assert services.started_at("a") == 1000, "a process that is gone tells nothing"


def test_a_reload_counts_only_after_the_start(openrc: OpenRC) -> None:
    openrc.start("a", 1000)
    assert services.reloaded_at("a") == 1000
    openrc.reload("a", 2000)
    assert services.reloaded_at("a") == 2000
    os.utime(openrc.run / "a/reloaded", (500, 500))
    assert services.reloaded_at("a") == 1000


def test_an_upgrade_in_place_counts_for_the_program_and_its_config_alone(openrc: OpenRC) -> None:
    assert services.program_since("a") is None
    openrc.start("a", 1000)
    assert services.program_since("a") == 1000
    mark = openrc.run / "a/upgraded"
    mark.parent.mkdir()
    mark.touch()
    os.utime(mark, (2000, 2000))
    assert services.program_since("a") == 2000
    assert services.started_at("a") == 1000
    assert services.reloaded_at("a") == 2000, "the new program has read the config"
    os.utime(mark, (500, 500))
    assert services.program_since("a") == 1000


def test_a_program_that_an_interrupted_run_brought_is_left_over_until_it_was_taken_up(
    openrc: OpenRC, tmp_path: Path
) -> None:
    openrc.start("a", 1000)
    program = tmp_path / "current"
    program.symlink_to("digest")
    os.utime(program, (1500, 1500), follow_symlinks=False)
    applied = [{"topic": "program changed", "service": "a", "since": "program", "files": [str(program)]}]
    assert services.left_over(applied) == ["program changed"]
    mark = openrc.run / "a/upgraded"
    mark.parent.mkdir()
    mark.touch()
    assert services.left_over(applied) == []
