"""What role resolver's look at a host makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils.endpoints import read_endpoints, read_port
from ansible_collections.nat64.gateway.plugins.module_utils.listening import Listener
from ansible_collections.nat64.gateway.plugins.modules import resolver_host as resolver

if TYPE_CHECKING:
    from pathlib import Path

NAMED = Listener("udp", "127.0.0.1", "", "named", 612)
DUAL_STACK = Listener("tcp", "*", "", "coredns", 77)


def test_a_server_with_a_config_of_its_own_is_not_taken_over() -> None:
    (finding,) = resolver.managed_findings("named", backend="bind", serves=True)
    assert finding.startswith("resolver_mode: named ")
    assert " adopt " in finding
    (finding,) = resolver.managed_findings("unbound", backend="unbound", serves=True)
    assert " adopt " not in finding
    assert resolver.managed_findings("named", backend="bind", serves=False) == []


def test_the_resolvers_port_may_be_held_by_bind_alone() -> None:
    assert resolver.port_findings(65053, "/usr/sbin/named", [NAMED]) == []
    (finding,) = resolver.port_findings(65053, "/usr/sbin/named", [NAMED, DUAL_STACK])
    assert "coredns" in finding


def test_a_forwarder_that_is_no_address_is_told() -> None:
    found: list[str] = []
    read_endpoints("resolver_forwarders", [{"address": "192.0.2.53"}, {"address": "ns.example"}], found)
    (finding,) = found
    assert "ns.example" in finding


def test_a_port_that_there_is_not_is_told() -> None:
    found: list[str] = []
    read_port("resolver_port", 0, found)
    read_endpoints("resolver_forwarders", [{"address": "192.0.2.53", "port": 65536}], found)
    assert [finding.partition(":")[0] for finding in found] == ["resolver_port", "resolver_forwarders"]


@pytest.mark.parametrize(
    ("words", "config"),
    [
        (["-f", "-u", "bind"], "/etc/bind/named.conf"),
        (["-u", "named", "-c", "/srv/named.conf"], "/srv/named.conf"),
        (["-c/srv/named.conf"], "/srv/named.conf"),
    ],
)
def test_a_running_bind_tells_its_config(words: list[str], config: str) -> None:
    assert resolver.config_of(words, "/etc/bind/named.conf") == config


def test_a_bind_that_cannot_be_edited_safely_is_refused_with_the_remedy(tmp_path: Path) -> None:
    config = tmp_path / "named.conf"
    config.write_text('options { directory "/";\n')
    for found in (
        resolver.adoption_findings(str(config), ["-t", "/chroot"], ""),
        resolver.adoption_findings(str(config), [], f"{config}:2: unexpected end of input"),
        resolver.adoption_findings(str(config), [], ""),
        resolver.adoption_findings(str(tmp_path / "missing"), [], ""),
    ):
        (finding,) = found
        assert finding.startswith("resolver_mode: ")
        assert "set resolver_mode to none" in finding
    config.write_text("options { };\n")
    assert resolver.adoption_findings(str(config), [], "") == []
