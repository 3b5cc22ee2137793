"""Two gateways with one pool: each knows the other's leases, so that either goes on for the other.

::

    client ── router6 ─┬─ gateway ─┬─ router4 ── server
                       └─ second ──┘
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.lab.gateway_network import CLIENT, SERVER6, GatewayNetwork, gateway_network
from tests.lab.namespaces import link, namespaces, stop, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Answers each line with the same.
_ECHO = """
import socket
listener = socket.create_server(("0.0.0.0", 7))
print("listening", flush=True)
connection, _ = listener.accept()
for line in connection.makefile("rb"):
    connection.sendall(line)
"""
# Passes lines from its standard input to the server and prints what comes back.
_ASK = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 7), timeout=20)
answers = connection.makefile("r")
for line in sys.stdin:
    connection.sendall(line.encode())
    print(answers.readline(), end="", flush=True)
"""


class TwoGateways:
    """The network with two gateways, of which `leads_through` chooses the one that packets go through."""

    def __init__(self, first: GatewayNetwork, second: GatewayNetwork) -> None:
        self.first, self.second = first, second

    def leads_through(self, gateway: GatewayNetwork) -> None:
        six, four = (
            ("2001:db8:2::2", "198.51.100.2") if gateway is self.first else ("2001:db8:4::2", "198.51.101.2")
        )
        gateway.router6.run("ip", "route", "replace", "default", "via", six)
        gateway.router4.run("ip", "route", "replace", "192.168.240.0/20", "via", four)

    def start(self, gateway: GatewayNetwork) -> None:
        own, other = (1, 2) if gateway is self.first else (2, 1)
        gateway.write_config(f"lease-listen 192.0.2.{own}", f"lease-peer 192.0.2.{other}")
        gateway.start()

    def wait_for_link(self, *gateways: GatewayNetwork) -> None:
        for gateway in gateways:
            wait_until(lambda of=gateway: peer_problem(of) is None, "the peer's leases")  # type: ignore[misc]


def peer_problem(gateway: GatewayNetwork) -> str | None:
    (peer,) = gateway.ask("status")["lease_peers"]
    problem: str | None = peer["problem"]
    return problem


def held(gateway: GatewayNetwork) -> dict[str, str]:
    return {row["host"]: row["address"] for row in gateway.ask("hosts")["rows"]}


@pytest.fixture(params=["off", "require"])
def gateways(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TwoGateways]:
    (tmp_path / "second").mkdir()
    with gateway_network(tmp_path, request.param) as first, namespaces("second") as (space,):
        spaces = (first.client, first.router6, space, first.router4, first.server)
        second = GatewayNetwork(spaces, tmp_path / "second", request.param)
        link(first.router6, "up1", space, "lan0")
        link(space, "wan0", first.router4, "down1")
        link(first.gateway, "peer0", space, "peer0")
        for namespace, device, address in (
            (first.router6, "up1", "2001:db8:4::1/64"),
            (space, "lan0", "2001:db8:4::2/64"),
            (space, "wan0", "198.51.101.2/24"),
            (first.router4, "down1", "198.51.101.1/24"),
            (first.gateway, "peer0", "192.0.2.1/24"),
            (space, "peer0", "192.0.2.2/24"),
        ):
            namespace.run("ip", "address", "add", address, "dev", device)
        space.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        space.run("ip", "route", "add", "2001:db8:1::/64", "via", "2001:db8:4::1")
        space.run("ip", "route", "add", "default", "via", "198.51.101.1")
        two = TwoGateways(first, second)
        try:
            for gateway in (first, second):
                two.start(gateway)
            two.wait_for_link(first, second)
            yield two
        finally:
            for gateway in (first, second):
                if gateway.daemon is not None and gateway.daemon.poll() is None:
                    gateway.stop()


@contextlib.contextmanager
def connection(two: TwoGateways) -> Iterator[subprocess.Popen[str]]:
    server = two.first.server.popen(sys.executable, "-c", _ECHO)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "listening\n"
        client = two.first.client.popen(sys.executable, "-c", _ASK, SERVER6, stdin=subprocess.PIPE)
        try:
            yield client
        finally:
            stop(client)
    finally:
        stop(server)


def say(client: subprocess.Popen[str], line: str) -> str:
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(f"{line}\n")
    client.stdin.flush()
    return client.stdout.readline().strip()


def test_a_connection_goes_on_through_the_other_gateway(gateways: TwoGateways) -> None:
    with connection(gateways) as client:
        assert say(client, "one") == "one"
        wait_until(lambda: held(gateways.second) == held(gateways.first), "the same leases")
        assert CLIENT in held(gateways.second)
        gateways.first.daemon.kill()  # type: ignore[union-attr]
        gateways.leads_through(gateways.second)
        assert say(client, "two") == "two"


def test_one_that_was_killed_has_the_leases_of_both_when_it_is_back(gateways: TwoGateways) -> None:
    gateways.first.ping()
    wait_until(lambda: CLIENT in held(gateways.second), "the lease on the other gateway")
    first, second = gateways.first, gateways.second
    first.daemon.kill()  # type: ignore[union-attr]
    gateways.leads_through(second)
    first.client.run("ip", "address", "add", "2001:db8:1::d/64", "dev", "lan0", "nodad")
    first.client.run("ping", "-c1", "-W5", "-I", "2001:db8:1::d", SERVER6)
    assert peer_problem(second) is not None
    gateways.start(first)
    gateways.wait_for_link(first, second)
    wait_until(lambda: held(first) == held(second), "the same leases")
    assert held(first).keys() == {CLIENT, "2001:db8:1::d"}


def test_nobody_but_the_peer_hears_of_leases(gateways: TwoGateways) -> None:
    gateways.first.gateway.run("ip", "address", "add", "192.0.2.3/24", "dev", "peer0")
    gateways.second.gateway.run("ip", "address", "add", "192.0.2.4/24", "dev", "peer0")
    asked = gateways.second.gateway.python(
        "import socket\n"
        "asking = socket.create_connection(('192.0.2.1', 6464), source_address=('192.0.2.4', 0), timeout=20)\n"
        "try:\n"
        '    asking.sendall(b\'{"version":1,"command":"follow-leases"}\\n\')\n'
        "    print(len(asking.recv(1)))\n"
        "except ConnectionError:\n"
        "    print(0)\n"
    )
    assert asked.stdout.strip() == "0"
