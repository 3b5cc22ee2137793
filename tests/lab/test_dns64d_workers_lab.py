"""dns64d with several workers: one that dies, reloads, upgrades in place, all while a client asks steadily."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.lab.asker import Asker
from tests.lab.namespaces import Namespace, link, namespaces, stop, wait_until
from tests.lab.steady_asker import SteadyAsker
from tests.unit.dns64 import certificates

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab

DNS64D: Final = Path(sys.executable).with_name("dns64d")
NAT64CTL: Final = Path(sys.executable).with_name("nat64ctl")
FORWARDER: Final = Path(__file__).with_name("fake_name_server.py")

SERVER, SECOND, SERVER4 = "2001:db8:64:1::1", "2001:db8:64:1::2", "192.0.2.1"
SYNTHESIZED = "2001:db8:64:ff9b::c000:221"
CONFIG = """
forwarder 127.0.0.1 port 5301
prefix 2001:db8:64:ff9b::/96
interfaces lan0
workers 2
"""


@dataclass(slots=True)
class Daemon:
    """One dns64d in the gateway's namespace, in a directory that also another user reaches."""

    client: Namespace
    gateway: Namespace
    directory: Path
    process: subprocess.Popen[str] | None = None
    askers: list[SteadyAsker] = field(default_factory=list)

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(encoding="utf-8")

    @property
    def socket(self) -> str:
        return str(self.directory / "run" / "control.sock")

    def write(self, config: str) -> None:
        text = f"{config}\ncontrol-socket {self.socket}\n"
        (self.directory / "dns64.conf").write_text(text, encoding="utf-8")

    def start(self, *options: str, config: str = CONFIG, program: Path = DNS64D) -> None:
        self.write(config)
        with (self.directory / "log").open("w", encoding="utf-8") as log:
            self.process = self.gateway.popen(
                *(str(program), "-n", "-c", str(self.directory / "dns64.conf"), *options),
                stdout=log,
                stderr=log,
            )
        self.wait_for("msg=serving")

    def wait_for(self, text: str, times: int = 1) -> None:
        def seen() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log
            return self.log.count(text) >= times

        wait_until(seen, f"{text} in the log:\n{self.log}")

    def ctl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command, *more = words
        return self.gateway.run(str(NAT64CTL), command, *more, "--socket", self.socket, check=check)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.ctl("status", "dns64d", "--json").stdout)["dns64d"])

    def workers(self) -> list[int]:
        return [row["pid"] for row in self.status()["workers"]]

    def asked_steadily(self, pause: float) -> SteadyAsker:
        asker = SteadyAsker(self.client, SERVER, pause)
        self.askers.append(asker)
        return asker

    def end(self) -> None:
        for asker in self.askers:
            asker.end()
        if self.process is not None:
            stop(self.process)


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[Namespace, Namespace]]:
    with ExitStack() as stack:
        client, gateway = stack.enter_context(namespaces("client", "gateway"))
        link(client, "lan0", gateway, "lan0")
        for namespace, *addresses in (
            (client, "2001:db8:64:1::c/64", "192.0.2.10/24"),
            (gateway, f"{SERVER}/64", f"{SECOND}/64", f"{SERVER4}/24"),
        ):
            for address in addresses:
                namespace.run("ip", "address", "add", address, "dev", "lan0")
        forwarder = gateway.popen(sys.executable, str(FORWARDER), "it", "127.0.0.1", "5301")
        assert forwarder.stdout is not None
        assert forwarder.stdout.readline() == "serving\n"
        yield client, gateway


@pytest.fixture
def daemon(network: tuple[Namespace, Namespace]) -> Iterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="dns64d-") as directory:
        Path(directory).chmod(0o755)
        Path(directory, "run").mkdir()
        Path(directory, "run").chmod(0o777)
        made = Daemon(*network, Path(directory))
        yield made
        made.end()


