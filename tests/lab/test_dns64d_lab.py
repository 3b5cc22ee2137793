"""dns64d as a real daemon between a client, an outsider and two forwarders. dig is the client."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.namespaces import Namespace, link, namespaces, stop, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab

DNS64D = Path(sys.executable).with_name("dns64d")
NAT64CTL = Path(sys.executable).with_name("nat64ctl")
SERVER = Path(__file__).with_name("fake_name_server.py")

LAN6, SECOND6, LAN4, SECOND4 = "2001:db8:64:1::1", "2001:db8:64:1::2", "192.0.2.1", "192.0.2.2"
WAN6, WAN4 = "2001:db8:ffff::1", "198.51.100.1"
SYNTHESIZED = "2001:db8:64:ff9b::c000:221"
CONFIG = """
forwarder 127.0.0.1 port 5301
forwarder ::1 port 5302
prefix 2001:db8:64:ff9b::/96
interfaces lan0
retry 2
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What dig printed of a response."""

    status: str
    flags: list[str]
    answers: list[list[str]]
    """The records of the answer section, each as its words."""
    text: str
    seconds: float

    @property
    def data(self) -> list[str]:
        return [record[-1] for record in self.answers]


@dataclass(slots=True)
class Network:
    """The namespaces, with helpers to ask and to start things."""

    client: Namespace
    gateway: Namespace
    outsider: Namespace
    tmp: Path
    forwarders: dict[int, subprocess.Popen[str]] = field(default_factory=dict)

    def dig(self, *words: str, server: str = LAN6, who: Namespace | None = None) -> Answer:
        began = time.monotonic()
        text = (
            (who or self.client)
            .run("dig", "+tries=1", "+time=8", "+noall", "+comments", "+answer", f"@{server}", *words)
            .stdout
        )
        seconds = time.monotonic() - began
        status = re.search(r"status: (\w+)", text)
        flags = re.search(r"flags: ([a-z ]*);", text)
        assert status, text
        assert flags, text
        answers = [line.split() for line in text.splitlines() if line and not line.startswith(";")]
        return Answer(status[1], flags[1].split(), answers, text, seconds)

    def start_forwarder(self, port: int) -> None:
        address = "127.0.0.1" if port == 5301 else "::1"
        process = self.gateway.popen(sys.executable, str(SERVER), f"at-{port}", address, str(port))
        self.forwarders[port] = process
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"

    def who(self) -> str:
        return str(self.dig("who.example", "TXT").data[0]).strip('"')

    @contextmanager
    def dns64d(self, config: str = CONFIG, *options: str) -> Iterator[Daemon]:
        daemon = Daemon(self, config, options)
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.end()


@dataclass(slots=True)
class Daemon:
    """One dns64d with a config file and a control socket of its own."""

    network: Network
    config: str
    options: tuple[str, ...]
    env: dict[str, str] | None = None
    process: subprocess.Popen[str] | None = None

    @property
    def path(self) -> Path:
        return self.network.tmp / "dns64.conf"

    @property
    def socket(self) -> Path:
        return self.network.tmp / "control.sock"

    @property
    def log(self) -> str:
        return (self.network.tmp / "log").read_text(encoding="utf-8")

    def write(self, config: str) -> None:
        self.path.write_text(f"{config}\ncontrol-socket {self.socket}\n", encoding="utf-8")

    def start(self) -> None:
        self.write(self.config)
        with (self.network.tmp / "log").open("w", encoding="utf-8") as log:
            self.process = self.network.gateway.popen(
                str(DNS64D), "-n", "-c", str(self.path), *self.options, stdout=log, stderr=log, env=self.env
            )
        self.wait_for("msg=serving")

    def wait_for(self, text: str, times: int = 1) -> None:
        def seen() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log
            return self.log.count(text) >= times

        wait_until(seen, f"{text} in dns64d's log")

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def status(self) -> str:
        return self.network.gateway.run(
            str(NAT64CTL), "status", "dns64d", "--json", "--socket", str(self.socket)
        ).stdout

    def end(self) -> None:
        if self.process is not None:
            stop(self.process)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with ExitStack() as stack:
        client, gateway, outsider = stack.enter_context(namespaces("client", "gateway", "outsider"))
        link(client, "lan0", gateway, "lan0")
        link(outsider, "wan0", gateway, "wan0")
        for namespace, device, *addresses in (
            (client, "lan0", "2001:db8:64:1::c/64", "192.0.2.10/24"),
            (gateway, "lan0", f"{LAN6}/64", f"{SECOND6}/64", f"{LAN4}/24", f"{SECOND4}/24"),
            (gateway, "wan0", f"{WAN6}/64", f"{WAN4}/24"),
            (outsider, "wan0", "2001:db8:ffff::9/64", "198.51.100.9/24"),
        ):
            for address in addresses:
                namespace.run("ip", "address", "add", address, "dev", device)
        outsider.run("ip", "-6", "route", "add", "2001:db8:64:1::/64", "via", WAN6)
        client.run("ip", "-6", "route", "add", "default", "via", LAN6)
        made = Network(client, gateway, outsider, tmp_path_factory.mktemp("dns64d"))
        made.start_forwarder(5301)
        made.start_forwarder(5302)
        yield made


@pytest.fixture(scope="class")
def running(network: Network) -> Iterator[Network]:
    with network.dns64d():
        yield network


@pytest.mark.parametrize("server", [LAN6, LAN4])
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
class TestAnswers:
    def test_aaaa_is_synthesized(self, running: Network, server: str, transport: str) -> None:
        answer = running.dig(transport, "v4.example", "AAAA", server=server)
        assert (answer.status, answer.data) == ("NOERROR", [SYNTHESIZED])
        assert 50 < int(answer.answers[0][1]) <= 60  # others may have asked for it seconds ago
        assert "ra" in answer.flags
        assert "ad" not in answer.flags

    def test_a_real_aaaa_is_kept(self, running: Network, server: str, transport: str) -> None:
        for name, address in (("v6.example", "2001:db8:6::6"), ("both.example", "2001:db8:6::7")):
            assert running.dig(transport, name, "AAAA", server=server).data == [address]

    def test_nxdomain_and_nodata_stay(self, running: Network, server: str, transport: str) -> None:
        assert running.dig(transport, "none.example", "AAAA", server=server).status == "NXDOMAIN"
        empty = running.dig(transport, "text.example", "AAAA", server=server)
        assert (empty.status, empty.answers) == ("NOERROR", [])

    def test_the_cname_chain_is_kept(self, running: Network, server: str, transport: str) -> None:
        answer = running.dig(transport, "alias.example", "AAAA", server=server)
        assert answer.data == ["alias2.example.", "v4.example.", SYNTHESIZED]

    def test_reverse_names_resolve(self, running: Network, server: str, transport: str) -> None:
        answer = running.dig(transport, "-x", SYNTHESIZED, server=server)
        assert answer.data == ["33.2.0.192.in-addr.arpa.", "v4.example."]

    def test_big_answers_arrive_whole(self, running: Network, server: str, transport: str) -> None:
        answer = running.dig(transport, "big.example", "AAAA", server=server)
        assert len(answer.answers) == 200


class TestServing:
    def test_replies_leave_from_the_address_that_was_asked(self, running: Network) -> None:
        for server in (SECOND6, SECOND4):
            answer = running.dig("+notcp", "v4.example", "AAAA", server=server)
            assert answer.data == [SYNTHESIZED]
            assert "unexpected source" not in answer.text

    def test_the_gateway_itself_is_answered_on_loopback(self, running: Network) -> None:
        for server in ("127.0.0.1", "::1"):
            assert running.dig("v4.example", "AAAA", server=server, who=running.gateway).data == [SYNTHESIZED]

    def test_interfaces_that_are_not_named_are_not_served(self, running: Network) -> None:
        for server in (WAN6, WAN4):
            refused = running.outsider.run(
                "dig", "+tries=1", "+time=2", f"@{server}", "v4.example", check=False
            )
            assert "connection refused" in refused.stdout

    def test_a_garbage_flood_does_not_stop_the_next_answer(self, running: Network) -> None:
        running.client.python(
            f"""
