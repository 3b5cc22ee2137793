"""One description of a host's interfaces, in three formats."""

from pathlib import Path

import pytest

from lab import guest_files, network_config
from lab.errors import LabError
from lab.platforms import platform_named
from lab.topology import IN_LINE, TOPOLOGIES, Topology

ROOT = Path(__file__).parents[3]
GATEWAY = (ROOT / "lab/hosts/gateway/etc/network/interfaces").read_text(encoding="utf-8")


def test_what_ifupdown_sets_up_is_read() -> None:
    lan, wan = network_config.parse(GATEWAY)
    assert (lan.name, lan.addresses, lan.gateways) == ("lan0", ["2001:db8:64:1::1/64"], [])
    assert (lan.accept_ra, lan.detect_duplicates) == (False, False)
    assert (wan.name, wan.addresses, wan.gateways) == ("wan0", ["198.51.100.2/24"], ["198.51.100.1"])
    assert (wan.accept_ra, wan.detect_duplicates) == (True, True)


@pytest.mark.parametrize("line", ["up ip link set x0 mtu 1400", "address 192.0.2.1", "iface x0 inet dhcp"])
def test_what_has_no_counterpart_is_refused_with_the_line(line: str) -> None:
    with pytest.raises(LabError, match=line.split(maxsplit=1)[0]):
        network_config.parse(f"iface x0 inet static\n    {line}\n")


def test_both_families_of_an_interface_are_one() -> None:
    text = "iface x0 inet static\n  address 192.0.2.1/24\niface x0 inet6 static\n  address 2001:db8::1/64\n"
    (interface,) = network_config.parse(text)
    assert interface.addresses == ["192.0.2.1/24", "2001:db8::1/64"]


def test_netifrc_gets_strings_with_a_line_each_and_null_for_none() -> None:
    text = "iface x0 inet static\n  address 192.0.2.1/24\n  address 192.0.2.2/24\niface y0 inet manual\n"
    files = dict(network_config.netifrc(network_config.parse(text)))
    assert 'config_x0="192.0.2.1/24\n192.0.2.2/24"\n' in files["etc/conf.d/net"]
    assert 'config_y0="null"\n' in files["etc/conf.d/net"]


def test_networkd_gets_a_file_for_each_interface() -> None:
    files = dict(network_config.networkd(network_config.parse(GATEWAY)))
    assert sorted(files) == ["etc/systemd/network/10-lan0.network", "etc/systemd/network/10-wan0.network"]
    assert "IPv6AcceptRA=no\n" in files["etc/systemd/network/10-lan0.network"]
    assert "Gateway=198.51.100.1\n" in files["etc/systemd/network/10-wan0.network"]


def test_a_gentoo_gateway_has_a_service_for_each_interface_and_no_ifupdown(tmp_path: Path) -> None:
    guest_files.write(IN_LINE.host_named("gateway"), tmp_path, "", platform_named("gentoo"))
    for name in ("net.lan0", "net.wan0"):
        assert (tmp_path / "etc/init.d" / name).readlink() == Path("net.lo")
        assert (tmp_path / "etc/runlevels/default" / name).readlink() == Path("/etc/init.d") / name
    assert not (tmp_path / "etc/network").exists()
    assert not (tmp_path / "etc/apt").exists()
    assert not (tmp_path / "etc/systemd").exists()


@pytest.mark.parametrize("platform", ["gentoo", "gentoo-systemd"])
@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda topology: topology.name)
def test_the_gateway_of_every_topology_can_be_translated(
    topology: Topology, platform: str, tmp_path: Path
) -> None:
    gateway = topology.host_named("gateway")
    guest_files.write(gateway, tmp_path, "", platform_named(platform), topology)
    network = "etc/conf.d/net" if platform == "gentoo" else "etc/systemd/network/10-lan0.network"
    assert "2001:db8:64:" in (tmp_path / network).read_text(encoding="utf-8")
