"""A fleet of booted gateways, HOSTS of them, through all that docs/fleet.md promises of a rollout.

One story, told in order: each test goes on with the gateways as the one before has left them.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from lab.container import wait_for
from lab.fleet import Fleet
from lab.topology import LARGEST_FLEET, namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTS: Final = int(os.environ.get("HOSTS", "4"))
NAME: Final = "fleettest"
PROJECT: Final = Path(__file__).parents[2]
CANARIES: Final = ["gw01", "gw02"]
# In the middle, and with some after it.
HALF_WAY: Final = f"gw{max(3, HOSTS // 2):02}"
LAST: Final = f"gw{HOSTS:02}"
LAN: Final = "2001:db8:64:1::1"
NEW_MAP: Final = {"ipv4": "192.0.2.81", "ipv6": "2001:db8:64:1::81"}

# A gateway takes a minute or two, and more on a busy machine.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(600 + 300 * HOSTS)]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """The gateways, bare at first."""
    if os.geteuid():
        pytest.skip("needs root: it boots hosts")
    assert 4 <= HOSTS <= min(50, LARGEST_FLEET), (
        "HOSTS: the inventory has gw01 to gw50, and the story needs 4"
    )
    made = Fleet(HOSTS, NAME)
    try:
        made.lab.up()
        yield made
    finally:
        made.lab.down()


def on(fleet: Fleet, host: str, *words: str) -> str:
    """Return what a command says on a host; an empty text if it fails."""
    command = fleet.lab.container(host).command(words)
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def config(fleet: Fleet, host: str) -> str:
    return on(fleet, host, "cat", "/etc/nat64/nat64.conf")


def prefix(host: str) -> IPv6Network:
    return IPv6Network(f"2001:db8:6464::{int(host[2:]):x}:0:0/96")


def after(host: str) -> list[str]:
    return [f"gw{number:02}" for number in range(int(host[2:]) + 1, HOSTS + 1)]


def test_overlapping_pools_are_refused_before_anything_changes(fleet: Fleet) -> None:
    run = fleet.play(nat64_pool="172.16.0.0/20")
    assert run.returncode != 0
    assert (
        "gw01 and gw02: nat64_pool 172.16.0.0/20 of gw01 overlaps nat64_pool 172.16.0.0/20 of gw02"
        in " ".join(run.output.split())
    )
    assert run.changed == []


def test_a_gateway_that_cannot_be_reached_stops_the_run_before_anything_changes(fleet: Fleet) -> None:
    with cut_off(fleet, LAST):
        run = fleet.play()
    assert run.returncode != 0
    assert run.recap[LAST].unreachable == 1
    assert run.changed == []


def test_check_mode_foresees_and_changes_nothing(fleet: Fleet) -> None:
    run = fleet.play("--check", "--limit=gw01").checked()
    assert run.changed == ["gw01"]
    assert on(fleet, "gw01", "ls", "/etc/nat64") == ""


def test_a_verification_that_fails_half_way_leaves_the_rest_untouched(fleet: Fleet) -> None:
    nowhere = "{{ 'nowhere.invalid' if inventory_hostname == '" + HALF_WAY + "' else 'ipv4only.arpa' }}"
    run = fleet.play(fleet_serial=1, verify_name=nowhere)
    assert run.returncode != 0
    assert run.recap[HALF_WAY].failed == 1
    said = " ".join(run.output.split())
    assert f"The rollout stops here; untouched: {', '.join(after(HALF_WAY))}" in said
    for host in after(HALF_WAY):
        assert run.recap[host].changed == 0
        assert on(fleet, host, "ls", "/etc/nat64") == "", host
    assert settled(fleet) == [host for host in fleet.hosts if host < HALF_WAY]


def test_a_gateway_that_goes_away_during_a_change_stops_it_there(fleet: Fleet) -> None:
    cut = threading.Thread(target=lambda: cut_when_changing(fleet, HALF_WAY))
    cut.start()
    try:
        run = fleet.play(fleet_serial=1, fleet_maps=[NEW_MAP])
        cut.join()
    finally:
        reach_again(fleet, LAST)
    assert run.returncode != 0
    assert run.recap[LAST].unreachable == 1
    assert "UNREACHABLE!" in run.output
    changed = [host for host in fleet.hosts if NEW_MAP["ipv4"] in config(fleet, host)]
    assert changed == fleet.hosts[:-1]
    assert settled(fleet) == fleet.hosts[:-1]


def test_a_second_run_takes_up_what_is_not_done_and_nothing_else(fleet: Fleet) -> None:
    run = fleet.play(fleet_maps=[NEW_MAP]).checked()
    assert run.changed == [LAST]
    assert all(NEW_MAP["ipv4"] in config(fleet, host) for host in fleet.hosts)
    for host in fleet.hosts:
        assert NEW_MAP["ipv4"] in on(fleet, host, "ip", "-4", "route", "show"), host


def test_a_run_after_that_finds_nothing_to_do(fleet: Fleet) -> None:
    run = fleet.play(fleet_maps=[NEW_MAP]).checked()
    assert sorted(run.recap) == fleet.hosts
    assert run.changed == []
    assert "Change a part of the fleet" not in run.output or "skipping: no hosts matched" in run.output


def test_only_the_gateway_that_somebody_touched_is_gone_through(fleet: Fleet) -> None:
    before = config(fleet, "gw02")
    on(fleet, "gw02", "sed", "-i", "s/192.0.2.81/192.0.2.99/", "/etc/nat64/nat64.conf")
    run = fleet.play(fleet_maps=[NEW_MAP]).checked()
    assert run.changed == ["gw02"]
    assert config(fleet, "gw02") == before


def test_by_network_each_client_gets_the_prefix_of_its_gateway_and_by_tag_nothing_else_runs(
    fleet: Fleet,
) -> None:
    clients = "{{ ['" + LAN + "/64'] if inventory_hostname == 'gw02' else [] }}"
    run = fleet.play(
        "--tags=dns64", "--limit=gw01", fleet_maps=[NEW_MAP], fleet_dns64="by-network", fleet_clients=clients
    ).checked()
    assert run.changed == ["gw01"]
    assert "nat64.gateway.nat44 : Write" not in run.output
    assert prefixes("gw01", LAN) == {prefix("gw02")}
    assert prefixes("gw01", "::1") == {prefix("gw01")}


def test_round_robin_goes_through_the_prefixes_of_the_whole_fleet(fleet: Fleet) -> None:
    fleet.play("--tags=dns64", "--limit=gw01", fleet_maps=[NEW_MAP], fleet_dns64="round-robin").checked()
    seen = set()
    for _ in range(2 * 50):
        seen |= prefixes("gw01", "::1")
    assert seen == {prefix(f"gw{number:02}") for number in range(1, 51)}


def test_uninstall_forgets_the_record_too(fleet: Fleet) -> None:
    fleet.play("--limit=gw01", playbook="playbooks/uninstall.yml").checked()
    assert on(fleet, "gw01", "ls", "/etc/nat64") == ""


def settled(fleet: Fleet) -> list[str]:
    """Name the gateways that count as what a run has left."""
    return [host for host in fleet.hosts if on(fleet, host, "ls", "/etc/nat64/settled.json")]


@contextlib.contextmanager
def cut_off(fleet: Fleet, host: str) -> Iterator[None]:
    """Have a host that ssh does not reach."""
    _cut(fleet, host)
    try:
        yield
    finally:
        reach_again(fleet, host)


def _cut(fleet: Fleet, host: str) -> None:
    # What serves connections that stand already ends, too.
    on(fleet, host, "rc-service", "ssh", "stop")
    on(fleet, host, "pkill", "sshd")


def reach_again(fleet: Fleet, host: str) -> None:
    on(fleet, host, "rc-service", "ssh", "start")
    assert wait_for(lambda: "ssh" in on(fleet, host, "pgrep", "-l", "sshd"), 20)


def cut_when_changing(fleet: Fleet, host: str) -> None:
    """Wait until a run has written to a host, and cut off the last one, whose turn comes later."""
    deadline = time.monotonic() + 300 * HOSTS
    while NEW_MAP["ipv4"] not in config(fleet, host) and time.monotonic() < deadline:
        time.sleep(0.5)
    _cut(fleet, LAST)


def prefixes(host: str, source: str) -> set[IPv6Network]:
    """Ask a gateway's DNS64 from one of its own addresses, and return the prefixes of the answer."""
    question = "\n".join(
        (
            "import dns.message, dns.query",
            f"answer = dns.query.udp(dns.message.make_query('ipv4only.arpa', 'AAAA'), {source!r}, source={source!r}, timeout=5)",
            "print(*(record.address for rrset in answer.answer for record in rrset))",
        )
    )
    asking = ["ip", "netns", "exec", namespace(NAME, host), sys.executable, "-c", question]
    said = subprocess.run(asking, check=True, capture_output=True, text=True).stdout
    return {IPv6Network((int(IPv6Address(word)) >> 32 << 32, 96)) for word in said.split()}
