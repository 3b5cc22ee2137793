"""Who stands in the lab, and which wire joins whom."""

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.running import ssh_config
from lab.topology import (
    IN_LINE,
    TOPOLOGIES,
    Layer,
    Topology,
    checked_lab_name,
    fleet,
    topology_named,
    wiring,
)

ROOT = Path(__file__).parents[3]


each_topology = pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda topology: topology.name)


def files(topology: Topology, host: str) -> Iterator[Path]:
    """Find a host's own files, those of the topology first."""
    for tree in (ROOT / "lab/topologies" / topology.name / host, ROOT / "lab/hosts" / host):
        yield from (path for path in tree.rglob("*") if path.is_file())


def names(topology: Topology) -> set[str]:
    return {host.name for host in topology.hosts}


def interfaces(topology: Topology, host: str) -> str:
    """Read what a host's interfaces are set up by."""
    return next(
        path.read_text(encoding="utf-8") for path in files(topology, host) if path.name == "interfaces"
    )


@each_topology
def test_each_wire_runs_between_two_namespaces_and_never_in_the_machines_own(topology: Topology) -> None:
    commands = list(wiring("lab", topology.links))
    assert len(commands) == len(topology.links)
    for command in commands:
        assert command.startswith("link add ")
        assert command.split(" type veth")[0].count(" netns nat64-lab-") == 1
        assert command.split(" peer name ")[1].count(" netns nat64-lab-") == 1


def test_the_gateway_is_wired_to_the_client_and_the_isp() -> None:
    commands = "\n".join(wiring("x", IN_LINE.links))
    assert "link add lan0 address 02:00:00:00:01:0c netns nat64-x-client type veth peer name lan0" in commands
    assert (
        "link add wan0 address 02:00:00:00:02:02 netns nat64-x-gateway type veth peer name wan0" in commands
    )


@each_topology
def test_each_interface_is_wired_once_and_set_up_by_its_host(topology: Topology) -> None:
    ends = [end for link in topology.links for end in link]
    assert len({(end.host, end.interface) for end in ends}) == len(ends)
    assert len({end.mac for end in ends}) == len(ends)
    for end in ends:
        text = interfaces(topology, end.host)
        assert f"auto {end.interface}\n" in text or f"ip link set {end.interface} master" in text


@each_topology
def test_each_host_is_wired_and_every_wire_ends_at_a_host(topology: Topology) -> None:
    assert {end.host for link in topology.links for end in link} == {host.name for host in topology.hosts}


@each_topology
def test_every_tree_of_files_belongs_to_a_host(topology: Topology) -> None:
    trees = ROOT / "lab/topologies" / topology.name
    assert {tree.name for tree in trees.glob("*")} <= {host.name for host in topology.hosts}


def test_there_are_files_for_no_other_topologies() -> None:
    trees = {tree.name for tree in (ROOT / "lab/topologies").iterdir()}
    assert trees <= {topology.name for topology in TOPOLOGIES} | {fleet(1).files}


def test_a_fleet_has_as_many_gateways_as_its_name_says_and_each_has_both_cables() -> None:
    topology = topology_named("fleet-50")
    assert [host.name for host in topology.hosts] == [f"gw{number:02}" for number in range(1, 51)]
    assert [(one.host, other.host) for one, other in topology.links] == [
        (host.name, host.name) for host in topology.hosts for _ in range(2)
    ]
    assert len({end.mac for link in topology.links for end in link}) == 200


@pytest.mark.parametrize("name", ["fleet-0", "fleet-100", "fleet-", "fleet-5x"])
def test_a_fleet_of_no_or_too_many_gateways_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="no topology"):
        topology_named(name)


@each_topology
def test_no_address_is_given_to_two_hosts(topology: Topology) -> None:
    addresses = [
        address
        for host in topology.hosts
        for address in re.findall(r"^ +address ([0-9a-f.:]+)/", interfaces(topology, host.name), re.MULTILINE)
    ]
    assert len(set(addresses)) == len(addresses) > 0


@each_topology
def test_each_client_without_ipv4_asks_a_name_server_of_its_own_network(topology: Topology) -> None:
    for host in topology.hosts:
        if host.layer is Layer.BASE or host.name in {"isp", "internet", "six"}:
            continue
        resolv_conf = next(path for path in files(topology, host.name) if path.name == "resolv.conf")
        server = ipaddress.IPv6Address(resolv_conf.read_text(encoding="utf-8").split()[1])
        if topology.name == "anycast":
            # It is on no interface: the gateways announce it.
            router = next(path for path in files(topology, "isp") if path.name == "frr.conf")
            assert f" permit {server}/128\n" in router.read_text(encoding="utf-8")
            continue
        own = re.findall(r"address (\S+:\S+)", interfaces(topology, host.name))
        assert any(server in ipaddress.IPv6Interface(address).network for address in own)
        shared = (ROOT / "inventory/examples/failover/group_vars/gateways.yml").read_text(encoding="utf-8")
        assert f"{server}/" in (shared if "gateway2" in names(topology) else interfaces(topology, "gateway"))


def test_the_isp_routes_the_clients_network_to_the_link_local_address_of_the_gateway() -> None:
    gateway = next(
        end for link in IN_LINE.links for end in link if (end.host, end.interface) == ("gateway", "wan0")
    )
    octets = [int(octet, 16) for octet in gateway.mac.split(":")]
    # RFC 4291, appendix A: the universal/local bit inverted, ff:fe in the middle.
    words = [
        (octets[0] ^ 2) << 8 | octets[1],
        octets[2] << 8 | 0xFF,
        0xFE00 | octets[3],
        octets[4] << 8 | octets[5],
    ]
    assert words[0] == 0
    link_local = "fe80::" + ":".join(f"{word:x}" for word in words[1:])
    assert f"2001:db8:64::/48 via {link_local} dev wan0" in interfaces(IN_LINE, "isp")


def test_an_unknown_host_is_refused_with_those_there_are() -> None:
    with pytest.raises(LabError, match=r"no host 'router'.*client, gateway, isp, internet, six"):
        IN_LINE.host_named("router")


def test_an_unknown_topology_is_refused_with_those_there_are() -> None:
    with pytest.raises(LabError, match=r"no topology 'star'.*in-line, one-armed"):
        topology_named("star")


@pytest.mark.parametrize("name", ["", "Lab", "a/b", "..", "9lab", "lab-2", "a" * 17, "lab\n"])
def test_a_lab_name_that_could_leave_its_directory_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="lab name"):
        checked_lab_name(name)


def test_the_longest_names_fit_a_machine_name() -> None:
    longest = max(len(host.name) for topology in TOPOLOGIES for host in topology.hosts)
    assert len("nat64-") + 16 + len("-") + longest <= 64  # machine-info: a host name


def test_the_inventorys_ssh_config_is_that_of_the_default_lab() -> None:
    assert (ROOT / "inventory/lab/ssh_config").read_text(encoding="utf-8") == ssh_config("lab")
