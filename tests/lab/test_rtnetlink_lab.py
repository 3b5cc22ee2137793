"""What rtnetlink tells of a live network namespace is what `ip -json` of iproute2 tells."""

from __future__ import annotations

import json
import sys
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.namespaces import Namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab
PROJECT = Path(__file__).parents[2]

# Links that are up and down, a bridge, a TUN with a peer, addresses in several states, and routes of all kinds.
SETUP = """
ip link add lan0 type veth peer name far0
ip link set lan0 mtu 1400 up
ip link add br0 type bridge
ip tuntap add dev nat64 mode tun
ip link set nat64 up
ip address add 192.0.2.1/24 dev lan0
ip address add 198.51.100.1 peer 198.51.100.2/32 dev nat64
ip address add 2001:db8:1::1/64 dev lan0 nodad
ip address add 2001:db8:2::1/64 dev nat64 nodad preferred_lft 0 valid_lft 600
ip route add default dev nat64 metric 5
ip route add 203.0.113.0/24 via 192.0.2.9 dev lan0 proto static metric 7
ip route add 192.168.240.0/20 dev nat64 proto 64
ip route add 192.168.0.0/16 proto boot nexthop via 192.0.2.7 dev lan0 nexthop via 192.0.2.8 dev lan0 weight 3
ip route add unreachable 10.0.0.0/8
ip route add 172.16.0.0/12 dev lan0 table 77
ip -6 route add default via 2001:db8:1::9 dev lan0 proto ra metric 1024
ip -6 route add 64:ff9b::/96 dev nat64 proto 64
ip -6 route add blackhole 2001:db8:dead::/48
ip route add 100.64.0.0/10 via inet6 2001:db8:1::9 dev lan0
"""

LOOK = """
import json
from plugins.module_utils import rtnetlink
print(json.dumps({
    "links": [[x.name, x.mtu, x.up, x.kind, x.loopback] for x in rtnetlink.links()],
    "addresses": [[x.device, str(x.interface), x.scope, x.tentative, x.deprecated, x.dynamic] for x in rtnetlink.addresses()],
    "routes": [[str(x.destination), x.device, str(x.gateway or ""), x.metric, x.protocol, x.kind] for x in rtnetlink.routes()],
}))
"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[Namespace]:
    namespace = Namespace("rtnetlink")
    namespace.run("sh", "-ec", SETUP)
    yield namespace
    namespace.close()


@pytest.fixture(scope="module")
def told(gateway: Namespace) -> dict[str, list[list[Any]]]:
    answer = gateway.run("env", f"PYTHONPATH={PROJECT}", sys.executable, "-c", LOOK)
    found: dict[str, list[list[Any]]] = json.loads(answer.stdout)
    return found


def ip(gateway: Namespace, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(gateway.run("ip", "-json", "-details", *words).stdout)
    return found


def test_links_are_the_same(gateway: Namespace, told: dict[str, list[list[Any]]]) -> None:
    shown = [
        [
            link["ifname"],
            link["mtu"],
            "UP" in link["flags"],
            link.get("linkinfo", {}).get("info_kind", ""),
            "LOOPBACK" in link["flags"],
        ]
        for link in ip(gateway, "link", "show")
    ]
    assert told["links"] == shown
    assert {kind for _, _, _, kind, _ in shown} >= {"tun", "veth", "bridge"}


def test_addresses_are_the_same(gateway: Namespace, told: dict[str, list[list[Any]]]) -> None:
    shown = [
        [
            link["ifname"],
            str(ip_interface(f"{address['local']}/{address['prefixlen']}")),
            address["scope"],
            address.get("tentative", False),
            address.get("deprecated", False),
            address["valid_life_time"] != 2**32 - 1,
        ]
        for link in ip(gateway, "address", "show")
        for address in link.get("addr_info", [])
    ]
    assert sorted(told["addresses"]) == sorted(shown)
    assert ["nat64", "2001:db8:2::1/64", "global", False, True, True] in shown


@pytest.mark.parametrize("family", ["4", "6"])
def test_routes_are_the_same(family: str, gateway: Namespace, told: dict[str, list[list[Any]]]) -> None:
    anywhere = {"4": "0.0.0.0/0", "6": "::/0"}[family]
    shown = [
        [
            str(ip_network(anywhere if route["dst"] == "default" else route["dst"])),
            hop.get("dev", route.get("dev", "")),
            hop.get("gateway", route.get("gateway", route.get("via", {}).get("host", ""))),
            route.get("metric", 0),
            route["protocol"],
            route.get("type", "unicast"),
        ]
        for route in ip(gateway, f"-{family}", "route", "show")
        for hop in route.get("nexthops", [{}])
    ]
    own = [route for route in told["routes"] if (":" in route[0]) == (family == "6")]
    assert sorted(own) == sorted(shown)
    assert len(shown) > 4
