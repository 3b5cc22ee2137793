"""What role resolver's look at a host makes of it."""

from __future__ import annotations

from tests.unit.roles.scripts import load

resolver = load("roles/resolver/files/host_state.py")
NAMED = 'udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:* users:(("named",pid=612,fd=7))\n'
DUAL_STACK = 'tcp LISTEN 0 128 *:53 *:* users:(("coredns",pid=77,fd=9))\n'


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
