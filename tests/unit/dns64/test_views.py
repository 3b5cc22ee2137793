"""Views: what holds for a client by the network that its address is in."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.prefix import Pref64
from nat64.config.dns64_config import Dns64Config, Endpoint, Forwarder, SynthesisPrefix, View
from nat64.dns64.forwarders import Health
from nat64.dns64.views import Views, forwarders_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

NAME = "v4.example."
SOA = "example. 300 IN SOA ns.example. root.example. 1 7200 3600 604800 60"
OPEN = "forwarder 192.0.2.53\nprefix 2001:db8:64::/96\nallow-query ::/0 0.0.0.0/0"
GUEST, STAFF, BOSS = "2001:db8:9::1", "2001:db8:1::1", "2001:db8:1:1::1"
STAFFS, BOSSES = ip_network("2001:db8:1::/48"), ip_network("2001:db8:1:1::/64")


def v4_only(reply: Make) -> dict[tuple[str, str], Any]:
    return {
        (NAME, "AAAA"): reply(authority=(SOA,)),
        (NAME, "A"): reply(answer=(f"{NAME} 3600 IN A 192.0.2.33",)),
    }


def prefix(text: str) -> SynthesisPrefix:
    return SynthesisPrefix(Pref64(IPv6Network(text)))


def addresses(response: Any) -> list[str]:  # noqa: ANN401 - dnspython's rdata have no common type
    return [item.address for rrset in response.answer if rrset.rdtype.name == "AAAA" for item in rrset]


def forwarder(address: str) -> Forwarder:
    return Forwarder(Endpoint(IPv4Address(address)))


def test_each_view_has_its_prefixes_and_the_longest_network_counts(
    lab: Make, reply: Make, config: Make
) -> None:
    staff = {"name": "staff", "networks": (STAFFS,), "prefixes": (prefix("3fff:1::/96"),)}
    boss = {"name": "boss", "networks": (BOSSES,), "prefixes": (prefix("3fff:2::/96"),)}
    for views in ((staff, boss), (boss, staff)):
        dns64 = lab(v4_only(reply), config(OPEN, *views))
        given = [addresses(dns64.ask(NAME, host=host)) for host in (GUEST, STAFF, BOSS)]
        assert given == [["2001:db8:64::c000:221"], ["3fff:1::c000:221"], ["3fff:2::c000:221"]]


def test_a_view_of_an_ipv4_network_is_for_ipv4_clients(lab: Make, reply: Make, config: Make) -> None:
    view = {"networks": (ip_network("198.51.100.0/24"),), "prefixes": (prefix("3fff:1::/96"),)}
    dns64 = lab(v4_only(reply), config(OPEN, view))
    assert addresses(dns64.ask(NAME, host="198.51.100.7")) == ["3fff:1::c000:221"]
    assert addresses(dns64.ask(NAME, host="198.51.101.7")) == ["2001:db8:64::c000:221"]


def test_a_link_local_client_is_matched_without_its_zone(lab: Make, reply: Make, config: Make) -> None:
    view = {"networks": (ip_network("fe80::/10"),), "prefixes": (prefix("3fff:1::/96"),)}
    assert addresses(lab(v4_only(reply), config(OPEN, view)).ask(NAME, host="fe80::1%eth0")) == [
        "3fff:1::c000:221"
    ]


def test_a_view_without_a_prefix_synthesizes_nothing_and_tells_no_prefix(
    lab: Make, reply: Make, config: Make
) -> None:
    reverse = "1.2.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
    zone = v4_only(reply) | {
        (reverse, "PTR"): reply(rcode="NXDOMAIN"),
        ("ipv4only.arpa.", "AAAA"): reply(authority=(SOA,)),
    }
    dns64 = lab(zone, config(OPEN, {"networks": (STAFFS,), "prefixes": ()}))
    assert not dns64.ask(NAME, host=STAFF).answer
    assert not dns64.ask("ipv4only.arpa.", host=STAFF).answer
    assert dns64.ask(reverse, "PTR", host=STAFF).rcode() == dns.rcode.NXDOMAIN
    assert [rdtype for _, _, rdtype in dns64.asked] == ["AAAA", "AAAA", "PTR"]


def test_rfc7050_ipv4only_arpa_tells_the_prefixes_of_the_clients_view(lab: Make, config: Make) -> None:
    view = {"networks": (STAFFS,), "prefixes": (prefix("3fff:1::/96"), prefix("3fff:2::/96"))}
    dns64 = lab({}, config(OPEN, view))
    assert sorted(addresses(dns64.ask("ipv4only.arpa.", host=STAFF))) == [
        "3fff:1::c000:aa",
        "3fff:1::c000:ab",
        "3fff:2::c000:aa",
        "3fff:2::c000:ab",
    ]
    assert len(addresses(dns64.ask("ipv4only.arpa.", host=GUEST))) == 2


def test_each_view_asks_its_forwarders(lab: Make, reply: Make, config: Make) -> None:
    view = {"networks": (STAFFS,), "forwarders": (forwarder("198.51.100.53"),)}
    dns64 = lab({(NAME, "TXT"): reply()}, config(OPEN, view))
    dns64.ask(NAME, "TXT", host=STAFF)
    dns64.ask(NAME, "TXT", host=GUEST)
    assert [whom for whom, _, _ in dns64.asked] == ["198.51.100.53", "192.0.2.53"]


def test_each_view_excludes_its_own_addresses(lab: Make, reply: Make, config: Make) -> None:
    zone = v4_only(reply) | {(NAME, "AAAA"): reply(answer=(f"{NAME} 60 IN AAAA 3fff:bad::1",))}
    view = {"networks": (STAFFS,), "exclude": (IPv6Network("3fff:bad::/32"),)}
    dns64 = lab(zone, config(OPEN, view))
    assert addresses(dns64.ask(NAME, host=STAFF)) == ["2001:db8:64::c000:221"]
    assert addresses(dns64.ask(NAME, host=GUEST)) == ["3fff:bad::1"]


def test_each_view_has_its_own_choice_on_failure(lab: Make, reply: Make, config: Make) -> None:
    zone = v4_only(reply) | {(NAME, "AAAA"): reply(rcode="REFUSED")}
    dns64 = lab(zone, config(OPEN, {"networks": (STAFFS,), "synthesize_on_failure": False}))
    assert dns64.ask(NAME, host=STAFF).rcode() == dns.rcode.REFUSED
    assert addresses(dns64.ask(NAME, host=GUEST))


def test_what_one_view_learns_of_a_forwarder_all_views_know(lab: Make, reply: Make, config: Make) -> None:
    both = (forwarder("198.51.100.53"), forwarder("192.0.2.53"))
    views = ({"networks": (STAFFS,), "forwarders": both}, {"networks": (BOSSES,), "forwarders": both})
    dns64 = lab({(NAME, "TXT"): reply()}, config(OPEN, *views))
    dns64.dead.add("198.51.100.53")
    dns64.ask(NAME, "TXT", host=STAFF)
    dns64.asked.clear()
    dns64.ask(NAME, "TXT", host=BOSS)
    assert [whom for whom, _, _ in dns64.asked] == ["192.0.2.53"]


def test_a_view_does_not_permit(lab: Make, reply: Make, config: Make) -> None:
    closed = OPEN.replace("::/0 0.0.0.0/0", "2001:db8:9::/48")
    dns64 = lab(v4_only(reply), config(closed, {"networks": (STAFFS,)}))
    assert dns64.ask(NAME, host=STAFF).rcode() == dns.rcode.REFUSED
    assert not dns64.asked


def test_every_forwarder_is_listed_once(config: Make) -> None:
    view = {"networks": (STAFFS,), "forwarders": (forwarder("198.51.100.53"), forwarder("192.0.2.53"))}
    listed = [str(each.endpoint.address) for each in forwarders_of(config(OPEN, view, view))]
    assert listed == ["192.0.2.53", "198.51.100.53"]


@given(
    networks=st.lists(st.integers(0, 8), max_size=5, unique=True),
    client=st.integers(0, (1 << 128) - 1).map(IPv6Address),
)
def test_of_nested_networks_the_longest_with_the_client_counts(
    networks: list[int], client: IPv6Address
) -> None:
    base = View((forwarder("192.0.2.53"),))
    views = tuple(
        View(base.forwarders, name=str(length), networks=(ip_network(f"::/{length}"),)) for length in networks
    )
    found = Views(Dns64Config(base, views), Health(), lambda: 0).of(client).view
    holding = [length for length in networks if ip_address(client) in ip_network(f"::/{length}")]
    assert found.name == (str(max(holding)) if holding else "")


@pytest.mark.parametrize("garbage", [b"", b"\0" * 12, b"\xff" * 40])
def test_the_view_is_found_before_anything_is_read(lab: Make, config: Make, garbage: bytes) -> None:
    dns64 = lab({}, config(OPEN, {"networks": (STAFFS,)}))
    answer = dns64.send(garbage, STAFF)
    assert answer is None or answer[:2] == garbage[:2]
