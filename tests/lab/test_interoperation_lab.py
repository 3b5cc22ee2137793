"""Linux's own stacks and tools as the peers of the real nat64d: what people run first to see whether it works."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab.gateway_network import (
    CLIENT,
    GATEWAY6,
    OWN4,
    OWN6,
    ROUTER6,
    SERVER,
    SERVER6,
    GatewayNetwork,
)
from tests.lab.namespaces import wait_until
from tests.lab.peers import UDP_ASK, UDP_ECHO, listen, transfer

if TYPE_CHECKING:
    from tests.lab.namespaces import Namespace

pytestmark = pytest.mark.lab

MTU = 1500  # of every link and of the TUN, unless a test says otherwise
ECHO6 = 40 + 8  # octets of an echo request before its data
ECHO4 = 20 + 8
LARGEST_PING = MTU - ECHO6


# ping


def test_ping_of_every_size_up_to_the_mtu_comes_back(network: GatewayNetwork) -> None:
    for octets in (0, 1, 56, 1212, 1213, 1232, 1233, LARGEST_PING - 1, LARGEST_PING):
        assert network.ping("-s", str(octets)), octets
    lease = network.lease()
    for octets in (0, 1, 56, 1232, 1233, 1253, LARGEST_PING - 1, LARGEST_PING):
        for fragmenting in ("do", "dont"):
            network.server.run("ping", "-c1", "-W5", "-M", fragmenting, "-s", str(octets), lease)
    assert network.counter("drop_icmp_fragment") == 0


def test_rfc7915_1_2_ping_larger_than_the_mtu_is_dropped_and_counted(network: GatewayNetwork) -> None:
    """An ICMP checksum over a fragmented message cannot be translated (RFC 7915 sections 1.2, 4.2 and 5.2)."""
    network.ping()
    lease = network.lease()
    dropped = 0
    for host, address, octets in (
        (network.client, SERVER6, LARGEST_PING + 1),
        (network.server, lease, LARGEST_PING + 1),  # there in one piece, and the larger answer in two
        (network.server, lease, MTU - ECHO4 + 1),
    ):
        ping = host.run("ping", "-c1", "-W1", "-M", "dont", "-s", str(octets), address, check=False)
        assert "1 packets transmitted, 0 received" in ping.stdout
        dropped += 2
        assert network.counter("drop_icmp_fragment") == dropped
    assert network.ping()


# mtr


def hops(host: Namespace, address: str, *options: str) -> list[str]:
    """Return mtr's hops, each once."""
    shown = host.run("mtr", "-n", "-j", "-c2", "-i0.5", "-G2", "-m10", *options, address).stdout
    return [hub["host"] for hub in json.loads(shown)["report"]["hubs"]]


MTR_WAYS = {"icmp": (), "udp": ("--udp",), "tcp": ("--tcp", "-P", "9")}


@pytest.mark.parametrize("way", MTR_WAYS)
def test_mtr_shows_every_hop(network: GatewayNetwork, way: str) -> None:
    network.ping()
    assert hops(network.client, SERVER6, *MTR_WAYS[way]) == [
        ROUTER6,
        GATEWAY6,
        OWN6,
        "2001:db8:64:ff9b::c633:6482",  # the gateway's kernel, on the TUN
        "2001:db8:64:ff9b::c633:6401",  # router4
        SERVER6,
    ]


@pytest.mark.parametrize("way", MTR_WAYS)
def test_mtr_from_the_ipv4_side_shows_every_hop(network: GatewayNetwork, way: str) -> None:
    network.ping()
    lease = network.lease()
    # The gateway's kernel behind the TUN and router6 have no IPv4 addresses: they show as the translator's.
    assert hops(network.server, lease, *MTR_WAYS[way]) == [
        "203.0.113.1",
        "198.51.100.2",
        OWN4,
        OWN4,
        OWN4,
        lease,
    ]


# Path MTU discovery


