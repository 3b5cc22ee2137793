"""What role nat44's table does to real packets, in front of the real translator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils.nat44_settings import read_settings

from tests.lab.gateway_network import CLIENT, SERVER6, GatewayNetwork, gateway_network
from tests.lab.namespaces import wait_until
from tests.unit.roles.foreign_firewalls import NFTABLES
from tests.unit.roles.rendering import FACTS, render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.namespaces import Namespace

pytestmark = pytest.mark.lab

UPLINK = "198.51.100.2"
INSIDE = "2001:db8:1::80"
"""A server in the LAN, which has an address of the pool."""
PUBLIC = "2001:db8:1::81"
"""One that has an IPv4 address of its own."""
PUBLIC4 = "192.0.2.80"
MAPS = [{"ipv4": "192.168.240.80", "ipv6": INSIDE}, {"ipv4": PUBLIC4, "ipv6": PUBLIC}]
FORWARD = {"protocol": "tcp", "port": 8080, "ipv6": INSIDE, "to_port": 80}

# Serves TCP, and tells each caller the address that it sees.
SERVE = """
import socket, sys
listener = socket.create_server(("", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    connection, peer = listener.accept()
    connection.sendall(peer[0].removeprefix("::ffff:").encode())
    if connection.recv(1):
        connection.sendall(b" still there")
    connection.close()
"""
CALL = """
import socket, sys
caller = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5, (sys.argv[3], 0) if sys.argv[3] else None)
print(caller.recv(100).decode(), flush=True)
sys.stdin.readline()
caller.sendall(b"x")
print(caller.recv(100).decode(), flush=True)
"""
# Prints the largest segment that the next packet with SYN names, of those that come in.
NEXT_MSS = """
import socket, struct
raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
print("ready", flush=True)
while True:
    packet, (_, protocol, kind, *_) = raw.recvfrom(2000)
    start, at = ((packet[0] & 15) * 4, 9) if protocol == 0x0800 else (40, 6)
    if kind != socket.PACKET_OUTGOING and protocol in (0x0800, 0x86dd) and packet[at] == 6 and packet[start + 13] & 2:
        options = packet[start + 20:]
        assert options[:2] == bytes((2, 4))
        print(struct.unpack("!H", options[2:4])[0], flush=True)
        break
"""


def load(network: GatewayNetwork, **changed: Any) -> None:  # noqa: ANN401 - variables of the role
    """Load the role's table on the gateway, for these of its variables."""
    variables: dict[str, Any] = {
        "device": "nat64",
        "lan_interfaces": ["lan0"],
        "lan_networks": [],
        "uplinks": ["wan0"],
        "pool": "192.168.240.0/20",
        "maps": MAPS,
    }
    settings = read_settings(**(variables | changed))
    assert settings.findings == []
    file = network.directory / "nat44.nft"
    file.write_text(
        render("nat44/nat44.nft.j2", __nat44_host=FACTS["__nat44_host"] | {"rules": settings.rules()})
    )
    network.gateway.run("nft", "--file", str(file))


def serve(namespace: Namespace, port: int) -> None:
    server = namespace.popen("python3", "-c", SERVE, str(port))
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"


def seen(namespace: Namespace, target: str, port: int, source: str = "") -> str:
    """Call a server, and return the address that it sees."""
    told = namespace.run("python3", "-c", CALL, target, str(port), source, check=False)
    return told.stdout.split("\n")[0] if told.returncode == 0 else told.stderr.splitlines()[-1]


def mss_that_comes_in(namespace: Namespace, network: GatewayNetwork) -> int:
    """Have the client call the server, and return the largest segment that a namespace is told of."""
    listener = namespace.popen("python3", "-c", NEXT_MSS)
    assert listener.stdout is not None
    assert listener.stdout.readline() == "ready\n"
    assert seen(network.client, SERVER6, 7000)
    return int(listener.stdout.readline())


@pytest.fixture
def network(tmp_path: Path) -> Iterator[GatewayNetwork]:
    """Make the gateway's network, with the translator running and no route back to the pool."""
    with gateway_network(tmp_path) as made:
        for address in (INSIDE, PUBLIC):
            made.client.run("ip", "address", "add", f"{address}/64", "dev", "lan0", "nodad")
        made.router4.run("ip", "route", "del", "192.168.240.0/20")
        made.router4.run("ip", "route", "add", f"{PUBLIC4}/32", "via", UPLINK)
        maps = [f"map {each['ipv4']} {each['ipv6']}" for each in MAPS]
        made.write_config(*maps, f"tun-route {PUBLIC4}/32")
        made.start()
        yield made


def test_a_host_of_the_lan_is_seen_with_the_uplinks_address(network: GatewayNetwork) -> None:
    load(network)
    serve(network.server, 7000)
    assert seen(network.client, SERVER6, 7000, CLIENT) == UPLINK
    assert network.ping("-I", CLIENT)


def test_without_the_table_nothing_comes_back(network: GatewayNetwork) -> None:
    assert not network.ping("-W1", "-I", CLIENT, check=False)


@pytest.mark.parametrize("named", [{}, {"lan_interfaces": [], "lan_networks": ["2001:db8:1::/64"]}])
def test_only_the_lan_may_use_the_prefix(network: GatewayNetwork, named: dict[str, object]) -> None:
    load(network, **named)
    for namespace, device, address in (
        (network.gateway, "wan0", "2001:db8:f::1/64"),
        (network.router4, "down0", "2001:db8:f::2/64"),
    ):
        namespace.run("ip", "address", "add", address, "dev", device, "nodad")
    network.router4.run("ip", "route", "add", "2001:db8:64:ff9b::/96", "via", "2001:db8:f::1")
    foreign = network.router4.run("ping", "-c1", "-W2", SERVER6, check=False)
    assert foreign.returncode != 0
    assert "Administratively prohibited" in foreign.stdout
    assert network.ping("-I", CLIENT)


def test_nobody_outside_reaches_an_address_of_the_pool(network: GatewayNetwork) -> None:
    load(network)
    network.router4.run("ip", "route", "add", "192.168.240.0/20", "via", UPLINK)
    assert network.server.run("ping", "-c1", "-W1", "192.168.240.80", check=False).returncode != 0
    network.gateway.run("nft", "delete", "table", "inet", "nat64_nat44")
    assert network.server.run("ping", "-c1", "-W5", "192.168.240.80", check=False).returncode == 0


def test_a_map_outside_the_pool_keeps_its_address_and_is_reached(network: GatewayNetwork) -> None:
    load(network)
    serve(network.server, 7000)
    serve(network.client, 80)
    assert seen(network.client, SERVER6, 7000, PUBLIC) == PUBLIC4
    assert seen(network.server, PUBLIC4, 80) == SERVER6


def test_a_map_inside_the_pool_is_masqueraded(network: GatewayNetwork) -> None:
    load(network)
    serve(network.server, 7000)
    assert seen(network.client, SERVER6, 7000, INSIDE) == UPLINK


def test_a_port_forward_reaches_the_ipv6_only_server(network: GatewayNetwork) -> None:
    load(network, port_forwards=[FORWARD])
    serve(network.client, 80)
    assert seen(network.server, UPLINK, 8080) == SERVER6
    assert "refused" in seen(network.server, UPLINK, 8081)


def test_a_port_forward_opens_nothing_else_of_the_server(network: GatewayNetwork) -> None:
    load(network, port_forwards=[FORWARD])
    network.router4.run("ip", "route", "add", "192.168.240.0/20", "via", UPLINK)
    serve(network.client, 80)
    assert "timed out" in seen(network.server, "192.168.240.80", 80)


def test_a_port_of_another_host_that_passes_by_is_not_forwarded(network: GatewayNetwork) -> None:
    load(network, port_forwards=[FORWARD])
    serve(network.client, 8080)
    assert seen(network.server, PUBLIC4, 8080) == SERVER6


@pytest.mark.parametrize(
    ("clamp", "mtu", "mss"), [(False, 1400, 1440), (True, 1400, 1360), (1200, 1500, 1200)]
)
def test_the_servers_segments_are_kept_small(
    network: GatewayNetwork, clamp: object, mtu: int, mss: int
) -> None:
    load(network, clamp_mss=clamp)
    network.gateway.run("ip", "link", "set", "wan0", "mtu", str(mtu))
    serve(network.server, 7000)
    assert mss_that_comes_in(network.server, network) == mss


@pytest.mark.parametrize(("clamp", "mss"), [(False, 1460), (True, 1360), (1200, 1200)])
def test_the_clients_segments_are_kept_small(network: GatewayNetwork, clamp: object, mss: int) -> None:
    load(network, clamp_mss=clamp)
    network.gateway.run("ip", "link", "set", "wan0", "mtu", "1400")
    serve(network.server, 7000)
    assert mss_that_comes_in(network.client, network) == mss


def test_a_connection_survives_the_table_being_replaced(network: GatewayNetwork) -> None:
    load(network)
    serve(network.server, 7000)
    caller = network.client.popen("python3", "-c", CALL, SERVER6, "7000", CLIENT, stdin=-1)
    assert caller.stdout is not None
    assert caller.stdin is not None
    assert caller.stdout.readline() == f"{UPLINK}\n"
    load(network, clamp_mss=True, port_forwards=[FORWARD])
    caller.stdin.write("go on\n")
    caller.stdin.flush()
    assert caller.stdout.readline() == " still there\n"


def test_a_foreign_flowtable_changes_nothing(network: GatewayNetwork) -> None:
    made = network.gateway.run(
        "nft",
        "add table inet fast; add flowtable inet fast f { hook ingress priority 0; devices = { lan0, wan0 }; };"
        "add chain inet fast forward { type filter hook forward priority 10; };"
        "add rule inet fast forward ct state established meta l4proto { tcp, udp } flow add @f",
        check=False,
    )
    if "flowtable" in made.stderr and "No such file" in made.stderr:
        pytest.skip("this kernel has no flowtables")
    assert made.returncode == 0, made.stderr
    load(network, port_forwards=[FORWARD])
    serve(network.server, 7000)
    serve(network.client, 80)
    for _ in range(3):
        assert seen(network.client, SERVER6, 7000, CLIENT) == UPLINK
        assert seen(network.server, UPLINK, 8080) == SERVER6


@pytest.mark.parametrize("who", NFTABLES)
def test_a_firewall_that_preflight_refuses_drops_and_its_remedy_helps(
    network: GatewayNetwork, who: str
) -> None:
    text, remedy = NFTABLES[who]
    load(network)
    serve(network.server, 7000)
    file = network.directory / "foreign.nft"
    for rules, reached in (("", False), (remedy, True)):
        file.write_text("flush ruleset\n" + text.replace("HERE", rules))
        network.gateway.run("nft", "--file", str(file))
        load(network)
        assert (seen(network.client, SERVER6, 7000, CLIENT) == UPLINK) == reached


def test_the_translators_errors_reach_the_client(network: GatewayNetwork) -> None:
    load(network)
    network.router4.run("ip", "route", "add", "unreachable", "203.0.113.99")
    wait_until(lambda: network.ping("-I", CLIENT), "the way through")
    told = network.client.run("ping", "-c1", "-W2", "2001:db8:64:ff9b::cb00:7163", check=False)
    assert "unreachable" in told.stdout
