"""dns64d takes up the program that is on disk, as the same process, while a client asks steadily."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.asker import Asker
from tests.lab.namespaces import Namespace, wait_until
from tests.lab.supervised_dns64d import (
    CONFIG,
    SERVER,
    SupervisedDaemon,
    children,
    install,
    lan,
    supervised,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[Namespace, Namespace]]:
    with lan() as made:
        yield made


@pytest.fixture
def daemon(network: tuple[Namespace, Namespace]) -> Iterator[SupervisedDaemon]:
    with supervised(*network) as made:
        yield made


@pytest.fixture
def installed(daemon: SupervisedDaemon) -> Path:
    return install(daemon.directory)


@pytest.mark.parametrize("user", [(), ("-u", "nobody")], ids=["root", "nobody"])
def test_three_upgrades_keep_the_process_and_lose_no_query(
    daemon: SupervisedDaemon, installed: Path, user: tuple[str, ...]
) -> None:
    daemon.start(*user, program=installed)
    before = daemon.status()
    asker = daemon.asked_steadily(0.004)
    for number in range(1, 4):
        told = daemon.ctl("upgrade", "dns64d").stdout
        assert told.endswith(f"as process {before['pid']}\n")
        status = daemon.status()
        assert (status["pid"], status["upgrades"]) == (before["pid"], number)
        assert not {row["pid"] for row in status["workers"]} & {row["pid"] for row in before["workers"]}
    account = asker.account()
    assert (account.answered, account.wrong) == (account.asked, 0)
    wait_until(lambda: len(children(before["pid"])) == 2, "the workers of the earlier programs to leave")
    counters = daemon.status()["counters"]
    assert counters["queries_udp"] + counters.get("queries_tcp", 0) >= account.asked
    # A port below 1024 can be opened still.
    daemon.write(CONFIG.replace("interfaces lan0", "port 54\ninterfaces lan0"))
    daemon.ctl("reload", "dns64d")
    assert Asker(daemon.client).ask(SERVER, "v4.example", port=54).answer


def test_an_upgrade_to_a_program_that_does_not_start_changes_nothing(
    daemon: SupervisedDaemon, installed: Path
) -> None:
    daemon.start(program=installed)
    before = daemon.status()
    installed.write_text("raise SystemExit('no such module')\n", encoding="utf-8")
    refused = daemon.ctl("upgrade", "dns64d", check=False)
    assert refused.returncode == 1
    assert "the program on disk does not start: no such module" in refused.stderr
    daemon.write(CONFIG.replace("ff9b::/96", "ff9b::/95"))
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGUSR2)
    daemon.wait_for("upgrade refused, the running program stays")
    after = daemon.status()
    assert (after["pid"], after["upgrades"], after["workers"]) == (before["pid"], 0, before["workers"])
    assert Asker(daemon.client).ask(SERVER, "v4.example").answer


def test_a_confined_daemon_tells_that_it_cannot_be_upgraded(daemon: SupervisedDaemon) -> None:
    inside = daemon.directory / "jail" / daemon.directory.relative_to("/")
    (inside / "run").mkdir(parents=True)
    daemon.start("-t", str(daemon.directory / "jail"), config=CONFIG.replace("workers 2", "workers 1"))
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGUSR2)
    daemon.wait_for("upgrade refused")
    assert "confined by -t, the program on disk is out of reach; restart dns64d" in daemon.log


def test_an_upgrade_by_signal_takes_the_config_and_the_workers_of_the_day(daemon: SupervisedDaemon) -> None:
    daemon.start(config=CONFIG.replace("workers 2", "workers 3"))
    daemon.write(CONFIG.replace("workers 2", "workers 1").replace("interfaces lan0", "interfaces *"))
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGUSR2)
    daemon.wait_for("msg=serving", 2)
    status = daemon.status()
    assert len(status["workers"]) == 1
    assert status["listening"] == ["0.0.0.0:53", "[::]:53"]
    wait_until(lambda: len(children(status["pid"])) == 1, "the workers of the earlier program to leave")
    assert all(Asker(daemon.client).ask(SERVER, "v4.example").answer for _ in range(3))


def test_a_daemon_in_the_background_is_upgraded_and_its_pid_file_stays(
    daemon: SupervisedDaemon, installed: Path
) -> None:
    pidfile = daemon.directory / "pid"
    daemon.write(f"{CONFIG}\npidfile {pidfile}")
    daemon.gateway.run(str(installed), "-c", str(daemon.directory / "dns64.conf"), "-u", "nobody", "-q")
    process = int(pidfile.read_text(encoding="ascii"))
    try:
        assert daemon.ctl("upgrade", "dns64d").stdout.endswith(f"as process {process}\n")
        assert pidfile.read_text(encoding="ascii") == f"{process}\n"
        assert Asker(daemon.client).ask(SERVER, "v4.example").answer
    finally:
        os.kill(process, signal.SIGTERM)
    wait_until(lambda: not Path(f"/proc/{process}").exists(), "the daemon to end")
