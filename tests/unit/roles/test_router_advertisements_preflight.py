"""What role router_advertisements refuses before anything changes, what it makes of its variables, and who is to advertise."""

from __future__ import annotations

import os
import socket
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils import advertising_daemons
from ansible_collections.nat64.gateway.plugins.module_utils.advertising_backend import (
    Host,
    NetworkdLink,
    Process,
    choose,
    foreign,
    version,
)
from ansible_collections.nat64.gateway.plugins.module_utils.router_advertisement import (
    OwnAddress,
    Plan,
    check_v6only_wait,
    read_plan,
    with_own_prefixes,
)

from tests.unit.roles.rendering import value

if TYPE_CHECKING:
    from pathlib import Path

LINK_LOCAL = OwnAddress("lan0", IPv6Address("fe80::1"))
GLOBAL = OwnAddress("lan0", IPv6Address("2001:db8:64:1::1"))
LOCAL = OwnAddress("lan0", IPv6Address("fd00:64::1"))
DELEGATED = OwnAddress("lan0", IPv6Address("2001:db8:ffff::1"), lasting=False)


def plan(*, own: tuple[OwnAddress, ...] = (LINK_LOCAL, GLOBAL), **variables: object) -> Plan:
    """Read the role's defaults and `variables`, on a host with lan0 and lan1."""
    role = "router_advertisements_"
    given = {name if name == "nat64_prefix" else role + name: each for name, each in variables.items()}
    given.setdefault("router_advertisements_interfaces", ["lan0"])
    settings: dict[str, Any] = value("router_advertisements", "__router_advertisements_settings", **given)
    return read_plan(settings, ["lo", "lan0", "lan1"], own)


# What is advertised


def test_an_interface_alone_is_enough() -> None:
    found = plan(nat64_prefix="64:ff9b::/96")
    assert found.findings == []
    (lan,) = found.interfaces
    assert (lan.router_lifetime, lan.prefixes, lan.route_information) == (1800, ["::/64"], [])
    assert (lan.pref64, lan.pref64_lifetime, lan.rdnss) == (["64:ff9b::/96"], 1800, ["2001:db8:64:1::1"])


def test_beside_another_router_no_prefix_and_no_default_route_are_told() -> None:
    (lan,) = plan(default_router=False).interfaces
    assert (lan.router_lifetime, lan.prefixes, lan.route_information) == (0, [], ["64:ff9b::/96"])


def test_one_interface_may_differ_from_the_rest() -> None:
    beside = {"name": "lan1", "default_router": False, "rdnss": ["2001:db8::53"]}
    lan0, lan1 = plan(interfaces=["lan0", beside], pref64=["2001:db8:64::/96"]).interfaces
    assert (lan0.router_lifetime, lan0.prefixes, lan0.route_information) == (1800, ["::/64"], [])
    assert (lan1.router_lifetime, lan1.prefixes, lan1.route_information) == (0, [], ["2001:db8:64::/96"])
    assert lan1.rdnss == ["2001:db8::53"]


def test_a_route_that_the_user_leaves_out_stays_out() -> None:
    (lan,) = plan(default_router=False, route_information=[]).interfaces
    assert lan.route_information == []


@pytest.mark.parametrize(("interval", "lifetime"), [(4, 16), (600, 1800), (601, 1808), (1800, 5400)])
def test_the_prefixs_lifetime_is_three_intervals_rounded_up_to_a_multiple_of_8(
    interval: int, lifetime: int
) -> None:
    found = plan(interval=interval, preferred_lifetime=5400)
    assert found.findings == []
    # RFC 8781 section 4.1.
    assert found.interfaces[0].pref64_lifetime == lifetime


@pytest.mark.parametrize("interval", [4, 5, 600, 1800])
def test_intervals_are_within_the_bounds_of_rfc_4861(interval: int) -> None:
    (lan,) = plan(interval=interval, preferred_lifetime=5400).interfaces
    assert 3 <= lan.min_interval <= 0.75 * lan.max_interval
    assert lan.router_lifetime == 0 or lan.max_interval <= lan.router_lifetime <= 9000


