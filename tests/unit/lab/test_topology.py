"""Who stands in the lab, and which wire joins whom."""

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.running import ssh_config
from lab.topology import HOSTS, LINKS, checked_lab_name, host_named, wiring

ROOT = Path(__file__).parents[3]


def test_each_wire_runs_between_two_namespaces_and_never_in_the_machines_own() -> None:
    commands = list(wiring("lab"))
    assert len(commands) == 4
    for command in commands:
        assert command.startswith("link add ")
        assert command.split(" type veth")[0].count(" netns nat64-lab-") == 1
        assert command.split(" peer name ")[1].count(" netns nat64-lab-") == 1


def test_the_gateway_is_wired_to_the_client_and_the_isp() -> None:
    commands = "\n".join(wiring("x"))
    assert "link add lan0 address 02:00:00:00:01:0c netns nat64-x-client type veth peer name lan0" in commands
    assert (
        "link add wan0 address 02:00:00:00:02:02 netns nat64-x-gateway type veth peer name wan0" in commands
    )


def test_each_interface_is_wired_once_and_set_up_by_its_host() -> None:
    ends = [end for link in LINKS for end in link]
    assert len({(end.host, end.interface) for end in ends}) == len(ends)
    assert len({end.mac for end in ends}) == len(ends)
    for end in ends:
        interfaces = (ROOT / "lab/hosts" / end.host / "etc/network/interfaces").read_text(encoding="utf-8")
        assert f"auto {end.interface}\n" in interfaces


def test_the_isp_routes_the_clients_network_to_the_link_local_address_of_the_gateway() -> None:
    gateway = next(end for link in LINKS for end in link if (end.host, end.interface) == ("gateway", "wan0"))
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
    interfaces = (ROOT / "lab/hosts/isp/etc/network/interfaces").read_text(encoding="utf-8")
    assert f"2001:db8:64::/48 via {link_local} dev wan0" in interfaces


def test_an_unknown_host_is_refused_with_those_there_are() -> None:
    with pytest.raises(LabError, match=r"no host 'router'.*client, gateway, isp, internet, six"):
        host_named("router")


@pytest.mark.parametrize("name", ["", "Lab", "a/b", "..", "9lab", "lab-2", "a" * 17, "lab\n"])
def test_a_lab_name_that_could_leave_its_directory_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="lab name"):
        checked_lab_name(name)


def test_the_longest_names_fit_a_machine_name() -> None:
    longest = max(len(host.name) for host in HOSTS)
    assert len("nat64-") + 16 + len("-") + longest <= 64  # machine-info: a host name


def test_the_inventorys_ssh_config_is_that_of_the_default_lab() -> None:
    assert (ROOT / "inventory/lab/ssh_config").read_text(encoding="utf-8") == ssh_config("lab")
