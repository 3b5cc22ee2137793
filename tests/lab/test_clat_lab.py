"""nat64-clat on a host without IPv4, in network namespaces, with nat64d as the network's translator (RFC 6877)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from ipaddress import IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

import pytest

from nat64.clat.identifiers import stable_address
from tests.lab.advertising_router import AdvertisingRouter
from tests.lab.gateway_network import COMMANDS, CONFIG, ROUTER6, SERVER, GatewayNetwork
from tests.lab.namespaces import stop, wait_until
from tests.lab.peers import TCP_PEER, UDP_ECHO, listen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab

LAN: Final = "2001:db8:1::/64"
PREFIX: Final = "2001:db8:64:ff9b::/96"
OTHER_PREFIX: Final = "2001:db8:65::/96"
OTHER_POOL: Final = "192.168.224.0/20"
ADVERTISED: Final = (f"prefix={LAN},1800", f"pref64={PREFIX},1800")

# Asks over IPv4 by datagrams that need fragments.
UDP_ASK4: Final = """
import os, socket, sys
channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
channel.settimeout(5)
data = os.urandom(int(sys.argv[2]))
for _ in range(4):  # the first answer may be lost to path MTU discovery
    channel.sendto(data, (sys.argv[1], 9000))
    try:
        print("right" if channel.recv(65535) == data else "wrong")
        break
    except TimeoutError:
        pass
"""

# Answers every question with AAAA records for both well-known addresses in a prefix (RFC 7050 section 2.2).
NAME_SERVER: Final = """
import ipaddress, socket, sys
from dnslib import AAAA, DNSRecord, QTYPE, RR
channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
channel.bind((sys.argv[1], 53))
print("listening", flush=True)
while True:
    data, peer = channel.recvfrom(4096)
    query = DNSRecord.parse(data)
    reply = query.reply()
    for each in ("192.0.0.170", "192.0.0.171"):
        address = ipaddress.IPv6Network(sys.argv[2])[int(ipaddress.IPv4Address(each))]
        reply.add_answer(RR(query.q.qname, QTYPE.AAAA, ttl=300, rdata=AAAA(str(address))))
    channel.sendto(reply.pack(), peer)
"""


class ClatHost:
    """The network's client, which learns all it has from its router, and its CLAT."""

    def __init__(self, network: GatewayNetwork, directory: Path) -> None:
        self.network = network
        self.host = network.client
        self.directory = directory
        directory.mkdir()
        self.log = directory / "log"
        self.router = AdvertisingRouter(network.router6, "lan0")
        self.daemon: subprocess.Popen[str] | None = None

    def start(self, *arguments: str) -> None:
        with self.log.open("a") as log:
            self.daemon = self.host.popen(
                str(COMMANDS / "nat64-clat"),
                *("--state-directory", str(self.directory / "state")),
                *("--runtime-directory", str(self.directory / "run")),
                *arguments,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def stop(self) -> int:
        assert self.daemon is not None
        return stop(self.daemon)

    def await_log(self, text: str, times: int = 1) -> None:
        try:
            wait_until(lambda: self.log.read_text().count(text) >= times, f"{text!r} in the log")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.log.read_text()}") from None

    def await_state(self, holds: Callable[[], object], what: str) -> None:
        try:
            wait_until(holds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.log.read_text()}\n{self.state()}") from None

    def pings(self, address: str = SERVER, *options: str) -> bool:
        return self.host.run("ping", "-4", "-c1", "-W5", *options, address, check=False).returncode == 0

    def default_routes(self) -> str:
        return self.host.run("ip", "-4", "route", "show", "default").stdout

    def proxies(self) -> list[str]:
        shown = self.host.run("ip", "-6", "neighbour", "show", "proxy").stdout
        return [line.split()[0] for line in shown.splitlines()]

    def address(self) -> IPv6Address:
        """Return the CLAT's address, which the uplink answers for."""
        (address,) = self.proxies()
        return IPv6Address(address)

    def state(self) -> str:
        """Return all that a CLAT changes. Times, and what is counted, are left out."""
        commands = (
            ("ip", "-4", "address"),
            ("ip", "-6", "address"),
            ("ip", "-4", "route", "show", "table", "all"),
            ("ip", "-6", "route", "show", "table", "all"),
            ("ip", "-6", "neighbour", "show", "proxy"),
            ("sh", "-c", "cd /proc/sys/net/ipv6/conf && grep . */forwarding */accept_ra */proxy_ndp"),
        )
        shown = "".join(self.host.run(*command).stdout for command in commands)
        return re.sub(r"(valid_lft|preferred_lft|expires) \S+", "", shown)

    def secret(self) -> bytes:
        return (self.directory / "state" / "secret").read_bytes()