@pytest.mark.parametrize(
    ("own", "named"),
    [
        ((LINK_LOCAL, GLOBAL, LOCAL), "fd00:64::1"),
        ((LINK_LOCAL, GLOBAL), "2001:db8:64:1::1"),
        ((LINK_LOCAL, DELEGATED), "fe80::1"),
    ],
)
def test_the_name_server_is_named_by_an_address_that_lasts(own: tuple[OwnAddress, ...], named: str) -> None:
    (lan,) = plan(own=own).interfaces
    assert lan.rdnss == [named]


def test_networkd_is_told_the_lasting_prefixes_by_name() -> None:
    own = (LINK_LOCAL, GLOBAL, DELEGATED)
    (lan,) = with_own_prefixes(plan(own=own, prefixes=["::/64", "2001:db8:5::/64"]), own).interfaces
    assert lan.prefixes == ["2001:db8:64:1::/64", "2001:db8:5::/64"]


# What is refused


@pytest.mark.parametrize(
    ("variables", "variable", "remedy"),
    [
        ({"interfaces": ["lan7"]}, "interfaces", "name one of lan0, lan1, lo"),
        ({"interfaces": ["lan0", {"name": "lan0"}]}, "interfaces", "leave one"),
        ({"interfaces": ["lan 0"]}, "interfaces", "`ip link`"),
        ({"interfaces": [{"name": "lan0", "prefix": []}]}, "interfaces", "there are prefixes, "),
        ({"interfaces": [{"rdnss": []}]}, "interfaces", "{name: lan0, …}"),
        ({"interfaces": [{"name": "lan0", "default_router": None}]}, "interfaces", "true nor false"),
        ({"interfaces": [{"name": "lan0", "default_router": "maybe"}]}, "interfaces", "true nor false"),
        ({"interval": 3}, "interval", "from 4 to 1800"),
        ({"interval": 1801}, "interval", "from 4 to 1800"),
        ({"pref64_lifetime": 1801}, "pref64_lifetime", "write 1808"),
        ({"pref64_lifetime": 65536}, "pref64_lifetime", "65528"),
        ({"pref64_lifetime": 600}, "pref64_lifetime", "from 1800"),
        ({"dns_lifetime": 600}, "dns_lifetime", "from 1800"),
        ({"preferred_lifetime": 7200}, "preferred_lifetime", "write the shorter"),
        ({"pref64": ["64:ff9b::/95"]}, "pref64", "32, 40, 48, 56, 64, 96"),
        ({"pref64": ["64:ff9b::1/96"]}, "pref64", "host bits"),
        ({"pref64": ["192.0.2.0/24"]}, "pref64", "2001:db8:1::/64"),
        ({"prefixes": ["2001:db8::/48"]}, "prefixes", "write a /64"),
        ({"prefixes": ["2001:db8:1::%1/64"]}, "prefixes", "leave out"),
        ({"route_information": ["2001:db8::"]}, "route_information", "no length"),
        ({"rdnss": ["ns.example"]}, "rdnss", "self for this host"),
        ({"rdnss": ["::1"]}, "rdnss", "self for this host"),
        ({"rdnss": ["fe80::1%lan0"]}, "rdnss", "self for this host"),
        ({"rdnss": "self"}, "rdnss", "write it as [one"),
        ({"rdnss": ["self"], "own": ()}, "rdnss", "give it one"),
        ({"dnssl": ["example..com"]}, "dnssl", "example.com"),
        ({"dnssl": ["a { }; b"]}, "dnssl", "example.com"),
        ({"mtu": 1279}, "mtu", "or 0 for none"),
        ({"preference": "highest"}, "preference", "low, medium or high"),
    ],
)
def test_a_wrong_value_is_told_with_its_remedy(variables: dict[str, Any], variable: str, remedy: str) -> None:
    (finding,) = plan(**variables).findings
    assert finding.startswith(f"router_advertisements_{variable}: ")
    assert remedy in finding


@pytest.mark.parametrize("length", [32, 40, 48, 56, 64, 96])
def test_the_lengths_of_rfc_6052_are_taken(length: int) -> None:
    assert plan(pref64=[f"2001:db8::/{length}"]).findings == []


def test_option_108_waits_at_least_five_minutes() -> None:
    assert check_v6only_wait("1800") == []
    (finding,) = check_v6only_wait(299)  # RFC 8925 section 3.4
    assert finding.startswith("router_advertisements_v6only_wait: ")
    assert "from 300" in finding


