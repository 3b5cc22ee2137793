"""dns64d with several workers: one that dies, reloads, networks that come and go, all while a client asks steadily."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.asker import Asker
from tests.lab.namespaces import Namespace, stop, wait_until
from tests.lab.supervised_dns64d import (
    CONFIG,
    SECOND,
    SERVER,
    SERVER4,
    SYNTHESIZED,
    SupervisedDaemon,
    lan,
    supervised,
)
from tests.unit.dns64 import certificates

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


def test_what_waits_for_a_worker_that_is_killed_is_answered_by_the_next_one(daemon: SupervisedDaemon) -> None:
    daemon.start()
    asker = daemon.asked_steadily(0.01)
    for times in range(1, 4):
        time.sleep(0.5)
        os.kill(daemon.workers()[0], signal.SIGKILL)
        daemon.wait_for("a worker has ended", times)
    account = asker.account()
    assert account.wrong == 0
    # Only what a worker had in hand may be lost: some queries of those few milliseconds.
    assert account.answered >= account.asked - 3 * 3
    wait_until(lambda: len(daemon.workers()) == 2, "the third one that is started again")  # after a pause
    assert [row["restarts"] for row in daemon.status()["workers"]] == [3, 0]


def test_what_comes_in_while_no_worker_runs_at_all_is_answered(daemon: SupervisedDaemon) -> None:
    daemon.start()
    before = daemon.workers()
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    asker = daemon.asked_steadily(0.005)
    time.sleep(0.6)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    account = asker.account()
    assert account.asked > 60
    assert (account.answered, account.wrong) == (account.asked, 0)
    assert not set(daemon.workers()) & set(before)


def test_five_reloads_lose_no_query(daemon: SupervisedDaemon) -> None:
    daemon.start()
    before = daemon.workers()
    asker = daemon.asked_steadily(0.004)
    for number in range(5):
        time.sleep(0.3)
        daemon.write(
            f"{CONFIG}\nlisten {SERVER}\nlisten {SECOND if number % 2 else SERVER4}\nallow-query ::/0"
        )
        if number == 4:
            daemon.write(CONFIG)
        daemon.ctl("reload", "dns64d")
    account = asker.account()
    assert (account.answered, account.wrong) == (account.asked, 0)
    assert daemon.workers() == before


def test_more_and_fewer_workers_lose_no_query(daemon: SupervisedDaemon) -> None:
    daemon.start()
    before = daemon.workers()
    asker = daemon.asked_steadily(0.004)
    for count in (4, 1, 3, 2):
        time.sleep(0.3)
        daemon.write(CONFIG.replace("workers 2", f"workers {count}"))
        daemon.ctl("reload", "dns64d")
        assert len(daemon.workers()) == count
    account = asker.account()
    assert (account.answered, account.wrong) == (account.asked, 0)
    assert daemon.workers()[0] == before[0]


def test_a_port_below_1024_can_be_opened_after_root_is_given_up_and_workers_have_no_privilege(
    daemon: SupervisedDaemon,
) -> None:
    daemon.start("-u", "nobody")
    daemon.write(
        CONFIG.replace("workers 2", "workers 3").replace("interfaces lan0", "port 54\ninterfaces lan0")
    )
    daemon.ctl("reload", "dns64d")
    assert Asker(daemon.client).ask(SERVER, "v4.example", port=54).answer
    for pid in daemon.workers():
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        assert re.search(r"^CapEff:\t0{16}$", status, re.MULTILINE)


def test_a_worker_that_is_stuck_is_named_and_another_takes_its_place_at_the_next_reload(
    daemon: SupervisedDaemon,
) -> None:
    daemon.start()
    stuck, well = daemon.workers()
    os.kill(stuck, signal.SIGSTOP)
    status = daemon.status()
    assert status["silent_workers"] == [stuck]
    daemon.write(CONFIG.replace("2001:db8:64:ff9b::/96", "3fff:64::/96"))
    daemon.ctl("reload", "dns64d")
    wait_until(
        lambda: len(daemon.workers()) == 2 and "silent_workers" not in daemon.status(), "another worker"
    )
    assert well in daemon.workers()
    assert stuck not in daemon.workers()
    asker = Asker(daemon.client)
    for _ in range(20):  # each from another port, so that both workers get some
        assert "3fff:64::c000:221" in asker.ask(SERVER, "v4.example").answer[0].to_text()


def test_the_network_that_a_delegated_prefix_brings_is_answered_and_no_longer_when_it_goes(
    daemon: SupervisedDaemon,
) -> None:
    daemon.client.run("ip", "address", "add", "3fff:0:64::c/64", "dev", "lan0")
    daemon.start()
    asker = Asker(daemon.client)

    def answers() -> bool:
        return bool(asker.ask("3fff:0:64::1", "v4.example").answer)

    daemon.gateway.run("ip", "address", "add", "3fff:0:64::1/64", "dev", "lan0")
    wait_until(answers, "the new network to be answered", timeout=4)
    assert "3fff:0:64::/64" in daemon.status()["allow_query"]
    # The gateway's address goes with its prefix; the client still has its own, and asks at another address.
    daemon.gateway.run("ip", "address", "del", "3fff:0:64::1/64", "dev", "lan0")
    daemon.gateway.run("ip", "-6", "route", "add", "3fff:0:64::c", "dev", "lan0")
    wait_until(lambda: "3fff:0:64::/64" not in daemon.status()["allow_query"], "the network to go", timeout=4)


def stats_of(daemon: SupervisedDaemon) -> dict[str, Any]:
    answers: dict[str, dict[str, Any]] = json.loads(daemon.ctl("stats", "dns64d", "--json").stdout)
    return answers["dns64d"]


def test_what_is_kept_is_flushed_in_all_workers_and_counted(daemon: SupervisedDaemon) -> None:
    daemon.start()
    asker = daemon.asked_steadily(0.002)
    wait_until(
        lambda: daemon.status()["counters"].get("queries_udp", 0) >= 2 * 64, "both questions from all ports"
    )
    account = asker.account()
    assert account.answered == account.asked
    stats = stats_of(daemon)
    counted = {row["name"]: row["count"] for row in stats["rows"]}
    assert counted["queries_udp"] == account.asked
    assert stats["cache"]["entries"] == 1  # in the worker of its name: of who.example nothing is kept
    assert {row["outcome"] for row in stats["latencies"]} >= {"synthesized", "forwarded"}
    over_tcp = Asker(daemon.client)
    wait_until(
        lambda: over_tcp.ask(SERVER, "v4.example", tcp=True) and stats_of(daemon)["cache"]["entries"] == 2,
        "a connection to reach the other worker",
    )
    assert daemon.ctl("flush", "other.example").stdout == "dns64d: 0 answers flushed\n"
    assert daemon.ctl("flush", "EXAMPLE").stdout == "dns64d: 2 answers flushed\n"
    refused = daemon.ctl("flush", "a..b", check=False)
    assert refused.returncode == 1
    assert "empty label" in refused.stderr


def test_the_daemon_ends_within_a_second_and_its_workers_with_it(daemon: SupervisedDaemon) -> None:
    daemon.start()
    workers = daemon.workers()
    assert daemon.process is not None
    assert stop(daemon.process, timeout=1.5) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_workers_end_soon_after_a_supervisor_that_is_killed(daemon: SupervisedDaemon) -> None:
    daemon.start()
    workers = daemon.workers()
    assert daemon.process is not None
    daemon.process.kill()
    daemon.process.wait()
    wait_until(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "the workers to end", timeout=2
    )


def ask_over_tls(daemon: SupervisedDaemon, authority: Path) -> str:
    """Ask over TLS; return the answer, or why there is none."""
    return daemon.client.python(
        f"""