import os, random, socket
flood = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
generator = random.Random(64)
for size in range(3000):
    flood.sendto(generator.randbytes(size % 300), ("{LAN6}", 53))
    name = bytes([0xC0, 12]) * (size % 40)
    flood.sendto(os.urandom(2) + b"\\x01\\0\\0\\1\\0\\0\\0\\0\\0\\0" + name + b"\\0\\x1c\\0\\1", ("{LAN6}", 53))
for junk in (b"", b"\\0", b"\\0\\5abc", b"\\xff\\xff" + bytes(70000)):
    with socket.create_connection(("{LAN6}", 53)) as stream:
        stream.sendall(junk)
"""
        )
        assert running.dig("v4.example", "AAAA").data == [SYNTHESIZED]
        assert running.dig("+tcp", "v4.example", "AAAA").data == [SYNTHESIZED]

    def test_one_hosts_idle_connections_leave_room_for_others(self, running: Network) -> None:
        held = running.client.popen(
            sys.executable,
            "-c",
            f"""
import select, socket, time
held = [socket.create_connection(("{LAN6}", 53)) for _ in range(40)]
closed, until = set(), time.monotonic() + 5  # that is before they are idle for too long
while len(closed) < 8 and time.monotonic() < until:
    closed.update(select.select(held, (), (), 0.1)[0])