# Who advertises


NETWORKD = {"lan0": NetworkdLink("/etc/systemd/network/lan.network")}
OLD, NEW = Host(radvd_candidate="1:2.19-1+b1", systemd=252), Host(radvd_candidate="1:2.20-1+b1", systemd=257)


@pytest.mark.parametrize(
    ("wanted", "host", "backend"),
    [
        ("auto", NEW, "radvd"),
        ("auto", Host(radvd="2.20"), "radvd"),
        ("auto", Host(), "radvd"),  # no package manager could tell: the installed one is looked at
        ("auto", Host(radvd="2.19", systemd=255, links=NETWORKD), "networkd"),
        ("networkd", Host(radvd="2.20", systemd=257, links=NETWORKD), "networkd"),
        ("none", OLD, "none"),
    ],
)
def test_who_can_tell_the_prefix_is_chosen(wanted: str, host: Host, backend: str) -> None:
    assert choose(wanted, plan(), host) == (backend, [])


@pytest.mark.parametrize("wanted", ["auto", "radvd"])
def test_where_nobody_can_tell_the_prefix_the_host_is_refused_with_ways_out(wanted: str) -> None:
    _, (finding,) = choose(wanted, plan(), OLD)
    assert finding.startswith("router_advertisements_pref64: radvd 2.19")
    assert "Debian 13" in finding
    assert "router_advertisements_pref64 to []" in finding


def test_an_old_radvd_advertises_all_but_the_prefix() -> None:
    assert choose("auto", plan(pref64=[]), OLD) == ("radvd", [])


@pytest.mark.parametrize(
    ("variables", "host", "variable"),
    [
        ({}, Host(systemd=257), "backend"),
        ({}, Host(systemd=252, links=NETWORKD), "pref64"),
        ({"interval": 300}, Host(systemd=257, links=NETWORKD), "interval"),
        ({"mtu": 1480}, Host(systemd=257, links=NETWORKD), "mtu"),
        (
            {"interfaces": ["lan0", "lan1"], "rdnss": []},
            Host(systemd=257, links=NETWORKD | {"lan1": NETWORKD["lan0"]}),
            "interfaces",
        ),
    ],
)
def test_networkd_is_refused_what_it_cannot_do(variables: dict[str, Any], host: Host, variable: str) -> None:
    _, (finding,) = choose("networkd", plan(**variables), host)
    assert finding.startswith(f"router_advertisements_{variable}: ")


def test_without_radvd_and_leave_to_install_it_the_host_is_refused() -> None:
    _, (finding,) = choose("auto", plan(), Host(manage_packages=False))
    assert finding.startswith("router_advertisements_manage_packages: ")


@pytest.mark.parametrize(
    ("text", "read"),
    [("2.20", (2, 20)), ("1:2.19-1+b1", (2, 19)), ("2.20-r0", (2, 20)), ("2.20_rc1", (2, 20)), ("", None)],
)
def test_versions_of_every_package_manager_are_read(text: str, read: tuple[int, int] | None) -> None:
    assert version(text) == read


# Who does so already


OWN = "/etc/nat64/radvd.conf"


@pytest.mark.parametrize(
    "process",
    [
        Process("radvd", ("radvd",), "interface lan0 {\n AdvSendAdvert on;\n};"),
        Process("radvd", ("radvd",)),
        Process("dnsmasq", ("dnsmasq",), "enable-ra\n"),
        Process("dnsmasq", ("dnsmasq", "--enable-ra", "--interface=lan0")),
        Process("dnsmasq", ("dnsmasq",), "dhcp-range=::,constructor:lan0,ra-stateless\n"),
        Process("bird", ("bird",), 'protocol radv {\n interface "lan*" { };\n}'),
        Process("corerad", ("corerad",)),
        Process("zebra", ("zebra",), "interface lan0\n no ipv6 nd suppress-ra\n"),
    ],
)
def test_who_advertises_already_is_named_and_not_taken_over(process: Process) -> None:
    (finding,) = foreign([process], plan(), OWN, enabled_radvd=False, links={})
    assert finding.startswith(f"router_advertisements_backend: {process.name} sends")
    assert "none" in finding


