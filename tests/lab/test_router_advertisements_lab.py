"""What hosts see of role router_advertisements: real daemons, packets read by scapy, and a kernel that takes routes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Final

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils.router_advertisement import OwnAddress, read_plan
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6NDOptDNSSL,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPREF64,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptRouteInfo,
)

from tests.lab.distribution_daemons import ENVIRONMENT, TMP, inside, unpacked
from tests.lab.namespaces import Namespace, link, namespaces, stop, wait_until
from tests.unit.roles.rendering import render, value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scapy.packet import Packet

# Unpacking the daemons, where that was not done yet, takes half a minute.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

GATEWAY: Final = "2001:db8:64:1::1"

# Asks for an advertisement once a second until one comes, and prints it.
SOLICIT: Final = """
import socket, sys, time
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lan0")
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.settimeout(1)
for _ in range(40):
    try:
        s.sendto(bytes([133, 0, 0, 0, 0, 0, 0, 0]), ("ff02::2", 0, 0, socket.if_nametoindex("lan0")))
        while True:
            packet = s.recv(2000)
            if packet[0] == 134:
                print(packet.hex())
                sys.exit()
    except OSError:  # none came in time, or there is no address yet to ask from
        time.sleep(0.1)
sys.exit("no advertisement came")
"""

# Listens for advertisements until one has `sys.argv[1]` in it, and prints it.
LISTEN: Final = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lan0")
s.settimeout(40)
print("listening", flush=True)
while True:
    packet = s.recv(2000)
    if packet[0] == 134:
        print(packet.hex(), flush=True)
"""

# A host that can do without IPv4 asks for an address, and prints the options of the offer.
DISCOVER: Final = """
import logging, sys
logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.config import conf
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.sendrecv import srp1
conf.checkIPaddr = False  # the offer comes to the broadcast address
asked = [1, 3, *map(int, sys.argv[1:])]
packet = (
    Ether(src="02:00:00:00:01:0c", dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255")
    / UDP(sport=68, dport=67) / BOOTP(chaddr=bytes.fromhex("02000000010c"), xid=64, flags=0x8000)
    / DHCP(options=[("message-type", "discover"), ("param_req_list", asked), "end"])
)
for _ in range(20):
    offer = srp1(packet, iface="lan0", timeout=1, verbose=False, filter=None, multi=False)
    if offer is not None and BOOTP in offer:
        print(bytes(offer[BOOTP]).hex())
        sys.exit()
sys.exit("no offer came")
"""


def wanted(**variables: object) -> list[dict[str, Any]]:
    """Return what the module makes of the role's defaults and `variables` on the router below."""
    given = {f"router_advertisements_{name}": each for name, each in variables.items()}
    given.setdefault("router_advertisements_interfaces", ["lan0"])
    settings = value("router_advertisements", "__router_advertisements_settings", **given)
    plan = read_plan(settings, ["lo", "lan0"], [OwnAddress("lan0", IPv6Address(GATEWAY))])
    assert plan.findings == []
    return plan.as_dicts()


def config(**variables: object) -> str:
    """Return the radvd.conf that the role writes for them."""
    return render(
        "router_advertisements/radvd.conf.j2",
        __router_advertisements_host={"interfaces": wanted(**variables)},
    )


