"""What the roles' looks at a host make of it: what stands in the way, and what must be heeded."""

from __future__ import annotations

import importlib.util
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
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from types import ModuleType

PROJECT = Path(__file__).parents[2]


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.replace("/", "_").removesuffix(".py"), PROJECT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


nat64 = load("roles/nat64/files/host_state.py")
dns64 = load("roles/dns64/files/host_state.py")
resolver = load("roles/resolver/files/host_state.py")
probe = load("playbooks/files/probe.py")


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


def dns64_findings(*listening: object, **wanted: object) -> list[str]:
    values: dict[str, object] = {
        "interfaces": ["lan0"],
        "allow_query": [],
        "listen": [],
        "port": 53,
        "prefixes": ["64:ff9b::/96"],
        "forwarders": [{"address": "127.0.0.1", "port": 65053}],
    }
    host = dns64.Host(["lo", "lan0", "wan0"], list(listening))
    found: list[str] = dns64.findings(dns64.Wanted(**(values | wanted)), host)
    return found


def test_nothing_stands_in_the_way_of_a_named_lan() -> None:
    assert dns64_findings() == []


@pytest.mark.parametrize(
    ("wanted", "variable"),
    [
        ({"interfaces": []}, "dns64_interfaces"),
        ({"interfaces": ["lan7"]}, "dns64_interfaces"),
        ({"allow_query": ["2001:db8::1/64"]}, "dns64_allow_query"),
        ({"prefixes": []}, "dns64_prefixes"),
        ({"prefixes": ["64:ff9b::/95"]}, "dns64_prefixes"),
        ({"forwarders": []}, "dns64_forwarders"),
        ({"forwarders": [{"address": "ns.example"}]}, "dns64_forwarders"),
        ({"forwarders": [{"address": "::1"}]}, "dns64_forwarders"),
        ({"forwarders": [{"address": "::1", "port": "53"}]}, "dns64_forwarders"),
        ({"listen": [{"address": "lan0"}]}, "dns64_listen"),
        ({"listen": [{"address": "2001:db8::53", "port": 65536}]}, "dns64_listen"),
        ({"forwarders": [{"address": "192.0.2.53", "port": -1}]}, "dns64_forwarders"),
        ({"port": 70000}, "dns64_port"),
    ],
)
def test_a_bad_dns64_value_is_told_with_its_variable(wanted: dict[str, Any], variable: str) -> None:
    (finding,) = dns64_findings(**wanted)
    assert finding.startswith(f"{variable}: ")
    assert ";" in finding, "a remedy follows"


# As `ss -H -tulnp` of iproute2 6.1 shows them.
NAMED = 'udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:* users:(("named",pid=612,fd=7))\n'
RESOLVED = 'udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=88,fd=13))\n'
LIBVIRT = 'tcp LISTEN 0 32 192.168.122.1:53 0.0.0.0:* users:(("dnsmasq",pid=901,fd=6))\n'
DUAL_STACK = 'tcp LISTEN 0 128 *:53 *:* users:(("coredns",pid=77,fd=9))\n'
IPV6_LAN = 'udp UNCONN 0 0 [2001:db8:64:1::1]:53 [::]:* users:(("unbound",pid=5,fd=3))\n'


@pytest.mark.parametrize(
    ("line", "culprit"),
    [(NAMED, "named"), (LIBVIRT, "dnsmasq"), (DUAL_STACK, "coredns"), (IPV6_LAN, "unbound")],
)
def test_who_holds_port_53_is_named(line: str, culprit: str) -> None:
    (finding,) = dns64_findings(*dns64.parse_listening(line, "0"))
    assert finding.startswith("dns64_port: ")
    assert culprit in finding


def test_port_53_held_by_us_is_free() -> None:
    assert dns64.parse_listening(NAMED, "612") == []


def test_a_listener_on_another_address_of_loopback_is_no_clash() -> None:
    assert dns64_findings(*dns64.parse_listening(RESOLVED, "0")) == []


def test_explicit_addresses_avoid_what_listens_elsewhere() -> None:
    listening = dns64.parse_listening(LIBVIRT, "0")
    assert dns64_findings(*listening, listen=[{"address": "2001:db8:64:1::1", "port": None}]) == []


def resolver_findings(
    listening: str = "", unit: str = "ActiveState=inactive\n", **wanted: object
) -> list[str]:
    values: dict[str, object] = {
        "port": 65053,
        "forwarders": [],
        "binary": "/usr/sbin/named",
        "unit": "named.service",
        "drop_in": "/etc/systemd/system/named.service.d/nat64-resolver.conf",
    }
    found: list[str] = resolver.findings(resolver.Wanted(**(values | wanted)), listening, unit)
    return found


def test_a_bind_with_a_config_of_its_own_is_not_taken_over() -> None:
    (finding,) = resolver_findings(unit="ActiveState=active\nDropInPaths=\n")
    assert finding.startswith("resolver_mode: ")
    ours = "/etc/systemd/system/named.service.d/nat64-resolver.conf"
    assert resolver_findings(unit=f"ActiveState=active\nDropInPaths={ours}\n") == []


def test_the_resolvers_port_may_be_held_by_bind_alone() -> None:
    assert resolver_findings(NAMED) == []
    (finding,) = resolver_findings(DUAL_STACK)
    assert "coredns" in finding


def test_a_forwarder_that_is_no_address_is_told() -> None:
    (finding,) = resolver_findings(forwarders=[{"address": "192.0.2.53"}, {"address": "ns.example"}])
    assert "ns.example" in finding


def test_a_port_that_there_is_not_is_told() -> None:
    found = resolver_findings(port=0, forwarders=[{"address": "192.0.2.53", "port": 65536}])
    assert [finding.partition(":")[0] for finding in found] == ["resolver_port", "resolver_forwarders"]


# RFC 6052 section 2.4, table 2.
@pytest.mark.parametrize(
    ("prefix", "embedded"),
    [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
    ],
)
def test_rfc6052_2_4_examples_are_embedded(prefix: str, embedded: str) -> None:
    found = probe.embed(ipaddress.IPv4Address("192.0.2.33"), ipaddress.IPv6Network(prefix))
    assert found == ipaddress.IPv6Address(embedded)


@given(st.binary(min_size=2, max_size=64).filter(lambda octets: len(octets) % 2 == 0))
def test_rfc1071_sum_with_its_checksum_is_all_ones(octets: bytes) -> None:
    with_checksum = octets + probe.checksum(octets).to_bytes(2, "big")
    assert probe.checksum(with_checksum) == 0


def test_a_probe_that_fails_is_told_and_gives_the_exit_status() -> None:
    asked = subprocess.run(
        [
            sys.executable,
            PROJECT / "playbooks/files/probe.py",
            json.dumps([["loads", "http://127.0.0.1:1/"]]),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 1
    assert asked.stdout.startswith("FAILED: loads http://127.0.0.1:1/: ")


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


@pytest.mark.parametrize("role", ["nat64", "dns64", "resolver"])
def test_every_topic_that_may_be_left_over_has_a_handler(role: str) -> None:
    yaml = YAML(typ="safe")
    wanted = yaml.load(PROJECT / "roles" / role / "vars/main.yml")[f"__{role}_wanted"]
    handlers = yaml.load(PROJECT / "roles" / role / "handlers/main.yml")
    heard = {
        topic
        for each in handlers
        for topic in ([each["listen"]] if isinstance(each["listen"], str) else each["listen"])
    }
    assert {entry["topic"] for entry in wanted["applied"]} <= heard