print(8 <= len(closed) < 40, flush=True)
input()
""",
            stdin=subprocess.PIPE,
        )
        assert held.stdout is not None
        assert held.stdout.readline() == "True\n"
        answer = running.dig("+tcp", "v4.example", "AAAA", server="::1", who=running.gateway)
        assert answer.data == [SYNTHESIZED]
        stop(held)

    def test_rfc7766_6_2_1_1_queries_of_one_connection_are_pipelined(self, running: Network) -> None:
        printed = running.client.python(
            f"""
import dns.message, socket, struct
names = ["v4.example", "none.example", "text.example"] * 20
queries = [dns.message.make_query(name, "AAAA", id=number) for number, name in enumerate(names)]
with socket.create_connection(("{LAN6}", 53), timeout=20) as stream:
    stream.sendall(b"".join(query.to_wire(prepend_length=True) for query in queries))
    stream.shutdown(socket.SHUT_WR)
    replies = stream.makefile("rb")
    seen = set()
    while size := replies.read(2):
        reply = dns.message.from_wire(replies.read(struct.unpack("!H", size)[0]))
        assert queries[reply.id].is_response(reply)
        seen.add(reply.id)
print(len(seen))
"""
        ).stdout
        assert printed == "60\n"


def test_outsiders_are_refused(network: Network) -> None:
    config = CONFIG.replace("interfaces lan0", "allow-query 2001:db8:64:1::/64 192.0.2.0/24")
    with network.dns64d(config):
        for server in (WAN6, WAN4, LAN6):
            for transport in ("+notcp", "+tcp"):
                answer = network.dig(transport, "v4.example", "AAAA", server=server, who=network.outsider)
                assert (answer.status, answer.answers) == ("REFUSED", [])
        assert network.dig("v4.example", "AAAA", server=WAN6).data == [SYNTHESIZED]


def test_allow_query_adds_to_the_networks_of_the_interfaces(network: Network) -> None:
    with network.dns64d(f"{CONFIG}\nallow-query 3fff:0:77::/48\n") as daemon:
        allowed = json.loads(daemon.status())["dns64d"]["allow_query"]

    assert {"3fff:0:77::/48", "2001:db8:64:1::/64", "::1/128"} <= set(allowed)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_the_first_forwarders_death_stops_no_query_and_it_returns(
    network: Network, how: signal.Signals
) -> None:
    with network.dns64d():
        assert network.who() == "at-5301"
        forwarder = network.forwarders[5301]
        forwarder.send_signal(how)
        try:
            for _ in range(2):
                answer = network.dig("v4.example", "AAAA")
                assert answer.data == [SYNTHESIZED]
                assert answer.seconds < 5  # dig's own patience by default
            assert network.who() == "at-5302"
        finally:
            if how == signal.SIGKILL:
                forwarder.wait()
                network.start_forwarder(5301)
            else:
                forwarder.send_signal(signal.SIGCONT)
        wait_until(lambda: network.who() == "at-5301", "the first forwarder to be preferred again")


def test_without_any_forwarder_the_client_hears_servfail(network: Network) -> None:
    config = CONFIG.replace("port 5301", "port 5999").replace("port 5302", "port 5998")
    with network.dns64d(config) as daemon:
        assert network.dig("v4.example", "AAAA").status == "SERVFAIL"
        assert '"healthy": false' in daemon.status().replace('"healthy":false', '"healthy": false')


def test_a_forwarder_that_leads_back_to_dns64d_ends_in_servfail_and_in_rest(network: Network) -> None:
    config = CONFIG.replace("127.0.0.1 port 5301", LAN6).replace("forwarder ::1 port 5302", "")
    with network.dns64d(config) as daemon:
        assert network.dig("v4.example", "AAAA").status == "SERVFAIL"
        wait_until(lambda: json.loads(daemon.status())["dns64d"]["outstanding"] == 0, "the end of the loop")


def test_sighup_takes_a_good_config_and_keeps_the_old_one_over_a_bad(network: Network) -> None:
    with network.dns64d() as daemon:
        daemon.write(CONFIG.replace("ff9b::/96", "ff9b::/95"))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("reload refused")
        assert "dns64.conf:4: " in daemon.log
        assert network.dig("v4.example", "AAAA").data == [SYNTHESIZED]
        daemon.write(CONFIG.replace("2001:db8:64:ff9b::/96", "3fff:64::/96"))
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("msg=reloaded")
        assert network.dig("v4.example", "AAAA").data == ["3fff:64::c000:221"]


def test_check_config_tells_what_a_reload_would_meet(network: Network) -> None:
    def check() -> subprocess.CompletedProcess[str]:
        return network.gateway.run(
            str(NAT64CTL), "check-config", "dns64d", "--socket", str(daemon.socket), check=False
        )

    with network.dns64d() as daemon:
        assert check().returncode == 0
        daemon.write(CONFIG.replace("ff9b::/96", "ff9b::/95"))
        refused = check()
        assert refused.returncode == 2
        assert "dns64.conf:4: " in refused.stderr
        assert network.dig("v4.example", "AAAA").data == [SYNTHESIZED]


def test_reload_opens_and_closes_only_the_sockets_that_change(network: Network) -> None:
    listen = "port 53\nlisten 127.0.0.1\nallow-query ::/0\n"
    with network.dns64d(CONFIG.replace("interfaces lan0", f"{listen}listen {LAN6}")) as daemon:
        daemon.write(CONFIG.replace("interfaces lan0", f"{listen}listen {SECOND6}"))
        network.gateway.run(str(NAT64CTL), "reload", "dns64d", "--socket", str(daemon.socket))
        assert network.dig("v4.example", "AAAA", server=SECOND6).data == [SYNTHESIZED]
        assert daemon.log.count("msg=listening at=127.0.0.1:53") == 1
        gone = network.client.run("dig", "+tries=1", "+time=2", f"@{LAN6}", "v4.example", check=False)
        assert "connection refused" in gone.stdout
        # A wildcard clashes with the sockets that it replaces.
        daemon.write(CONFIG.replace("interfaces lan0", "interfaces *"))
        network.gateway.run(str(NAT64CTL), "reload", "dns64d", "--socket", str(daemon.socket))
        for server in (LAN6, LAN4, WAN6):
            assert network.dig("v4.example", "AAAA", server=server).data == [SYNTHESIZED]


def test_a_port_that_is_taken_is_told_with_who_has_it(network: Network) -> None:
    with network.dns64d() as daemon:
        second = network.gateway.run(str(DNS64D), "-n", "-c", str(daemon.path), check=False)
        assert second.returncode == 1
        assert re.fullmatch(
            r"dns64d: cannot listen on 0\.0\.0\.0:53%lan0 \(udp\): the port is taken by dns64d \(pid \d+\); .*\n",
            second.stderr,
        )
        assert network.dig("v4.example", "AAAA").data == [SYNTHESIZED]


def test_restart_and_end(network: Network) -> None:
    for _ in range(2):
        with network.dns64d() as daemon:
            assert network.dig("+tcp", "v4.example", "AAAA").data == [SYNTHESIZED]
            began = time.monotonic()
            assert daemon.process is not None
            assert stop(daemon.process) == 0
            assert time.monotonic() - began < 3
            assert not daemon.socket.exists()


def test_an_address_that_comes_late_is_served(network: Network) -> None:
    late = "2001:db8:64:1::77"
    config = CONFIG.replace(
        "interfaces lan0", f"listen {late}\nlisten 192.0.2.77\nallow-query ::/0 0.0.0.0/0"
    )
    with network.dns64d(config):
        network.gateway.run("ip", "address", "add", f"{late}/64", "dev", "lan0")
        network.gateway.run("ip", "address", "add", "192.0.2.77/24", "dev", "lan0")
        for server in (late, "192.0.2.77"):
            assert network.dig("v4.example", "AAAA", server=server).data == [SYNTHESIZED]


def test_hosts_of_a_network_that_an_interface_gets_late_are_answered(network: Network) -> None:
    network.client.run("ip", "address", "add", "2001:db8:64:2::c/64", "dev", "lan0")
    with network.dns64d():
        server = "2001:db8:64:2::1"
        network.gateway.run("ip", "address", "add", f"{server}/64", "dev", "lan0")
        wait_until(
            lambda: network.dig("v4.example", "AAAA", server=server).status == "NOERROR",
            "the late network to be answered",
        )


def test_an_interface_that_is_removed_and_comes_back_is_served_again(network: Network) -> None:
    def make_interface() -> None:
        link(network.client, "lan9", network.gateway, "lan9")
        network.client.run("ip", "address", "add", "203.0.113.9/24", "dev", "lan9")
        network.gateway.run("ip", "address", "add", "203.0.113.1/24", "dev", "lan9")

    def answers() -> bool:
        asked = network.client.run(
            "dig", "+short", "+tries=1", "+time=1", "@203.0.113.1", *words, check=False
        )
        return asked.stdout.strip() == SYNTHESIZED

    words = ("v4.example", "AAAA")
    make_interface()
    try:
        with network.dns64d(CONFIG.replace("interfaces lan0", "interfaces lan0 lan9")):
            assert answers()
            network.gateway.run("ip", "link", "delete", "lan9")
            make_interface()
            wait_until(answers, "an answer over the interface that came back")
    finally:
        network.gateway.run("ip", "link", "delete", "lan9")


def test_in_the_background_as_another_user_with_a_pid_file(network: Network) -> None:
    pidfile = network.tmp / "dns64d.pid"
    config = f"{CONFIG}\npidfile {pidfile}\ncontrol-socket none\n"
    path = network.tmp / "background.conf"
    path.write_text(config, encoding="utf-8")
    network.gateway.run(str(DNS64D), "-c", str(path), "-u", "nobody", "-q")
    process = int(pidfile.read_text(encoding="ascii"))
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
        assert re.search(r"^Uid:\t(?!0\t)", status, re.MULTILINE)
        assert re.search(r"^CapEff:\t0{13}400$", status, re.MULTILINE)  # CAP_NET_BIND_SERVICE
        assert network.dig("v4.example", "AAAA").data == [SYNTHESIZED]
    finally:
        subprocess.run(["kill", str(process)], check=True)
    wait_until(lambda: not Path(f"/proc/{process}").exists(), "the daemon to end")
    assert pidfile.stat().st_uid == 0


def test_readiness_is_told_when_the_sockets_are_open_and_after_a_reload(network: Network) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(network.tmp / "notify"))
        manager.settimeout(20)
        daemon = Daemon(network, CONFIG, (), env=os.environ | {"NOTIFY_SOCKET": str(network.tmp / "notify")})
        try:
            daemon.start()
            assert manager.recv(100) == b"READY=1"
            assert network.dig("+tcp", "v4.example", "AAAA").data == [SYNTHESIZED]
            daemon.signal(signal.SIGHUP)
            assert manager.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(100) == b"READY=1"
            daemon.signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
        finally:
            daemon.end()


def test_confined_to_a_directory_as_another_user_it_serves_and_reloads(network: Network) -> None:
    jail = network.tmp / "jail"
    inside = jail / network.tmp.relative_to("/")
    inside.mkdir(parents=True)
    shutil.chown(inside, "nobody")
    with network.dns64d(CONFIG, "-t", str(jail), "-u", "nobody") as daemon:
        assert network.dig("v4.example", "AAAA").data == [SYNTHESIZED]
        moved = CONFIG.replace("2001:db8:64:ff9b::/96", "3fff:64::/96").replace(
            "interfaces lan0", "interfaces *"
        )
        (inside / daemon.path.name).write_text(moved, encoding="utf-8")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("msg=reloaded")
        assert network.dig("v4.example", "AAAA").data == ["3fff:64::c000:221"]
        assert network.dig("v4.example", "AAAA", server=WAN6).data == ["3fff:64::c000:221"]
