"""Several gateways that FRR announces: what each announces, and when it goes away."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.lab.anycast_network import DNS64, PREFIX, SERVER6, AnycastNetwork, anycast_network

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

HANGING = 5 + 5
"""Seconds after which nothing is announced that nobody renews: a mark's life, and the kernel's own time for it."""


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AnycastNetwork]:
    with anycast_network(tmp_path_factory.mktemp("anycast"), request.param) as made:
        made.start()
        yield made


@pytest.fixture(autouse=True)
def _all_announced(network: AnycastNetwork) -> None:
    network.wait_for(*network.gateways)


def test_frr_takes_the_config_that_the_role_writes(network: AnycastNetwork) -> None:
    network.gateways[0].frr.check()


def test_nothing_else_is_announced(network: AnycastNetwork) -> None:
    gateway = network.gateways[0]
    gateway.space.run("ip", "address", "add", "2001:db8:bad::1/64", "dev", "lan0")
    gateway.space.run("ip", "address", "add", "2001:db8:bad::2/128", "dev", "lo")
    listed = network.router.vtysh("show bgp ipv6 unicast json")
    assert "2001:db8:bad" not in listed
    assert PREFIX in listed
    assert f"{DNS64}/128" in listed


def test_nothing_is_taken_from_a_router(network: AnycastNetwork) -> None:
    network.router.vtysh(
        "configure terminal",
        "router bgp 64500",
        "address-family ipv6 unicast",
        "network 2001:db8:1::/64",
        "exit",
    )
    assert "2001:db8:1::/64" not in network.gateways[0].frr.vtysh("show bgp ipv6 unicast json")
    assert network.router.sessions() == dict.fromkeys(network.router.sessions(), "Established")


def test_clients_are_served_through_what_is_announced(network: AnycastNetwork) -> None:
    network.client.run("ping", "-c3", "-W5", SERVER6)
    answer = network.client.run("dig", "+short", "+tries=1", f"@{DNS64}", "ipv4only.arpa", "AAAA").stdout
    assert "2001:db8:64:ff9b::c000:aa" in answer.split()


@pytest.mark.parametrize(("daemon", "kept"), [("nat64d", f"{DNS64}/128"), ("dns64d", PREFIX)])
def test_what_a_dead_daemon_served_is_withdrawn_and_the_rest_is_not(
    network: AnycastNetwork, daemon: str, kept: str
) -> None:
    gateway, other = network.gateways
    (lost,) = {PREFIX, f"{DNS64}/128"} - {kept}
    gateway.signal(daemon, signal.SIGKILL)
    network.router.wait_for(lost, {other.router_id}, 10)
    assert network.router.gateways_of(kept) == {gateway.router_id, other.router_id}
    gateway.stop(daemon)
    gateway.start(daemon)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_nothing_is_announced_that_nobody_looks_after(
    network: AnycastNetwork, number: signal.Signals
) -> None:
    gateway, other = network.gateways
    gateway.signal("anycastd", number)
    network.wait_for(other, timeout=HANGING)
    gateway.signal("anycastd", signal.SIGKILL)
    gateway.stop("anycastd")
    gateway.start("anycastd")


def test_a_planned_end_withdraws_first_and_serves_on_for_a_while(network: AnycastNetwork) -> None:
    gateway, other = network.gateways
    gateway.signal("anycastd", signal.SIGTERM)
    network.wait_for(other, timeout=5)
    # What is under way to it is still answered, also after its end.
    gateway.stop("anycastd")
    asked = gateway.space.run("dig", "-b::1", "+short", "+tries=1", f"@{DNS64}", "ipv4only.arpa", "AAAA")
    assert "2001:db8:64:ff9b::c000:aa" in asked.stdout.split()
    gateway.start("anycastd")


def test_a_host_that_falls_silent_is_left_by_bfd(network: AnycastNetwork) -> None:
    gateway, other = network.gateways
    gateway.go_silent()
    try:
        # BGP's own hold time is 9 seconds.
        network.wait_for(other, timeout=5)
    finally:
        gateway.come_back()
