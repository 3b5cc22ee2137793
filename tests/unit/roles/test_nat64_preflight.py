"""What role nat64's look at a host makes of it."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.roles.scripts import load

if TYPE_CHECKING:
    from types import ModuleType

PROJECT = Path(__file__).parents[3]
nat64 = load("roles/nat64/files/host_state.py")
dns64 = load("roles/dns64/files/host_state.py")
resolver = load("roles/resolver/files/host_state.py")


def link(name: str, *addresses: str) -> dict[str, Any]:
    interfaces = [ipaddress.ip_interface(address) for address in addresses]
    return {
        "ifname": name,
        "addr_info": [
            {"local": str(one.ip), "prefixlen": one.network.prefixlen, "scope": "global"}
            for one in interfaces
        ],
    }


LINKS = [link("lan0", "2001:db8:64:1::1/64"), link("wan0", "198.51.100.2/24", "2001:db8:0:1::2/64")]
RA_ROUTE = {"dst": "default", "gateway": "fe80::1", "dev": "wan0", "protocol": "ra", "metric": 1024}


def nat64_findings(
    *,
    links: list[dict[str, Any]] | None = None,
    ipv4_routes: list[dict[str, Any]] | None = None,
    ipv6_routes: list[dict[str, Any]] | None = None,
    **wanted: object,
) -> list[str]:
    values: dict[str, object] = {
        "device": "nat64",
        "prefix": "64:ff9b::/96",
        "pool": "192.168.240.0/20",
        "ipv4_addr": "192.168.240.1",
        "ipv6_addr": "fd00:db8::64",
    }
    host = nat64.Host(LINKS if links is None else links, ipv4_routes or [], ipv6_routes or [])
    found: list[str] = nat64.findings(nat64.Wanted(**(values | wanted)), host)
    return found


def test_nothing_stands_in_the_way_of_the_defaults() -> None:
    assert nat64_findings() == []


@pytest.mark.parametrize("prefix", ["2001:db8::/32", "2001:db8::/40", "2001:db8::/48", "64:ff9b:1::/48"])
def test_rfc6052_2_2_lengths_are_accepted(prefix: str) -> None:
    assert nat64_findings(prefix=prefix, links=[]) == []


@pytest.mark.parametrize("prefix", ["2001:db8::/95", "2001:db8::/33", "2001:db8::/128"])
def test_rfc6052_2_2_other_lengths_are_refused(prefix: str) -> None:
    (finding,) = nat64_findings(prefix=prefix, links=[])
    assert finding.startswith("nat64_prefix: ")
    assert "RFC 6052" in finding
    assert "/96" in finding


def test_rfc6052_2_2_bits_64_to_71_must_be_zero() -> None:
    (finding,) = nat64_findings(prefix="2001:db8:0:0:100::/96")
    assert "bits 64 to 71" in finding


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("prefix", "64:ff9b::"),
        ("prefix", "64:ff9b::1/96"),
        ("prefix", "192.0.2.0/24"),
        ("pool", "192.168.240.1/20"),
        ("pool", "192.168.240.0"),
        ("pool", "192.168.240.0/31"),
        ("ipv4_addr", "192.168.240"),
        ("ipv6_addr", "192.168.240.1"),
        ("device", "a name that is too long"),
    ],
)
def test_a_bad_value_is_told_with_its_variable(variable: str, value: str) -> None:
    wanted: dict[str, Any] = {variable: value}
    (finding,) = nat64_findings(**wanted)
    assert finding.startswith(f"nat64_{variable}: ")
    assert ";" in finding, "a remedy follows"


@pytest.mark.parametrize("pool", ["198.51.100.0/24", "198.51.0.0/16", "198.51.100.0/30"])
def test_a_pool_may_not_overlap_a_network_of_the_host(pool: str) -> None:
    (finding,) = nat64_findings(pool=pool)
    assert "nat64_pool" in finding
    assert "wan0" in finding


def test_a_prefix_may_not_overlap_a_network_of_the_host() -> None:
    (finding,) = nat64_findings(prefix="2001:db8:64:1::/64")
    assert "nat64_prefix" in finding
    assert "lan0" in finding


def test_the_tuns_own_addresses_and_routes_are_no_clash() -> None:
    tun = link("nat64", "192.168.240.2/20")
    route = {"dst": "192.168.240.0/20", "dev": "nat64"}
    assert nat64_findings(links=[*LINKS, tun], ipv4_routes=[route]) == []


def test_our_own_routes_to_a_device_of_another_name_are_no_clash() -> None:
    route = {"dst": "192.168.240.0/20", "dev": "oldname", "protocol": "64"}
    assert nat64_findings(ipv4_routes=[route]) == []


def test_a_route_to_a_part_of_the_pool_is_a_clash_and_a_wider_one_is_none() -> None:
    assert nat64_findings(ipv4_routes=[{"dst": "192.168.0.0/16", "dev": "vpn0"}]) == []
    (finding,) = nat64_findings(ipv4_routes=[{"dst": "192.168.241.0/24", "dev": "vpn0"}])
    assert "192.168.241.0/24" in finding
    assert "vpn0" in finding


def test_the_translator_needs_addresses_of_its_own() -> None:
    (finding,) = nat64_findings(ipv6_addr="2001:db8:64:1::1")
    assert finding.startswith("nat64_ipv6_addr: ")


def test_each_map_is_told_by_its_number() -> None:
    good = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}
    findings = nat64_findings(
        maps=[good, good | {"ipv4": "192.0.2.300"}, good | {"ipv6": "2001:db8:64:1::1"}]
    )
    assert [finding.partition(":")[0] for finding in findings] == ["nat64_maps[2].ipv4", "nat64_maps[3].ipv6"]


def test_a_directive_with_a_variable_of_its_own_is_refused() -> None:
    (finding,) = nat64_findings(extra_directives=["offlink-mtu 1400", "MAP 192.0.2.1 2001:db8::1"])
    assert "nat64_maps" in finding


def test_all_findings_come_at_once() -> None:
    assert len(nat64_findings(prefix="2001:db8::/95", pool="198.51.100.0/24", ipv6_addr="x")) == 3


def uplinks(route: dict[str, Any], accept_ra: str) -> list[str]:
    found: list[str] = nat64.ra_uplinks(nat64.Host([], [], [route]), {"wan0": accept_ra})
    return found


def test_an_uplink_that_lives_by_router_advertisements_is_found() -> None:
    assert uplinks(RA_ROUTE, "1") == ["wan0"]
    assert uplinks(RA_ROUTE, "2") == ["wan0"]


def test_an_uplink_whose_advertisements_a_daemon_reads_is_left_to_it() -> None:
    assert uplinks(RA_ROUTE, "0") == []


def test_a_static_default_route_needs_no_advertisements() -> None:
    assert uplinks(RA_ROUTE | {"protocol": "static"}, "1") == []


def test_a_route_with_several_next_hops_counts_each() -> None:
    route = {"dst": "default", "protocol": "ra", "nexthops": [{"gateway": "fe80::1", "dev": "wan0"}]}
    assert uplinks(route, "1") == ["wan0"]
    assert nat64.default_routes(nat64.Host([], [], [route])) == ["family ipv6 gateway fe80::1 dev wan0"]


def test_accept_ra_comes_before_forwarding() -> None:
    keys = list(nat64.sysctls("nat64", ["eth0.100"]))
    assert keys.index("net/ipv6/conf/eth0.100/accept_ra") < keys.index("net/ipv6/conf/all/forwarding")


def test_default_routes_do_not_differ_by_what_passes() -> None:
    before = nat64.Host([], [], [RA_ROUTE | {"expires": 1797}])
    after = nat64.Host([], [], [RA_ROUTE | {"expires": 1200}])
    assert nat64.default_routes(before) == nat64.default_routes(after) != []


def test_settings_are_read_back_from_what_was_written() -> None:
    assert nat64.recorded("# comment\nnet/ipv6/conf/all/forwarding = 0\n\n") == {
        "net/ipv6/conf/all/forwarding": "0"
    }


@pytest.mark.skipif(shutil.which("ip") is None, reason="needs ip, of iproute2")
def test_the_look_at_a_host_answers_in_json() -> None:
    wanted = {"device": "nat64", "prefix": "x", "pool": "x", "ipv4_addr": "x", "ipv6_addr": "x"}
    asked = subprocess.run(
        [sys.executable, "-", json.dumps(wanted)],
        input=(PROJECT / "roles/nat64/files/host_state.py").read_text(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(json.loads(asked.stdout)) == {"findings", "default_routes", "sysctl", "ifupdown", "left_over"}


# Of a unit that has run since second 1000 after boot, and has reloaded at 2000.
STATES = {"ActiveEnter": 1_000_000_000, "StateChange": 2_000_000_000}


@pytest.mark.parametrize("role", [nat64, dns64, resolver], ids=["nat64", "dns64", "resolver"])
@pytest.mark.parametrize(
    ("written", "state", "topics"),
    [
        (500, "active", []),
        (1500, "active", ["unit changed"]),
        (2500, "active", ["unit changed", "config changed"]),
        (2500, "inactive", []),
    ],
)
def test_what_an_interrupted_run_did_not_come_to_is_taken_up(
    *,
    role: ModuleType,
    written: float,
    state: str,
    topics: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "file"
    file.touch()
    boot = time.time() - time.monotonic()
    os.utime(file, (boot + written, boot + written))

    def show(*command: str) -> str:
        (moment,) = (since for since in STATES if f"--property={since}TimestampMonotonic" in command)
        return f"ActiveState={state}\n{moment}TimestampMonotonic={STATES[moment]}\n"

    monkeypatch.setattr(role, "_output", show)
    applied = [
        {"topic": f"{kind} changed", "unit": "a.service", "since": since, "files": [str(file), "/nowhere"]}
        for kind, since in (("unit", "ActiveEnter"), ("config", "StateChange"))
    ]
    assert role.left_over(applied) == topics
