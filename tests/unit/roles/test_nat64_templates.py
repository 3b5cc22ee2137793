"""What role nat64 writes on a host."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.roles.rendering import FACTS, checked, render

MAPS = [
    {"ipv4": "192.0.2.80", "ipv6": "2001:db8:1::80"},
    {"ipv4": "198.51.100.0/28", "ipv6": "2001:db8:2::/124"},
]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"nat64_maps": MAPS, "nat64_tun_addresses": ["192.0.2.1/32"]},
        {"nat64_extra_directives": ["offlink-mtu 1400"]},
        {"nat64_icmp_rate": "200 burst 20"},
        {"nat64_rfc6791_pool": "198.51.100.0/24", "nat64_rfc5837": True},
        {"nat64_tos": "0"},
        {"nat64_tos": "0x20 copy"},
    ],
)
def test_nat64d_accepts_the_config(variables: dict[str, Any], tmp_path: Path) -> None:
    assert checked("nat64d", render("nat64/nat64.conf.j2", **variables), tmp_path) == (0, "")


def test_rfc6791_the_routers_addresses_lead_to_the_translator() -> None:
    lines = render("nat64/nat64.conf.j2", nat64_rfc6791_pool="198.51.100.0/24").splitlines()
    assert "rfc6791-pool 198.51.100.0/24" in lines
    assert "tun-route 198.51.100.0/24" in lines
    assert "rfc5837 yes" not in lines


def test_tos_is_written_only_where_it_is_not_copied() -> None:
    assert "\ntos " not in render("nat64/nat64.conf.j2")
    assert "\ntos 0\n" in render("nat64/nat64.conf.j2", nat64_tos="0")


def test_accept_ra_is_set_before_forwarding() -> None:
    lines = render("nat64/sysctl.conf.j2").splitlines()
    assert lines.index("net/ipv6/conf/eth0/accept_ra = 2") < lines.index("net/ipv6/conf/all/forwarding = 1")


def test_a_host_keeps_its_own_unique_local_address() -> None:
    def address(host: str) -> str:
        config = render("nat64/nat64.conf.j2", inventory_hostname=host)
        (line,) = re.findall(r"^ipv6-addr (.*)$", config, re.MULTILINE)
        return str(line)

    assert address("one") == address("one") != address("two")
    assert re.fullmatch(r"fd[0-9a-f]{2}(:[0-9a-f]{1,4}){2}::64", address("one"))


@pytest.mark.parametrize(
    ("pool", "first"),
    [("192.168.240.0/20", "192.168.240.1"), ("10.0.0.128/25", "10.0.0.129"), ("100.64.0.0/10", "100.64.0.1")],
)
def test_the_translators_address_is_the_pools_first(pool: str, first: str) -> None:
    assert f"\nipv4-addr {first}\n" in render("nat64/nat64.conf.j2", nat64_pool=pool)


def test_what_ifupdown_runs_is_sound_shell(tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text(render("nat64/ifupdown-hook.sh.j2"))
    shellcheck = Path(sys.executable).with_name("shellcheck")
    checked = subprocess.run([shellcheck, hook], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize(
    ("environment", "left"),
    [
        pytest.param({"IFACE": "eth0", "ADDRFAM": "inet6"}, "2", id="ifupdown"),
        pytest.param({"IFACE": "eth0", "ADDRFAM": "inet"}, "1", id="ifupdown-of-the-other-family"),
        pytest.param({"IFACE": "eth0", "METHOD": "none"}, "2", id="ifupdown-ng-tells-no-family"),
        pytest.param({"IFACE": "eth1", "METHOD": "none"}, "1", id="of-another-interface"),
    ],
)
def test_the_hook_keeps_the_uplinks_default_route(
    environment: dict[str, str], left: str, tmp_path: Path
) -> None:
    accept_ra = tmp_path / environment["IFACE"] / "accept_ra"
    accept_ra.parent.mkdir()
    accept_ra.write_text("1\n")
    hook = render("nat64/ifupdown-hook.sh.j2").replace("/proc/sys/net/ipv6/conf", str(tmp_path))
    # No solicitation is sent.
    hook = hook.replace('python3 - "$IFACE"', "cat >/dev/null")
    subprocess.run(["/bin/sh", "-c", hook], env=environment | {"PATH": "/usr/bin:/bin"}, check=True)
    assert accept_ra.read_text().strip() == left


@pytest.mark.parametrize(
    ("hook", "needs"), [("none", []), ("preup", ["net.nat64"]), ("tuntap", ["net.nat64"])]
)
def test_the_init_script_needs_no_service_but_the_tuns(hook: str, needs: list[str]) -> None:
    # Debian's OpenRC runs the scripts of sysvinit, and has none called localmount.
    script = render("nat64/nat64d.openrc.j2", __nat64_host=FACTS["__nat64_host"] | {"netifrc": hook})
    assert re.findall(r"^\s+need (.*)$", script, re.MULTILINE) == needs


@pytest.mark.parametrize("hook", ["none", "preup", "tuntap"])
def test_the_init_script_is_sound_whoever_makes_the_tun(hook: str, tmp_path: Path) -> None:
    script = tmp_path / "nat64d"
    host = FACTS["__nat64_host"] | {"netifrc": hook}
    script.write_text(render("nat64/nat64d.openrc.j2", __nat64_host=host))
    shellcheck = Path(sys.executable).with_name("shellcheck")
    checked = subprocess.run(
        [shellcheck, "--shell=busybox", "--exclude=SC2034,SC2154", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, "")