import dns.message, dns.query, ssl
context = ssl.create_default_context(cafile={str(authority)!r})
try:
    print(dns.query.tls(dns.message.make_query("v4.example", "AAAA"), {SERVER!r}, timeout=8,
        server_hostname="dns.example", ssl_context=context).answer[0])
except ssl.SSLCertVerificationError as error:
    print(error)
"""
    ).stdout


def test_rfc7858_clients_are_served_over_tls_and_a_reload_takes_a_new_certificate(
    daemon: SupervisedDaemon,
) -> None:
    files = certificates.make(daemon.directory, "dns.example")
    old = daemon.directory / "old.pem"
    words = f"certificate {files.certificate} key {files.key}"
    daemon.start(config=f"{CONFIG}\nlisten-tls {SERVER} {words}")
    assert SYNTHESIZED in ask_over_tls(daemon, files.certificate)
    workers = daemon.workers()
    files.certificate.rename(old)
    refused = daemon.ctl("reload", "dns64d", check=False)
    assert refused.returncode == 1
    assert f"cannot listen on [{SERVER}]:853 over TLS: cannot read {files.certificate}" in refused.stderr
    assert SYNTHESIZED in ask_over_tls(daemon, old)
    certificates.make(daemon.directory, "dns.example")
    daemon.ctl("reload", "dns64d")
    assert SYNTHESIZED in ask_over_tls(daemon, files.certificate)
    assert "verify failed" in ask_over_tls(daemon, old)
    assert daemon.workers() == workers