def narrow(network: GatewayNetwork, side: str, mtu: int) -> None:
    """Make the link between the gateway and the router on one side a small one."""
    ends = {
        "ipv4": ((network.gateway, "wan0"), (network.router4, "down0")),
        "ipv6": ((network.gateway, "lan0"), (network.router6, "up0")),
    }
    for namespace, device in ends[side]:
        namespace.run("ip", "link", "set", device, "mtu", str(mtu))


def learnt_mtu(host: Namespace, address: str) -> int | None:
    """Return the path MTU that a host has learnt toward an address."""
    found = re.search(r"\bmtu (\d+)", host.run("ip", "route", "get", address).stdout)
    return int(found[1]) if found else None


@pytest.mark.parametrize(
    ("side", "mtu", "of_client", "of_server"),
    [
        ("ipv6", 1400, 1400, 1380),
        ("ipv6", 1280, 1280, 1260),
        ("ipv4", 1400, 1420, 1400),
        ("ipv4", 1260, 1280, 1260),
        ("ipv4", 600, 1280, 600),  # IPv6 knows no smaller one: what is still too long goes in fragments
    ],
)
def test_a_small_link_on_the_way_is_learnt_by_both_ends(
    network: GatewayNetwork, side: str, mtu: int, of_client: int, of_server: int
) -> None:
    narrow(network, side, mtu)
    transfer(network, 10_000_000)
    assert learnt_mtu(network.client, SERVER6) == of_client
    assert learnt_mtu(network.server, network.lease()) == of_server


# UDP


@pytest.mark.parametrize(("side", "mtu"), [("ipv6", 1280), ("ipv4", 1280), ("ipv4", 600)])
def test_datagrams_larger_than_the_mtu_arrive_whole_over_a_small_link(
    network: GatewayNetwork, side: str, mtu: int
) -> None:
    narrow(network, side, mtu)
    listen(network.server, UDP_ECHO, SERVER)
    for octets in (1200, 1473, 8000, 20000):
        assert network.client.python(UDP_ASK, SERVER6, str(octets)).stdout == "right\n", octets


# Answers one datagram without a checksum (SO_NO_CHECK is 11).
UDP_ANSWER_WITHOUT_CHECKSUM = """
import socket, sys
channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
channel.setsockopt(socket.SOL_SOCKET, 11, 1)
channel.bind((sys.argv[1], 9000))
print("listening", flush=True)
while True:
    data, peer = channel.recvfrom(65535)
    channel.sendto(data[::-1], peer)
"""

# Asks by a socket that sends none (UDP_NO_CHECK6_TX is 101) or takes an answer without one (UDP_NO_CHECK6_RX is 102).
UDP_ASK_WITHOUT_CHECKSUM = """
import socket, sys
channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
for option in sys.argv[2:]:
    channel.setsockopt(socket.IPPROTO_UDP, int(option), 1)
channel.settimeout(2)
channel.sendto(b"without a checksum", (sys.argv[1], 9000))
try:
    print(channel.recv(65535).decode())
except TimeoutError:
    print("nothing")
"""
ANSWER = "without a checksum"[::-1] + "\n"
SEND_NONE, TAKE_NONE = "101", "102"


@pytest.mark.parametrize(
    ("mode", "ordinary", "tolerant", "dropped"),
    [("drop", "nothing\n", "nothing\n", 2), ("fwd", "nothing\n", ANSWER, 0), ("calc", ANSWER, ANSWER, 0)],
    ids=["drop", "fwd", "calc"],
)
def test_udp_without_a_checksum_by_mode(
    bare: GatewayNetwork, mode: str, ordinary: str, tolerant: str, dropped: int
) -> None:
    """What an ordinary IPv6 host gets of a server's answers without a checksum, and one that takes those (RFC 6936)."""
    bare.write_config(f"udp-cksum-mode {mode}")
    bare.start()
    listen(bare.server, UDP_ANSWER_WITHOUT_CHECKSUM, SERVER)
    assert bare.client.python(UDP_ASK_WITHOUT_CHECKSUM, SERVER6).stdout == ordinary
    assert bare.client.python(UDP_ASK_WITHOUT_CHECKSUM, SERVER6, TAKE_NONE).stdout == tolerant
    assert bare.counter("drop_udp_zero_checksum") == dropped


