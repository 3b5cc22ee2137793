"""What role nat64 makes of Gentoo's /etc/conf.d/net."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils import netifrc

from tests.unit.roles.rendering import FACTS, render

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = "/usr/sbin/nat64d --mktun -c /etc/nat64/nat64.conf -u nat64 -g nat64"
THEIRS = 'config_eth0="dhcp"\n'
PREUP = 'preup() {\n\tcase "${IFACE}" in\n\t\tppp0) modprobe pppoe ;;\n\tesac\n}\n'


def block(hook: str, *, preup: bool = False, **variables: object) -> str:
    host = FACTS["__nat64_host"] | {"netifrc": hook, "netifrc_preup": preup}
    text = render("nat64/netifrc.j2", family="Gentoo", __nat64_host=host, **variables)
    return f"# BEGIN nat64\n{text}# END nat64\n"


def run(text: str, commands: str, tmp_path: Path, shell: str) -> str:
    file = tmp_path / "net"
    file.write_text(text)
    script = f'nat64d() {{ echo "made $*"; }}\n. {file}\n{commands}'
    script = script.replace("/usr/sbin/nat64d", "nat64d")
    file.write_text(text.replace("/usr/sbin/nat64d", "nat64d"))
    done = subprocess.run([shell, "-euc", script], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_preup_makes_the_tun_and_leaves_other_interfaces_alone(shell: str, tmp_path: Path) -> None:
    text = THEIRS + block("preup")
    made = run(
        text, 'IFACE=nat64; preup; IFACE=eth0; preup; echo "$config_nat64 $config_eth0"', tmp_path, shell
    )
    assert made == "made --mktun -c /etc/nat64/nat64.conf -u nat64 -g nat64\nnull dhcp\n"


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_netifrcs_own_way_names_the_routes(shell: str, tmp_path: Path) -> None:
    text = block(
        "tuntap", nat64_netifrc_need=["gw6c"], nat64_maps=[{"ipv4": "192.0.2.9", "ipv6": "2001:db8::9"}]
    )
    shown = run(
        text, "echo $tuntap_nat64 $config_nat64 $rc_net_nat64_need $routes_nat64", tmp_path, shell
    ).split()
    assert shown[:5] == ["tun", "null", "gw6c", "64:ff9b::/96", "192.168.240.0/20"]
    assert shown[-1] == "192.0.2.9/32"
    assert "preup" not in text


def test_the_tun_is_no_network_that_others_wait_for() -> None:
    assert 'rc_net_nat64_provide="!net"\n' in block("preup")


def test_a_preup_of_the_owners_is_not_replaced() -> None:
    assert "preup()" not in block("preup", preup=True)


@pytest.mark.parametrize(
    "written", [PREUP, PREUP.replace("preup()", "function preup"), PREUP.replace("()", " ( )")]
)
def test_a_preup_of_the_owners_is_told_with_what_to_add(written: str) -> None:
    text = THEIRS + written + block("preup", preup=True)
    assert netifrc.has_preup(text)
    finding = netifrc.finding(text, "nat64", "preup", COMMAND)
    assert finding.startswith("nat64_netifrc_hook: ")
    assert f'case "${{IFACE}}" in nat64) {COMMAND} ;; esac' in finding
    assert "none" in finding


def test_what_the_finding_says_to_add_is_enough() -> None:
    arm = f"\t\tnat64) {COMMAND} ;;\n\tesac"
    assert netifrc.finding(THEIRS + PREUP.replace("\tesac", arm), "nat64", "preup", COMMAND) == ""


def test_two_ways_of_making_the_tun_are_told() -> None:
    calls = THEIRS + PREUP.replace("\tesac", f"\t\tnat64) {COMMAND} ;;\n\tesac")
    assert "take nat64d --mktun out" in netifrc.finding(calls, "nat64", "tuntap", COMMAND)
    assert netifrc.finding(THEIRS + PREUP, "nat64", "tuntap", COMMAND) == ""
    assert netifrc.finding(calls, "nat64", "none", COMMAND) == ""


@pytest.mark.parametrize(
    "text", ["", THEIRS, THEIRS + block("preup"), "# preup() { :; }\n", "prepreup() {\n:\n}\n"]
)
def test_without_a_preup_of_the_owners_nothing_is_to_be_added(text: str) -> None:
    assert not netifrc.has_preup(text)
    assert netifrc.finding(text, "nat64", "preup", COMMAND) == ""


@pytest.mark.parametrize("hook", ["preup", "tuntap"])
def test_the_device_of_our_block_is_read_back(hook: str) -> None:
    assert netifrc.device(THEIRS + block(hook, nat64_device="nat64.1")) == "nat64.1"
    assert netifrc.device(THEIRS) == ""


def test_netifrc_is_in_use_where_it_sets_up_another_interface() -> None:
    assert netifrc.in_use(["net.lo", "net.eth0", "sshd"], "nat64")
    assert not netifrc.in_use(["net.lo", "net.nat64", "NetworkManager"], "nat64")


def test_a_tun_that_was_made_in_another_way_goes_before() -> None:
    text = THEIRS + block("preup")
    assert netifrc.leaving(text, "nat64", "preup", stale=True) == []
    assert netifrc.leaving(text, "nat64", "tuntap", stale=False) == ["nat64"]
    assert netifrc.leaving(text, "nat65", "preup", stale=False) == ["nat64"]
    assert netifrc.leaving(text, "nat64", "none", stale=False) == ["nat64"]


def test_netifrc_does_not_make_a_tun_that_is_there() -> None:
    assert netifrc.leaving(THEIRS, "nat64", "tuntap", stale=True) == ["nat64"]
    assert netifrc.leaving(block("tuntap"), "nat64", "tuntap", stale=True) == ["nat64"]
    assert netifrc.leaving(block("tuntap"), "nat64", "tuntap", stale=False) == []