class Lan:
    """A router with radvd and a host, joined by a wire."""

    def __init__(self, router: Namespace, host: Namespace, root: Path, directory: Path) -> None:
        self.router, self.host, self.root, self.directory = router, host, root, directory
        self.radvd: subprocess.Popen[str] | None = None

    def advertise(self, **variables: object) -> None:
        """Start radvd with what the role writes."""
        (self.directory / "radvd.conf").write_text(config(**variables))
        command = (
            "/usr/sbin/radvd",
            "--nodaemon",
            "--logmethod",
            "stderr_clean",
            "--config",
            f"{TMP}/radvd.conf",
        )
        with (self.directory / "log").open("w") as log:
            self.radvd = self.router.popen(
                *inside(self.root, self.directory, *command, "--pidfile", f"{TMP}/radvd.pid"),
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def seen(self) -> ICMPv6ND_RA:
        """Have the host ask, and return the advertisement that comes."""
        return ICMPv6ND_RA(bytes.fromhex(self.host.python(SOLICIT).stdout.strip()))


@pytest.fixture(scope="module")
def trixie() -> Path:
    return unpacked("trixie")


@pytest.fixture(scope="module")
def bookworm() -> Path:
    return unpacked("bookworm")


@pytest.fixture
def lan(trixie: Path, tmp_path: Path) -> Iterator[Lan]:
    with namespaces("router", "host") as (router, host):
        link(router, "lan0", host, "lan0")
        router.sysctl(net__ipv6__conf__all__forwarding=1)
        router.run("ip", "address", "add", f"{GATEWAY}/64", "dev", "lan0", "nodad")
        tmp_path.chmod(0o755)
        yield Lan(router, host, trixie, tmp_path)


# Router advertisements


def test_a_host_sees_what_was_configured(lan: Lan) -> None:
    lan.advertise(
        interval=300,
        preference="high",
        dnssl=["example.com", "example.net"],
        rdnss=["self", "2001:db8:64:1::53"],
        pref64=["64:ff9b::/96", "2001:db8:64::/48"],
        mtu=1480,
    )
    seen = lan.seen()
    assert (seen.routerlifetime, seen.prf) == (900, 1)  # 01 is high (RFC 4191 section 2.2)
    assert seen[ICMPv6NDOptMTU].mtu == 1480
    prefix = seen[ICMPv6NDOptPrefixInfo]
    assert (prefix.prefix, prefix.prefixlen, prefix.A, prefix.L) == ("2001:db8:64:1::", 64, 1, 1)
    assert (prefix.preferredlifetime, prefix.validlifetime) == (2700, 5400)
    assert (seen[ICMPv6NDOptRDNSS].dns, seen[ICMPv6NDOptRDNSS].lifetime) == (
        [GATEWAY, "2001:db8:64:1::53"],
        900,
    )
    assert seen[ICMPv6NDOptDNSSL].searchlist == ["example.com.", "example.net."]
    assert seen[ICMPv6NDOptDNSSL].lifetime == 900
    told = layers(seen, ICMPv6NDOptPREF64)
    # RFC 8781 section 4: 900 seconds round up to 113 times 8; PLC 0 is /96, 2 is /56, 3 is /48 … by its table.
    assert {(each.prefix, each.plc, each.scaledlifetime) for each in told} == {
        ("64:ff9b::", 0, 113),
        ("2001:db8:64::", 3, 113),
    }
    assert ICMPv6NDOptRouteInfo not in seen


def test_beside_another_router_only_the_way_to_the_prefix_is_told(lan: Lan) -> None:
    lan.advertise(default_router=False)
    seen = lan.seen()
    assert seen.routerlifetime == 0
    assert ICMPv6NDOptPrefixInfo not in seen
    route = seen[ICMPv6NDOptRouteInfo]
    assert (route.prefix, route.plen, route.rtlifetime) == ("64:ff9b::", 96, 1800)
    assert seen[ICMPv6NDOptPREF64].prefix == "64:ff9b::"


def test_a_linux_host_takes_that_route_and_no_default_route(lan: Lan) -> None:
    # 128 and not 96: what kernels without CONFIG_IPV6_ROUTE_INFO lack is the sysctl itself.
    lan.host.sysctl(net__ipv6__conf__lan0__accept_ra=1, net__ipv6__conf__lan0__accept_ra_rt_info_max_plen=128)
    lan.advertise(default_router=False)
    lan.seen()
    wait_until(
        lambda: "64:ff9b::/96 via fe80::" in lan.host.run("ip", "-6", "route", "show", "proto", "ra").stdout,
        "the route to the prefix",
    )
    assert "default" not in lan.host.run("ip", "-6", "route", "show").stdout


def test_a_delegated_prefix_that_changes_is_followed(lan: Lan) -> None:
    lan.advertise()
    assert lan.seen()[ICMPv6NDOptPrefixInfo].prefix == "2001:db8:64:1::"
    lan.router.run("ip", "address", "del", f"{GATEWAY}/64", "dev", "lan0")
    lan.router.run("ip", "address", "add", "2001:db8:64:2::1/64", "dev", "lan0", "nodad")
    wait_until(
        lambda: "2001:db8:64:2::" in [option.prefix for option in layers(lan.seen(), ICMPv6NDOptPrefixInfo)],
        "the new prefix to be advertised",
        timeout=60,
    )
    # An old one that is still told is told as one not to be used.
    old = [
        option for option in layers(lan.seen(), ICMPv6NDOptPrefixInfo) if option.prefix == "2001:db8:64:1::"
    ]
    assert all(option.preferredlifetime == 0 for option in old)


def layers(seen: ICMPv6ND_RA, kind: type[Packet]) -> list[Packet]:
    """Return every option of a kind."""
    found: list[Packet] = []
    while option := seen.getlayer(kind, len(found) + 1):
        found.append(option)
    return found


def test_when_it_stops_hosts_let_go_at_once(lan: Lan) -> None:
    lan.advertise()
    lan.seen()
    listening = lan.host.popen(sys.executable, "-c", LISTEN)
    assert listening.stdout is not None
    assert listening.stdout.readline() == "listening\n"
    assert lan.radvd is not None
    lan.radvd.send_signal(signal.SIGTERM)
    for line in listening.stdout:
        seen = ICMPv6ND_RA(bytes.fromhex(line.strip()))
        if seen.routerlifetime == 0:
            break
    stop(listening)
    assert seen[ICMPv6NDOptPrefixInfo].preferredlifetime == 0
    assert seen[ICMPv6NDOptRDNSS].lifetime == 0


def test_a_reload_tells_the_new_values(lan: Lan) -> None:
    lan.advertise()
    assert lan.seen()[ICMPv6NDOptPREF64].prefix == "64:ff9b::"
    (lan.directory / "radvd.conf").write_text(config(pref64=["2001:db8:64::/96"]))
    os.kill(int((lan.directory / "radvd.pid").read_text()), signal.SIGHUP)
    wait_until(lambda: lan.seen()[ICMPv6NDOptPREF64].prefix == "2001:db8:64::", "the new prefix")


@pytest.mark.parametrize(("pref64", "accepted"), [(["64:ff9b::/96"], False), ([], True)])
def test_debian_12s_radvd_takes_all_but_the_prefix(
    bookworm: Path, tmp_path: Path, pref64: list[str], accepted: bool
) -> None:
    (tmp_path / "radvd.conf").write_text(config(pref64=pref64, dnssl=["example.com"], mtu=1480))
    checked = subprocess.run(
        inside(bookworm, tmp_path, "/usr/sbin/radvd", "--configtest", "--config", f"{TMP}/radvd.conf"),
        check=False,
        capture_output=True,
    )
    assert (checked.returncode == 0) is accepted


# DHCP option 108


RELEASES: Final = ["bookworm", "trixie"]
KEA: Final = {
    "lease-database": {"type": "memfile", "persist": False},
    "multi-threading": {"enable-multi-threading": False},
}


def kea_config(directory: Path, *interfaces: str) -> str:
    """Write a config of Kea that includes our piece; return its path in the chroot."""
    (directory / "option-108.json").write_text(
        render("router_advertisements/kea-option-108.json.j2", router_advertisements_v6only_wait=1800)
    )
    subnet = '{"id": 1, "subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.10-192.0.2.20"}], '
    included = f'"option-data": [ <?include "{TMP}/option-108.json"?> ]}}'
    (directory / "kea.json").write_text(
        '{"Dhcp4": '
        + json.dumps(KEA | {"interfaces-config": {"interfaces": interfaces}})[:-1]
        + ', "subnet4": ['
        + subnet
        + included
        + "]}}"
    )
    return f"{TMP}/kea.json"


def dnsmasq_command(directory: Path) -> list[str]:
    """Write our piece for dnsmasq; return the command that serves with it."""
    (directory / "option-108.conf").write_text(
        render("router_advertisements/dnsmasq-option-108.conf.j2", router_advertisements_v6only_wait=1800)
    )
    return ["/usr/sbin/dnsmasq", f"--conf-file={TMP}/option-108.conf"]


@pytest.mark.parametrize("release", RELEASES)
def test_kea_finds_no_fault(release: str, tmp_path: Path) -> None:
    command = inside(unpacked(release), tmp_path, "/usr/sbin/kea-dhcp4", "-t", kea_config(tmp_path))
    checked = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | ENVIRONMENT
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("release", RELEASES)
def test_dnsmasq_finds_no_fault(release: str, tmp_path: Path) -> None:
    command = inside(unpacked(release), tmp_path, *dnsmasq_command(tmp_path), "--test")
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "syntax check OK" in checked.stderr
    assert checked.returncode == 0


@pytest.mark.parametrize("server", ["kea", "dnsmasq"])
@pytest.mark.parametrize("release", RELEASES)
def test_a_host_that_asks_is_told_to_do_without_ipv4(release: str, server: str, tmp_path: Path) -> None:
    with namespaces("dhcp", "host") as (dhcp, host):
        link(dhcp, "lan0", host, "lan0")
        dhcp.run("ip", "address", "add", "192.0.2.1/24", "dev", "lan0")
        if server == "kea":
            command = ["/usr/sbin/kea-dhcp4", "-c", kea_config(tmp_path, "lan0")]
        else:
            serving = [
                "--no-daemon",
                "--port=0",
                "--interface=lan0",
                "--user=root",
                "--group=root",
                "--no-ping",
            ]
            range_ = "--dhcp-range=192.0.2.10,192.0.2.20,255.255.255.0,1h"
            leases = [f"--dhcp-leasefile={TMP}/leases", f"--pid-file={TMP}/pid"]
            command = [*dnsmasq_command(tmp_path), *serving, range_, *leases]
        with (tmp_path / "log").open("w") as log:
            dhcp.popen(
                *inside(unpacked(release), tmp_path, *command),
                stdout=log,
                stderr=log,
                env=os.environ | ENVIRONMENT,
            )
        asked = host.python(DISCOVER, "108")
        # RFC 8925 section 3.1: a 32-bit unsigned integer in network byte order.
        assert options(asked.stdout)[108] == bytes.fromhex("00000708")
        assert 108 not in options(host.python(DISCOVER).stdout)


def options(offer: str) -> dict[int, bytes]:
    """Return the options of a DHCP message (RFC 2132 section 2)."""
    octets = bytes.fromhex(offer.strip())[236:]
    assert octets[:4] == bytes([99, 130, 83, 99])
    found, at = {}, 4
    while octets[at] != 255:
        if octets[at] == 0:
            at += 1
            continue
        found[octets[at]] = octets[at + 2 : at + 2 + octets[at + 1]]
        at += 2 + octets[at + 1]
    return found