@pytest.fixture
def installed(daemon: Daemon) -> Path:
    """A dns64d that every user can run, by the host's own Python, as a bundle on a host."""
    found = subprocess.run(
        ["/usr/bin/python3", "-Ic", "import sys; print(sys.version_info >= (3, 11))"],
        check=False,
        capture_output=True,
        text=True,
    )
    if found.stdout != "True\n":
        pytest.skip("needs a /usr/bin/python3 of version 3.11 or later")
    for package in ("nat64", "dnslib", "logfmter", "pyroute2"):
        (source,) = importlib.import_module(package).__path__
        shutil.copytree(
            source, daemon.directory / "lib" / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    program = daemon.directory / "dns64d"
    program.write_text(
        f"#!/usr/bin/python3 -I\nimport sys\nsys.path.insert(0, {str(daemon.directory / 'lib')!r})\n"
        "from nat64.commands.dns64d import main\nsys.exit(main())\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return program


def children(process: int) -> list[int]:
    """Return the processes that another one has started."""
    listed = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    return [int(word) for word in listed.split()]


def test_what_waits_for_a_worker_that_is_killed_is_answered_by_the_next_one(daemon: Daemon) -> None:
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


def test_what_comes_in_while_no_worker_runs_at_all_is_answered(daemon: Daemon) -> None:
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


def test_five_reloads_lose_no_query(daemon: Daemon) -> None:
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


def test_more_and_fewer_workers_lose_no_query(daemon: Daemon) -> None:
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


@pytest.mark.parametrize("user", [(), ("-u", "nobody")], ids=["root", "nobody"])
def test_three_upgrades_keep_the_process_and_lose_no_query(
    daemon: Daemon, installed: Path, user: tuple[str, ...]
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
    # A port below 1024 can be opened still.
    daemon.write(CONFIG.replace("interfaces lan0", "port 54\ninterfaces lan0"))
    daemon.ctl("reload", "dns64d")
    assert Asker(daemon.client).ask(SERVER, "v4.example", port=54).answer


def test_an_upgrade_to_a_program_that_does_not_start_changes_nothing(daemon: Daemon, installed: Path) -> None:
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


def test_a_confined_daemon_tells_that_it_cannot_be_upgraded(daemon: Daemon) -> None:
    inside = daemon.directory / "jail" / daemon.directory.relative_to("/")
    (inside / "run").mkdir(parents=True)
    daemon.start("-t", str(daemon.directory / "jail"), config=CONFIG.replace("workers 2", "workers 1"))
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGUSR2)
    daemon.wait_for("upgrade refused")
    assert "confined by -t, the program on disk is out of reach; restart dns64d" in daemon.log


def test_an_upgrade_by_signal_takes_the_config_and_the_workers_of_the_day(daemon: Daemon) -> None:
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


def test_a_port_below_1024_can_be_opened_after_root_is_given_up_and_workers_have_no_privilege(
    daemon: Daemon,
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
    daemon: Daemon,
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
    daemon: Daemon,
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


def test_what_is_kept_is_flushed_in_all_workers_and_counted(daemon: Daemon) -> None:
    daemon.start()
    asker = daemon.asked_steadily(0.002)
    time.sleep(0.5)
    account = asker.account()
    assert account.answered == account.asked > 2 * 64
    stats = json.loads(daemon.ctl("stats", "dns64d", "--json").stdout)["dns64d"]
    counted = {row["name"]: row["count"] for row in stats["rows"]}
    assert counted["queries_udp"] == account.asked
    assert stats["cache"]["entries"] == 2  # one a worker: of who.example nothing is kept
    assert {row["outcome"] for row in stats["latencies"]} >= {"synthesized", "forwarded"}
    assert daemon.ctl("flush", "other.example").stdout == "dns64d: 0 answers flushed\n"
    assert daemon.ctl("flush", "EXAMPLE").stdout == "dns64d: 2 answers flushed\n"
    refused = daemon.ctl("flush", "a..b", check=False)
    assert refused.returncode == 1
    assert "empty label" in refused.stderr


def test_the_daemon_ends_within_a_second_and_its_workers_with_it(daemon: Daemon) -> None:
    daemon.start()
    workers = daemon.workers()
    assert daemon.process is not None
    assert stop(daemon.process, timeout=1.5) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_workers_end_soon_after_a_supervisor_that_is_killed(daemon: Daemon) -> None:
    daemon.start()
    workers = daemon.workers()
    assert daemon.process is not None
    daemon.process.kill()
    daemon.process.wait()
    wait_until(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "the workers to end", timeout=2
    )


def test_a_daemon_in_the_background_is_upgraded_and_its_pid_file_stays(
    daemon: Daemon, installed: Path
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


def ask_over_tls(daemon: Daemon, authority: Path) -> str:
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


def test_rfc7858_clients_are_served_over_tls_and_a_reload_takes_a_new_certificate(daemon: Daemon) -> None:
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
