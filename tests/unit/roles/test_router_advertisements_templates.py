"""What role router_advertisements writes on a host. What hosts make of it: tests/lab/test_router_advertisements_lab.py."""

from __future__ import annotations

import json
import re
from configparser import ConfigParser
from typing import Any

import pytest

from tests.unit.roles.rendering import ADVERTISED, render


class CasedParser(ConfigParser):
    """Tells cases apart, as systemd does."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def networkd(**changed: object) -> dict[str, dict[str, str]]:
    """Read the drop-in; a section that may stand more than once is numbered."""
    text = render(
        "router_advertisements/networkd.conf.j2", __router_advertisements_interface=ADVERTISED | changed
    )
    numbers = iter(range(100))
    parser = CasedParser(interpolation=None)
    parser.read_string(
        re.sub(
            r"^\[(IPv6(?:Prefix|PREF64Prefix|RoutePrefix))\]",
            lambda m: f"[{m[1]} {next(numbers)}]",
            text,
            flags=re.MULTILINE,
        )
    )
    return {name: dict(section) for name, section in parser.items() if section}


def test_networkd_is_told_the_same_as_radvd() -> None:
    found = networkd(prefixes=["2001:db8:64:1::/64"], route_information=[], pref64=["64:ff9b::/96"])
    assert found == {
        "Network": {"IPv6SendRA": "yes"},
        "IPv6SendRA": {
            "RouterLifetimeSec": "1800",
            "RouterPreference": "medium",
            "EmitDNS": "yes",
            "DNS": "2001:db8:64:1::1",
            "EmitDomains": "yes",
            "Domains": "example",
            "DNSLifetimeSec": "1800",
        },
        "IPv6Prefix 0": {
            "Prefix": "2001:db8:64:1::/64",
            "PreferredLifetimeSec": "2700",
            "ValidLifetimeSec": "5400",
        },
        "IPv6PREF64Prefix 1": {"Prefix": "64:ff9b::/96", "LifetimeSec": "1800"},
    }


def test_networkd_tells_no_name_server_of_its_own_choice() -> None:
    found = networkd(rdnss=[], dnssl=[])
    assert found["IPv6SendRA"]["EmitDNS"] == found["IPv6SendRA"]["EmitDomains"] == "no"
    assert "DNS" not in found["IPv6SendRA"]


@pytest.mark.parametrize("empty", ["prefixes", "pref64", "route_information", "rdnss", "dnssl"])
def test_radvd_is_told_nothing_of_what_is_empty(empty: str) -> None:
    words = {
        "prefixes": "prefix ::",
        "pref64": "nat64prefix",
        "route_information": "route ",
        "rdnss": "RDNSS ",
        "dnssl": " DNSSL ",
    }
    host: dict[str, Any] = {"interfaces": [ADVERTISED | {empty: []}]}
    text = render("router_advertisements/radvd.conf.j2", __router_advertisements_host=host)
    assert {name for name, word in words.items() if word not in text} == {empty}


@pytest.mark.parametrize(
    ("seconds", "octets"), [(300, "0000012c"), (1800, "00000708"), (2**32 - 1, "ffffffff")]
)
def test_option_108_is_four_octets(seconds: int, octets: str) -> None:
    kea = render("router_advertisements/kea-option-108.json.j2", router_advertisements_v6only_wait=seconds)
    option = json.loads("".join(line for line in kea.splitlines() if not line.startswith("#")))
    assert (option["code"], option["data"]) == (108, octets)
    dnsmasq = render(
        "router_advertisements/dnsmasq-option-108.conf.j2", router_advertisements_v6only_wait=seconds
    )
    assert dnsmasq.splitlines()[-1] == f"dhcp-option=108,{bytes.fromhex(octets).hex(':')}"