@pytest.fixture
def clat(bare: GatewayNetwork) -> Iterator[ClatHost]:
    """The network with nat64d, and a client that has nothing but what its router advertises; no CLAT runs yet."""
    bare.write_config(
        f"prefix {OTHER_PREFIX} pool {OTHER_POOL}",
        base=CONFIG + f"tun-route {OTHER_PREFIX}\ntun-route {OTHER_POOL}\n",
    )
    bare.router4.run("ip", "route", "add", OTHER_POOL, "via", "198.51.100.2")
    bare.start()
    bare.client.run("ip", "-6", "route", "del", "default")
    bare.client.run("ip", "-6", "address", "flush", "dev", "lan0", "scope", "global")
    bare.client.sysctl(net__ipv6__conf__lan0__accept_ra=1, net__ipv6__conf__lan0__accept_dad=1)
    there = ClatHost(bare, bare.directory / "clat")
    there.router.say(*ADVERTISED)
    wait_until(lambda: "default" in bare.client.run("ip", "-6", "route").stdout, "the router's advertisement")
    # What the kernel is still about is not what the CLAT has left.
    wait_until(
        lambda: (
            "inet6 2001:db8:1:" in (shown := bare.client.run("ip", "-6", "address").stdout)
            and "tentative" not in shown
        ),
        "an address",
    )
    yield there
    if there.daemon is not None:
        there.stop()


@pytest.fixture
def running(clat: ClatHost) -> ClatHost:
    """The same with the CLAT."""
    clat.start()
    clat.await_log("msg=running")
    return clat


def test_ipv4_literals_work_on_a_host_without_ipv4(clat: ClatHost) -> None:
    assert not clat.pings()
    clat.start()
    clat.await_log("msg=running")
    assert clat.pings()
    assert clat.pings(SERVER, "-s", "1200")
    server = listen(clat.network.server, TCP_PEER, "server", SERVER, "2000000")
    assert clat.host.python(TCP_PEER, "client", SERVER, "2000000").stdout == "right\n"
    assert server.stdout is not None
    assert server.stdout.readline() == "right\n"
    listen(clat.network.server, UDP_ECHO, SERVER)
    for octets in (0, 1200, 1452, 4000):
        assert clat.host.python(UDP_ASK4, SERVER, str(octets)).stdout == "right\n", octets


def test_rfc7335_the_host_has_an_address_of_192_0_0_0_29_and_the_worst_of_routes(running: ClatHost) -> None:
    (route,) = running.default_routes().splitlines()
    assert "dev nat64-clat" in route
    assert "src 192.0.0.2" in route
    assert "metric 4294967295" in route
    assert "mtu 1472" in route
    assert running.address() in IPv6Network(LAN)


def test_when_it_ends_the_host_is_what_it_was(clat: ClatHost) -> None:
    before = clat.state()
    clat.start()
    clat.await_log("msg=running")
    assert clat.state() != before
    assert clat.stop() == 0
    assert clat.state() == before


def test_what_one_that_was_killed_left_is_taken_over_and_removed(clat: ClatHost) -> None:
    before = clat.state()
    clat.start()
    clat.await_log("msg=running")
    assert clat.daemon is not None
    clat.daemon.send_signal(signal.SIGKILL)
    clat.daemon.wait()
    clat.start()
    clat.await_log("msg=running", times=2)
    assert clat.pings()
    assert clat.stop() == 0
    assert clat.state() == before


def test_a_translator_that_dies_comes_back(running: ClatHost) -> None:
    children = f"/proc/{running.daemon.pid}/task/{running.daemon.pid}/children" if running.daemon else ""
    with open(children, encoding="ascii") as listed:  # noqa: PTH123 - of procfs
        (child,) = listed.read().split()
    os.kill(int(child), signal.SIGKILL)
    running.await_log("the translator has ended")
    running.await_state(running.pings, "pings to go on")


def test_accept_ra_is_kept_working(running: ClatHost) -> None:
    """Each advertisement gives the default route another minute, although the host forwards."""
    assert running.host.run("sysctl", "-n", "net.ipv6.conf.all.forwarding").stdout.strip() == "1"
    running.host.run("ip", "-6", "route", "del", "default")
    running.await_state(
        lambda: "default" in running.host.run("ip", "-6", "route").stdout, "the default route to be back"
    )
    running.await_state(running.pings, "pings to go on")


def test_another_prefix_is_taken_when_the_router_tells_it(running: ClatHost) -> None:
    assert running.pings()
    running.router.say(f"prefix={LAN},1800", f"pref64={OTHER_PREFIX},1800")
    running.await_log(f"prefix={OTHER_PREFIX}")
    running.await_state(running.pings, "pings by the other prefix")
    rows = running.network.ask("hosts")["rows"]
    assert OTHER_PREFIX in {row.get("prefix") for row in rows}, rows


