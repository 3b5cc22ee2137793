"""RFC 7050 and RFC 8880: ipv4only.arpa tells the prefixes, and is answered without asking anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dns.rcode
import dns.reversename
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

CONFIG = """
forwarder 192.0.2.53
prefix 64:ff9b::/96
prefix 2001:db8:64::/64
allow-query ::/0
"""


def test_rfc7050_3_every_prefix_stands_in_the_aaaa_answer(lab: Make) -> None:
    dns64 = lab({}, CONFIG)
    response = dns64.ask("IPv4Only.arpa.")
    assert sorted(item.address for item in response.answer[0]) == [
        "2001:db8:64:0:c0:0:aa00:0",
        "2001:db8:64:0:c0:0:ab00:0",
        "64:ff9b::c000:aa",
        "64:ff9b::c000:ab",
    ]
    assert not dns64.asked


def test_rfc7050_8_the_a_answer_is_the_well_known_pair(lab: Make) -> None:
    response = lab({}, CONFIG).ask("ipv4only.arpa.", "A")
    assert sorted(item.address for item in response.answer[0]) == ["192.0.0.170", "192.0.0.171"]


def test_other_types_are_absent(lab: Make) -> None:
    response = lab({}, CONFIG).ask("ipv4only.arpa.", "TXT")
    assert response.rcode() == dns.rcode.NOERROR
    assert not response.answer
    assert str(response.authority[0].name) == "ipv4only.arpa."


def test_rfc8880_7_names_below_do_not_exist(lab: Make) -> None:
    response = lab({}, CONFIG).ask("x.ipv4only.arpa.")
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert response.authority[0].rdtype.name == "SOA"


@pytest.mark.parametrize("address", ["192.0.0.170", "192.0.0.171"])
def test_rfc8880_7_reverse_names_of_the_pair(lab: Make, address: str) -> None:
    response = lab({}, CONFIG).ask(str(dns.reversename.from_address(address)), "PTR")
    assert str(response.answer[0][0].target) == "ipv4only.arpa."


@pytest.mark.parametrize("address", ["64:ff9b::c000:aa", "2001:db8:64:0:c0:0:ab00:0"])
def test_rfc8880_7_reverse_names_of_the_synthesized_pair(lab: Make, address: str) -> None:
    dns64 = lab({}, CONFIG)
    response = dns64.ask(str(dns.reversename.from_address(address)), "PTR")
    assert [rrset.rdtype.name for rrset in response.answer] == ["CNAME", "PTR"]
    assert str(response.answer[1][0].target) == "ipv4only.arpa."
    assert not dns64.asked


@pytest.mark.parametrize("name", ["ipv4only.arpa.", "170.0.0.192.in-addr.arpa."])
def test_rfc4035_3_1_4_1_the_ds_records_are_the_parents(lab: Make, reply: Make, name: str) -> None:
    dns64 = lab({(name, "DS"): reply()}, CONFIG)
    dns64.ask(name, "DS")
    assert dns64.asked
    dns64.ask(f"x.{name}", "DS")
    assert len(dns64.asked) == 1


def test_without_a_prefix_it_is_a_name_like_others(lab: Make, reply: Make) -> None:
    dns64 = lab({("ipv4only.arpa.", "AAAA"): reply()}, "forwarder 192.0.2.53\nallow-query ::/0")
    assert not dns64.ask("ipv4only.arpa.").answer
    assert dns64.asked


def test_rfc2308_3_the_soa_of_a_negative_answer_lives_no_longer_than_its_minimum(lab: Make) -> None:
    for name in ("ipv4only.arpa.", "x.ipv4only.arpa."):
        (soa,) = lab().ask(name, "MX").authority
        assert soa.ttl == soa[0].minimum