@pytest.mark.parametrize(
    "process",
    [
        Process("radvd", ("radvd", "--config", OWN), "interface lan0 {\n};"),
        Process("radvd", ("radvd",), "interface lan9 {\n};"),
        Process("dnsmasq", ("dnsmasq",), "interface=virbr0\nenable-ra\n"),
        Process("dnsmasq", ("dnsmasq",), "dhcp-range=192.0.2.10,192.0.2.20\n"),
        Process("bird", ("bird",), 'protocol ospf {\n interface "lan0" { };\n}'),
    ],
)
def test_who_does_not_advertise_here_is_left_alone(process: Process) -> None:
    assert foreign([process], plan(), OWN, enabled_radvd=False, links={}) == []


def test_a_radvd_that_would_start_at_boot_is_named() -> None:
    (finding,) = foreign([], plan(), OWN, enabled_radvd=True, links={})
    assert "/etc/radvd.conf" in finding


def test_networkd_that_advertises_already_is_named() -> None:
    links = {"lan0": NetworkdLink("/etc/systemd/network/lan.network", "[Network]\nIPv6SendRA=yes\n")}
    (finding,) = foreign([], plan(), OWN, enabled_radvd=False, links=links)
    assert "/etc/systemd/network/lan.network" in finding


def test_a_daemons_config_is_found_by_its_command_line(tmp_path: Path) -> None:
    (tmp_path / "mine.conf").write_text("# enable-ra\ninterface=lan0\nenable-ra  # here\n")
    for arguments in (["dnsmasq", "-C", "/mine.conf"], ["dnsmasq", "--conf-file=/mine.conf"]):
        text = advertising_daemons._settings("dnsmasq", arguments, tmp_path)
        assert text.count("enable-ra") == 1


@pytest.mark.parametrize(
    ("command", "package", "said", "told"),
    [
        ("apt-cache", "radvd", "radvd:\n  Installed: (none)\n  Candidate: 1:2.20-1+b1\n", "1:2.20-1+b1"),
        ("apk", "radvd", "radvd policy:\n  2.20-r0:\n    http://dl-cdn.example/v3.22/main\n", "2.20-r0"),
        ("portageq", "net-misc/radvd", "net-misc/radvd-2.20\n", "2.20"),
    ],
)
def test_each_package_manager_tells_what_it_would_install(
    command: str, package: str, said: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advertising_daemons, "_output", lambda *words: said if words[0] == command else "")
    assert advertising_daemons.candidate(package) == told


def test_apt_without_lists_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advertising_daemons, "_output", lambda *_: "radvd:\n  Candidate: (none)\n")
    assert advertising_daemons.candidate("radvd") == ""


def networkd_state(directory: Path, monkeypatch: pytest.MonkeyPatch, drop_ins: str) -> Path:
    """Have systemd-networkd say that lan0 follows lan.network; return where our drop-in for it belongs."""
    (directory / "links").mkdir()
    (directory / "links/1").write_text(
        f'ADMIN_STATE=configured\nNETWORK_FILE=/usr/lan.network\nNETWORK_FILE_DROPINS="{drop_ins}"\n'
    )
    monkeypatch.setattr(advertising_daemons, "NETIF", directory / "links")
    monkeypatch.setattr(advertising_daemons, "NETWORK_FILES", directory)
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lan0")])
    return directory / "lan.network.d/ours.conf"


@pytest.mark.parametrize(("listed", "age", "unread"), [(True, -9, False), (False, -9, True), (True, 9, True)])
def test_a_drop_in_that_networkd_has_not_read_is_seen(
    listed: bool, age: int, unread: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = networkd_state(tmp_path, monkeypatch, str(tmp_path / "lan.network.d/ours.conf") if listed else "")
    own.parent.mkdir()
    own.write_text("[Network]\nIPv6SendRA=yes\n")
    read = (tmp_path / "links/1").stat().st_mtime
    os.utime(own, (read + age, read + age))
    (link,) = advertising_daemons.networkd_links(["lan0"], own.name).values()
    assert link == NetworkdLink("/usr/lan.network", "", unread)


def test_a_drop_in_that_went_and_networkd_still_follows_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = networkd_state(tmp_path, monkeypatch, str(tmp_path / "lan.network.d/ours.conf"))
    assert advertising_daemons.networkd_links(["lan0"], own.name)["lan0"].unread