def test_without_a_prefix_there_is_no_route_and_the_log_says_so_once(clat: ClatHost) -> None:
    clat.router.say(f"prefix={LAN},1800", f"pref64={PREFIX},0")
    clat.start("--resolver", "2001:db8:1::dead")
    clat.await_log("no NAT64 prefix")
    assert clat.default_routes() == ""
    assert clat.log.read_text().count("no NAT64 prefix") == 1
    clat.router.say(*ADVERTISED)
    clat.await_log("msg=running")
    assert clat.pings()
    clat.router.say(f"prefix={LAN},1800", f"pref64={PREFIX},0")
    clat.await_log("no NAT64 prefix", times=2)
    assert clat.default_routes() == ""


def test_rfc7050_name_servers_are_asked_where_no_router_tells_the_prefix(clat: ClatHost) -> None:
    clat.router.say(f"prefix={LAN},1800")
    clat.network.router6.run("sh", "-c", "true")
    clat.network.router6.popen(str(COMMANDS / "python"), "-c", NAME_SERVER, ROUTER6, PREFIX)
    clat.start("--resolver", ROUTER6)
    clat.await_log("by ipv4only.arpa")
    assert clat.pings()


def test_native_ipv4_comes_and_goes(running: ClatHost) -> None:
    running.host.run("ip", "address", "add", "192.0.2.2/24", "dev", "lan0")
    assert running.pings()
    running.host.run("ip", "route", "add", "default", "via", "192.0.2.1", "metric", "1024")
    running.await_log("IPv4 by way of lan0")
    assert "nat64-clat" not in running.default_routes()
    assert running.proxies() == []
    running.host.run("ip", "route", "del", "default", "via", "192.0.2.1")
    running.await_log("msg=running", times=2)
    assert running.pings()


def test_another_clat_has_precedence(clat: ClatHost) -> None:
    clat.host.run("ip", "tuntap", "add", "cl-lan0", "mode", "tun")
    clat.host.run("ip", "address", "add", "192.0.0.1/32", "dev", "cl-lan0")
    clat.start()
    clat.await_log("another CLAT has its address on cl-lan0")
    assert "nat64-clat" not in clat.default_routes()
    clat.host.run("ip", "link", "del", "cl-lan0")
    clat.await_log("msg=running")
    assert clat.pings()


def test_rfc4862_an_address_that_another_host_has_is_left_to_it(clat: ClatHost) -> None:
    clat.start()
    clat.await_log("msg=running")
    first = clat.address()
    assert first == stable_address(clat.secret(), IPv6Network(LAN), "lan0", 0)
    clat.stop()
    clat.network.router6.run("ip", "address", "add", f"{first}/128", "dev", "lan0", "nodad")
    clat.start()
    clat.await_log("another host has the address")
    clat.await_log("msg=running", times=2)
    assert clat.address() == stable_address(clat.secret(), IPv6Network(LAN), "lan0", 1)
    assert clat.pings()


def test_rfc4862_who_wants_its_address_later_is_told_that_it_is_taken(running: ClatHost) -> None:
    running.network.router6.run("sysctl", "-qw", "net.ipv6.conf.lan0.accept_dad=1")
    running.network.router6.run("ip", "address", "add", f"{running.address()}/128", "dev", "lan0")
    running.await_state(
        lambda: (
            "dadfailed" in running.network.router6.run("ip", "-6", "address", "show", "dev", "lan0").stdout
        ),
        "the router to find the address taken",
    )


def test_a_network_that_is_renumbered_gives_another_address(running: ClatHost) -> None:
    before = running.address()
    network = running.network
    network.router6.run("ip", "address", "add", "2001:db8:1:1::1/64", "dev", "lan0", "nodad")
    network.gateway.run("ip", "route", "add", "2001:db8:1:1::/64", "via", "2001:db8:2::1")
    running.router.say(f"prefix={LAN},0", "prefix=2001:db8:1:1::/64,1800", f"pref64={PREFIX},1800")
    running.await_state(lambda: str(before) not in running.proxies() and running.proxies(), "another address")
    assert running.address() in IPv6Network("2001:db8:1:1::/64")
    running.await_state(running.pings, "pings from the new address")


def test_the_translator_needs_no_root(clat: ClatHost) -> None:
    clat.start("--user", "nobody")
    clat.await_log("msg=running")
    assert clat.pings()
    clat.router.say(f"prefix={LAN},1800", f"pref64={OTHER_PREFIX},1800")
    clat.await_log(f"prefix={OTHER_PREFIX}")
    clat.await_state(clat.pings, "pings by the other prefix")


def test_at_rest_it_changes_nothing(running: ClatHost) -> None:
    """Each advertisement has it look again; what it would write anew would have it look for ever."""
    running.await_state(running.pings, "pings")
    seen = running.host.run("timeout", "4", "ip", "monitor", "link", "route", "neigh", check=False).stdout
    assert [line for line in seen.splitlines() if "nat64-clat" in line or "proxy" in line] == []
