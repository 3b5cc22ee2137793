"""What role nat44 refuses before anything changes: its variables, and firewalls of other tools."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils.foreign_firewall import refusals, refusals_of_text
from ansible_collections.nat64.gateway.plugins.module_utils.iptables_rules import read_filter
from ansible_collections.nat64.gateway.plugins.module_utils.nat44_settings import Settings, read_settings
from ansible_collections.nat64.gateway.plugins.module_utils.nft_ruleset import read_ruleset
from ansible_collections.nat64.gateway.plugins.modules.firewall_host import foreign_functions

from tests.unit.roles.foreign_firewalls import DOCKER, FIREWALLD, MAPPED, NFTABLES, PLAIN, UFW

needs_nft = pytest.mark.skipif(shutil.which("nft") is None or os.geteuid() != 0, reason="needs nft and root")

GOOD: dict[str, Any] = {
    "device": "nat64",
    "lan_interfaces": ["lan0"],
    "lan_networks": [],
    "uplinks": ["wan0"],
    "pool": "192.168.240.0/20",
}
SERVER = {"protocol": "tcp", "port": 8080, "ipv6": "2001:db8:1::80", "to_port": 80}
MAPS = [
    {"ipv4": "192.168.240.80", "ipv6": "2001:db8:1::80"},
    {"ipv4": "198.51.100.0/28", "ipv6": "2001:db8:2::/124"},
]


def settings(**changed: object) -> Settings:
    return read_settings(**(GOOD | changed))


def finding(**changed: object) -> str:
    (found,) = settings(**changed).findings
    return found


# The variables


@pytest.mark.parametrize(
    ("changed", "variable", "remedy"),
    [
        ({"lan_interfaces": []}, "nat44_lan_interfaces", "name its interfaces here"),
        ({"uplinks": []}, "nat44_uplinks", "name the interface here"),
        ({"lan_interfaces": ["wan0"]}, "nat44_lan_interfaces", "nat44_lan_networks instead"),
        ({"lan_interfaces": ["lan 0"]}, "nat44_lan_interfaces", "`ip link`"),
        ({"lan_interfaces": ['lan0", "wan0']}, "nat44_lan_interfaces", "`ip link`"),
        ({"uplinks": ["an-interface-too-long"]}, "nat44_uplinks", "`ip link`"),
        ({"uplinks": ["nat64"]}, "nat44_uplinks", "leave it out"),
        ({"device": "nat/64"}, "nat44_device", "`ip link`"),
        ({"lan_networks": ["2001:db8::/129"]}, "nat44_lan_networks", "2001:db8:1::/64"),
        ({"lan_networks": ["2001:db8::1/64"]}, "nat44_lan_networks", "write it as 2001:db8::/64"),
        ({"lan_networks": ["2001:db8::1"]}, "nat44_lan_networks", "2001:db8:1::/64"),
        ({"lan_networks": ["192.168.1.0/24"]}, "nat44_lan_networks", "not an IPv6 network"),
        ({"lan_networks": ["::/0"]}, "nat44_lan_networks", "the LAN's own networks"),
        ({"pool": "192.168.240.0/44"}, "nat44_pool", "192.168.240.0/20"),
        ({"pool": "192.168.240.0/32"}, "nat44_pool", "192.168.240.0/20"),
        ({"pool": "192.168.241.0/20"}, "nat44_pool", "write it as 192.168.240.0/20"),
        ({"pool": "2001:db8::/64"}, "nat44_pool", "not an IPv4 network"),
        ({"further_pools": ["10.0.0.1/8"]}, "nat44_further_pools", "write it as 10.0.0.0/8"),
        ({"clamp_mss": "much"}, "nat44_clamp_mss", "write true"),
        ({"clamp_mss": 100}, "nat44_clamp_mss", "from 536"),
        (
            {"port_forwards": [SERVER]},
            "nat44_port_forwards",
            '{ipv4: 192.168.240.80, ipv6: "2001:db8:1::80"}',
        ),
        ({"port_forwards": [SERVER, SERVER], "maps": MAPS}, "nat44_port_forwards: entry 2", "leave one"),
        ({"port_forwards": [SERVER | {"port": 0}], "maps": MAPS}, "nat44_port_forwards", "from 1 to 65535"),
        (
            {"port_forwards": [SERVER | {"port": 70000}], "maps": MAPS},
            "nat44_port_forwards",
            "from 1 to 65535",
        ),
        (
            {"port_forwards": [SERVER | {"protocol": "icmp"}], "maps": MAPS},
            "nat44_port_forwards",
            "tcp and udp",
        ),
        (
            {"port_forwards": [SERVER | {"ipv6": "192.0.2.1"}], "maps": MAPS},
            "nat44_port_forwards",
            "IPv6 address",
        ),
    ],
)
def test_a_wrong_variable_is_told_with_its_name_and_the_remedy(
    changed: dict[str, object], variable: str, remedy: str
) -> None:
    assert finding(**changed).startswith(variable)
    assert remedy in finding(**changed)


def test_further_pools_are_treated_as_the_first() -> None:
    found = settings(further_pools=["198.51.100.0/24"], maps=MAPS)
    assert found.rules()["pools"] == ["192.168.240.0/20", "198.51.100.0/24"]
    assert found.public_maps == []
    assert settings(maps=MAPS).public_maps == ["198.51.100.0/28"]


def test_everything_wrong_is_told_at_once() -> None:
    found = settings(uplinks=[], pool="x", clamp_mss="x", lan_networks=["x"], port_forwards=[SERVER]).findings
    assert [text.partition(":")[0] for text in found] == [
        "nat44_uplinks",
        "nat44_lan_networks",
        "nat44_pool",
        "nat44_clamp_mss",
        "nat44_port_forwards",
    ]


@pytest.mark.parametrize(
    ("ipv6", "ipv4"), [("2001:db8:1::80", "192.168.240.80"), ("2001:db8:2::7", "198.51.100.7")]
)
def test_a_port_forward_takes_the_address_that_a_map_gives_the_server(ipv6: str, ipv4: str) -> None:
    (forward,) = settings(maps=MAPS, port_forwards=[SERVER | {"ipv6": ipv6}]).port_forwards
    assert forward == {"protocol": "tcp", "port": 8080, "ipv4": ipv4, "to_port": 80}


def test_a_port_forward_keeps_its_port_unless_told_otherwise() -> None:
    (forward,) = settings(maps=MAPS, port_forwards=[{"port": 443, "ipv6": "2001:db8:1::80"}]).port_forwards
    assert (forward["protocol"], forward["port"], forward["to_port"]) == ("tcp", 443, 443)


@pytest.mark.parametrize(
    ("value", "clamp"),
    [(False, ""), ("false", ""), (True, "rt mtu"), ("yes", "rt mtu"), (1360, "1360"), ("1360", "1360")],
)
def test_the_size_of_segments_may_be_a_word_of_the_command_line(value: object, clamp: str) -> None:
    assert settings(clamp_mss=value).clamp_mss == clamp


def test_networks_that_contain_one_another_become_one() -> None:
    nested = ["2001:db8:1::/64", "2001:db8::/48", "2001:db8:1::/64", "2001:db8:0:1::/64"]
    assert settings(lan_networks=nested).lan_networks == ["2001:db8::/48", "2001:db8:1::/64"]


# Firewalls of other tools


def nft(text: str, *options: str) -> str:
    """Print a ruleset as nft itself does, from a network namespace that has nothing else."""
    script = f"nft --file - && nft {' '.join(options)} list ruleset"
    command = ["unshare", "--net", "sh", "-c", script]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def told_of_nft(text: str, **changed: object) -> list[str]:
    return refusals(read_ruleset(json.loads(nft(text, "--json"))), settings(**changed))


def told_of_iptables(ip: str, ip6: str = "", **changed: object) -> list[str]:
    return refusals([*read_filter(ip, "ip"), *read_filter(ip6, "ip6")], settings(**changed))


def test_dockers_policy_is_told_with_the_rules_for_docker_user() -> None:
    (found,) = told_of_iptables(DOCKER)
    assert found.startswith("nat44_foreign_firewall: Docker's chain FORWARD (IPv4)")
    assert "iptables -I DOCKER-USER -i nat64 -j ACCEPT && iptables -I DOCKER-USER -o nat64 -j ACCEPT" in found
    assert "ip6tables" not in found
    assert "nat44_foreign_firewall: ignore" in found


def test_docker_with_ipv6_is_told_once_for_both_families() -> None:
    (found,) = told_of_iptables(DOCKER, DOCKER)
    assert "(IPv4 and IPv6)" in found
    assert "ip6tables -I DOCKER-USER -i nat64 -j ACCEPT" in found


def test_rules_in_docker_user_satisfy() -> None:
    rules = "-A DOCKER-USER -i nat64 -j ACCEPT\n-A DOCKER-USER -o nat64 -j ACCEPT\nCOMMIT"
    assert told_of_iptables(DOCKER.replace("COMMIT", rules), DOCKER.replace("COMMIT", rules)) == []


def test_a_rule_for_one_way_is_not_enough_for_docker() -> None:
    assert told_of_iptables(DOCKER.replace("COMMIT", "-A DOCKER-USER -i nat64 -j ACCEPT\nCOMMIT")) != []


def test_ufw_is_told_with_its_own_commands() -> None:
    (found,) = told_of_iptables(UFW.format("ufw"), UFW.format("ufw6"))
    assert found.startswith("nat44_foreign_firewall: ufw's chain FORWARD (IPv4 and IPv6)")
    assert "ufw route allow in on nat64 && ufw route allow out on nat64" in found


@pytest.mark.parametrize(
    "rules",
    [
        ["-i nat64 -j ACCEPT", "-o nat64 -j ACCEPT"],
        ["-i lan0 -o nat64 -j ACCEPT", "-i nat64 -o wan0 -j ACCEPT"],
        ["-i lan+ -o nat64 -p tcp -m tcp --dport 443 -j ACCEPT", "-i nat64 -o wan0 -j ACCEPT"],
    ],
)
def test_routes_that_ufw_allows_satisfy(rules: list[str]) -> None:
    def allowed(name: str) -> str:
        more = "".join(f"-A {name}-user-forward {rule}\n" for rule in rules)
        return UFW.format(name).replace("COMMIT", f"{more}COMMIT")

    assert told_of_iptables(allowed("ufw"), allowed("ufw6")) == []


@pytest.mark.parametrize(
    "rule", ["-i lan0 -o wan0", "! -i nat64", "-i nat64 -m conntrack --ctstate ESTABLISHED"]
)
def test_a_rule_for_other_packets_does_not_satisfy(rule: str) -> None:
    more = f"-A ufw-user-forward {rule} -j ACCEPT\nCOMMIT"
    assert told_of_iptables(UFW.format("ufw").replace("COMMIT", more)) != []


@needs_nft
@pytest.mark.parametrize("who", NFTABLES)
def test_a_firewall_of_nftables_is_told_until_its_remedy_stands(who: str) -> None:
    text, remedy = NFTABLES[who]
    (found,) = told_of_nft(text.replace("HERE", ""))
    assert who in found
    assert "(IPv4 and IPv6)" in found
    assert told_of_nft(text.replace("HERE", remedy)) == []


@needs_nft
def test_the_remedies_name_what_to_write() -> None:
    assert 'iifname "nat64" accept; oifname "nat64" accept' in told_of_nft(PLAIN.replace("HERE", ""))[0]
    firewalld = told_of_nft(FIREWALLD.replace("HERE", ""))[0]
    assert "--zone=nat64 --add-interface=nat64" in firewalld
    assert "--policy=nat64-in --add-egress-zone=nat64" in firewalld
    assert "--policy=nat64-out --add-ingress-zone=nat64" in firewalld


@needs_nft
def test_what_comes_in_by_a_port_forward_must_be_let_through_to_the_lan() -> None:
    text = PLAIN.replace("HERE", 'oifname "nat64" accept\niifname "nat64" oifname "wan0" accept')
    assert told_of_nft(text) == []
    assert told_of_nft(text, maps=MAPS[:1], port_forwards=[SERVER]) != []


@needs_nft
def test_rules_for_the_lans_networks_satisfy_where_networks_are_named() -> None:
    one_armed = {"lan_interfaces": [], "lan_networks": ["2001:db8:1::/64"], "uplinks": ["eth0"]}
    both = 'ip6 saddr 2001:db8::/32 accept\niifname "nat64" accept'
    assert told_of_nft(PLAIN.replace("HERE", both), **one_armed) == []
    assert told_of_nft(PLAIN.replace("HERE", both.replace("2001:db8::", "3fff::")), **one_armed) != []


@needs_nft
@pytest.mark.parametrize(
    "text",
    [
        "table inet a { chain forward { type filter hook forward priority 0; policy accept; }; }",
        "table inet a { chain input { type filter hook input priority 0; policy drop; }; }",
        "table inet a { chain f { type filter hook forward priority 0; tcp dport 25 drop; }; }",
        'table inet a { chain f { type filter hook forward priority 0; iifname "wan0" oifname "lan0" drop; }; }',
        "table bridge a { chain f { type filter hook forward priority 0; policy drop; }; }",
    ],
)
def test_a_firewall_that_lets_the_gateway_forward_is_left_alone(text: str) -> None:
    assert told_of_nft(text) == []


@needs_nft
def test_without_json_a_policy_that_drops_is_still_found() -> None:
    text, remedy = NFTABLES["inet filter"]
    (found,) = refusals_of_text(nft(text.replace("HERE", "")), settings())
    assert "the chain forward of the nftables table inet filter" in found
    assert refusals_of_text(nft(text.replace("HERE", remedy)), settings()) == []
    assert refusals_of_text(nft(MAPPED.replace("HERE", "")), settings()) == []


def test_functions_of_a_conf_file_that_are_not_ours_are_found() -> None:
    text = """
rules_file=/etc/nftables.nft
stop_post() {
    logger "stopped"
}
# BEGIN nat64-nat44
start_post() {
    /etc/nat64/nat44-after-flush
}
# END nat64-nat44
"""
    assert foreign_functions(text, ["start_post", "stop_post"]) == {"stop_post": ' {\n    logger "stopped"\n'}