def test_udp_without_a_checksum_from_an_ipv6_host_reaches_the_server(bare: GatewayNetwork) -> None:
    bare.write_config("udp-cksum-mode calc")
    bare.start()
    listen(bare.server, UDP_ANSWER_WITHOUT_CHECKSUM, SERVER)
    assert bare.client.python(UDP_ASK_WITHOUT_CHECKSUM, SERVER6, SEND_NONE).stdout == ANSWER


# Hosts and daemons that restart


def renumber(network: GatewayNetwork, old: str, new: str) -> None:
    network.client.run("ip", "address", "del", f"{old}/64", "dev", "lan0")
    network.client.run("ip", "address", "add", f"{new}/64", "dev", "lan0", "nodad")


def leases(network: GatewayNetwork) -> dict[str, str]:
    return {row["host"]: row["address"] for row in network.ask("hosts")["rows"]}


def test_a_host_that_comes_back_with_another_address_gets_its_own_and_both_stay(
    network: GatewayNetwork,
) -> None:
    other = "2001:db8:1::d"
    network.ping()
    first = network.lease()
    renumber(network, CLIENT, other)
    assert network.ping()
    second = leases(network)[other]
    assert second != first
    network.server.run("ping", "-c1", "-W5", second)
    assert leases(network) == {CLIENT: first, other: second}
    renumber(network, other, CLIENT)
    network.server.run("ping", "-c1", "-W5", first)
    assert network.ping()
    assert leases(network) == {CLIENT: first, other: second}


def test_a_host_whose_lease_a_kill_9_lost_gets_the_same_address_again(network: GatewayNetwork) -> None:
    """A lease younger than the save interval: nothing is on disk, and the hash of the host's address decides."""
    network.ping()
    before = network.lease()
    kill_9(network)
    (network.directory / "dynamic.map").unlink(
        missing_ok=True
    )  # had this machine been slow: as if not yet saved
    network.start()
    assert leases(network) == {}
    assert network.ping()
    assert network.lease() == before


# Takes a stream over one connection, acknowledges its first half, and answers its end with its digest.
TAKE_STREAM = """
import hashlib, socket, sys
listener = socket.create_server((sys.argv[1], 8000))
print("listening", flush=True)
connection, _ = listener.accept()
half = int(sys.argv[2])
digest = hashlib.sha256()
while half:
    data = connection.recv(min(half, 1 << 16))
    half -= len(data)
    digest.update(data)
connection.sendall(b"half")
while data := connection.recv(1 << 16):
    digest.update(data)
connection.sendall(digest.digest())
"""

# Sends it, and waits for a line on the standard input between the halves.
SEND_STREAM = """
import hashlib, socket, sys
half = int(sys.argv[2])
stream = hashlib.shake_256(b"stream").digest(2 * half)
connection = socket.create_connection((sys.argv[1], 8000), timeout=60)
connection.sendall(stream[:half])
assert connection.recv(4) == b"half"
print("half", flush=True)
sys.stdin.readline()
connection.sendall(stream[half:])
connection.shutdown(socket.SHUT_WR)
print("right" if connection.recv(32) == hashlib.sha256(stream).digest() else "wrong")
"""


def test_a_connection_outlives_kill_9_and_a_restart(bare: GatewayNetwork) -> None:
    bare.command("--mktun")
    bare.start()
    listen(bare.server, TAKE_STREAM, SERVER, "1000000")
    client = bare.client.popen("python3", "-c", SEND_STREAM, SERVER6, "1000000", stdin=subprocess.PIPE)
    assert client.stdout is not None
    assert client.stdin is not None
    assert client.stdout.readline() == "half\n"
    kill_9(bare)
    client.stdin.write("\n")  # what follows is sent while nobody translates
    client.stdin.flush()
    bare.start()
    assert client.stdout.readline() == "right\n"


def kill_9(network: GatewayNetwork) -> None:
    assert network.daemon is not None
    network.daemon.kill()
    network.daemon.wait()
    wait_until(
        lambda: "state UP" not in network.gateway.run("ip", "link", "show", "nat64", check=False).stdout,
        "the TUN to have nobody",
    )
