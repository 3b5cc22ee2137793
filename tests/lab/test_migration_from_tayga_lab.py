"""Debian's own TAYGA runs and is stopped; nat64d takes its tayga.conf and its dynamic.map as they lie there."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import debian_tayga
from tests.lab.gateway_network import CLIENT, COMMANDS, SERVER, GatewayNetwork, gateway_network
from tests.lab.namespaces import stop, wait_until
from tests.lab.peers import listen

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab

PREFIX = "2001:db8:1:ffff::/96"  # Debian's tayga.conf has these two, a data-dir, and a TUN named nat64
POOL = "192.168.255.0/24"
SERVER6 = "2001:db8:1:ffff::cb00:7150"
HOSTS = [CLIENT, *(f"2001:db8:1::{number:x}" for number in range(0x100, 0x10A))]
AWAY = "2001:db8:1::aaaa"  # a host that TAYGA has not seen for some days
AWAY_LEASE = "192.168.255.99"
DAY = 86400

# What administrators added to Debian's file over the years, as TAYGA 0.9.2 takes it.
HAND_GROWN = """
   TUN-Device   nat64   # comments may follow
ipv4-addr 192.168.255.1
Ipv6-Addr 2001:db8:3::64
PREFIX 2001:db8:1:ffff::/96
\tdynamic-pool 192.168.255.0/24

map 192.168.255.200   2001:db8:1::200
data-dir /var/spool/tayga
strict-frag-hdr off
"""


# Answers each datagram with the address that it came from.
TELL_SOURCE = """
import socket, sys
channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
channel.bind((sys.argv[1], 9000))
print("listening", flush=True)
while True:
    _, peer = channel.recvfrom(65535)
    channel.sendto(peer[0].encode(), peer)
"""

ASK_SOURCE = """
import socket, sys
channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
channel.bind((sys.argv[1], 0))
channel.settimeout(5)
channel.sendto(b"who am I", (sys.argv[2], 9000))
print(channel.recv(65535).decode())
"""


class TaygaHost:
    """The gateway of a network as a host with Debian's TAYGA, whose /var/spool/tayga is a directory of its own."""

    def __init__(self, network: GatewayNetwork, config: str) -> None:
        self.network = network
        self.spool = network.directory / "spool"
        self.data = self.spool / "tayga"
        self.data.mkdir(parents=True)
        self.config = network.directory / "tayga.conf"
        self.config.write_text(config)
        self.log = network.directory / "daemon.log"
        gateway = network.gateway
        gateway.run(str(debian_tayga.program()), "-c", str(self.config), "--mktun")
        debian_tayga.bring_up(gateway, "nat64", PREFIX, POOL)
        network.router4.run("ip", "route", "add", POOL, "via", "198.51.100.2")
        for host in HOSTS[1:]:
            network.client.run("ip", "address", "add", f"{host}/64", "dev", "lan0", "nodad")

    def start(self, program: Path) -> subprocess.Popen[str]:
        """Start a translator with nothing but the config, and wait until it holds the TUN."""
        with self.log.open("w") as log:
            daemon = self.network.gateway.popen(
                *("sh", "-c", 'mount --bind "$0" /var/spool && exec "$@"', str(self.spool)),
                *(str(program), "-c", str(self.config), "-d"),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(
            lambda: "LOWER_UP" in self.network.gateway.run("ip", "link", "show", "nat64").stdout,
            f"{program.name}:\n{self.log.read_text()}",
        )
        return daemon

    def saved(self) -> dict[str, tuple[str, int]]:
        """Return what dynamic.map holds: for each host its address and the time of last use."""
        lines = (self.data / "dynamic.map").read_text().splitlines()
        words = [line.split() for line in lines if line and not line.startswith("#")]
        return {host: (address, int(used)) for address, host, used in words}


@pytest.fixture(params=["as Debian ships it", "hand-grown"])
def host(request: pytest.FixtureRequest) -> Iterator[TaygaHost]:
    shipped = (debian_tayga.unpacked() / "etc" / "tayga.conf").read_text()
    config = shipped if request.param == "as Debian ships it" else HAND_GROWN
    with (
        tempfile.TemporaryDirectory(prefix="nat64d-") as directory,
        gateway_network(Path(directory)) as network,
    ):
        yield TaygaHost(network, config)


def test_an_unmodified_tayga_conf_and_its_dynamic_map_start_and_keep_every_lease(host: TaygaHost) -> None:
    network = host.network
    some_days_ago = int(time.time()) - 3 * DAY
    (host.data / "dynamic.map").write_text(f"{AWAY_LEASE}\t{AWAY}\t{some_days_ago}\n")

    tayga = host.start(debian_tayga.program())
    for address in HOSTS:
        network.client.run("ping", "-c1", "-W5", "-I", address, SERVER6)
    stop(tayga)
    left = host.saved()
    assert left.keys() == {*HOSTS, AWAY}
    assert left[AWAY] == (AWAY_LEASE, some_days_ago)

    listen(network.server, TELL_SOURCE, SERVER)
    nat64d = host.start(COMMANDS / "nat64d")
    for address in HOSTS:  # before a packet of the host's own
        pool_address, _ = left[address]
        network.server.run("ping", "-c1", "-W5", pool_address)
        seen = network.client.python(ASK_SOURCE, address, SERVER6)
        assert seen.stdout == f"{pool_address}\n"
    network.client.run("ip", "address", "add", f"{AWAY}/64", "dev", "lan0", "nodad")
    assert network.client.python(ASK_SOURCE, AWAY, SERVER6).stdout == f"{AWAY_LEASE}\n"
    assert stop(nat64d) == 0
    assert "skipped" not in host.log.read_text()
    kept = host.saved()
    assert {name: address for name, (address, _) in kept.items()} == {
        name: address for name, (address, _) in left.items()
    }
