"""Domains of totd.conf: synthesis and forwarders by name."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from nat64.config.dns64_config import Domain, Endpoint, Forwarder, Synthesis
from nat64.config.totd import parse
from nat64.config.totd_endpoints import FORWARDER
from tests.unit.config.totd_texts import SOUND, mistakes, view

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = f"write: domain NAME never|always|forward {FORWARDER}"


def outside(lines: str) -> tuple[Domain, ...]:
    return parse(SOUND + lines, "f").default.domains


def inside(lines: str) -> tuple[Domain, ...]:
    return view(lines).domains


@pytest.mark.parametrize("read", [outside, inside])
def test_what_is_said_of_a_domain_is_gathered_by_its_name(read: Callable[[str], tuple[Domain, ...]]) -> None:
    assert read("""
domain Corp.Example never
domain corp.example. forward 192.0.2.10 port 5353
domain lab.corp.example ALWAYS
domain CORP.example FORWARD 2001:db8::10 tls ns.corp.example validating
domain bücher.example forward 127.0.0.1 port 5300 validating
domain . always
""") == (
        Domain(
            (b"corp", b"example"),
            Synthesis.NEVER,
            (
                Forwarder(Endpoint(ip_address("192.0.2.10"), 5353)),
                Forwarder(Endpoint(ip_address("2001:db8::10"), 853), "ns.corp.example", validating=True),
            ),
        ),
        Domain((b"lab", b"corp", b"example"), Synthesis.ALWAYS),
        Domain(
            (b"xn--bcher-kva", b"example"),
            None,
            (Forwarder(Endpoint(ip_address("127.0.0.1"), 5300), None, validating=True),),
        ),
        Domain((), Synthesis.ALWAYS),
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "domain corp.example never\ndomain Corp.example. always",
            "5: domain corp.example is 'never' at line 4, and 'always' here; remove one of the two",
        ),
        (
            "domain corp.example forward 192.0.2.1\ndomain corp.example forward 192.0.2.1 port 53 tls a.example",
            "5: domain corp.example forward 192.0.2.1:53 stands at line 4 with other options; remove one of the two",
        ),
        ("domain a..example never", "4: 'a..example' has an empty label; did you mean a.example?"),
        ("domain corp.example", f"4: 'domain' has 1 argument; {USAGE}"),
        ("domain corp.example maybe", f"4: 'maybe' is not understood here; {USAGE}"),
        ("domain corp.example never ever", f"4: 'never ever' is not understood here; {USAGE}"),
        ("domain corp.example forward", f"4: 'forward' is not understood here; {USAGE}"),
        ("domain corp.example forward 192.0.2.1 53", f"4: '53' is not understood here; {USAGE}"),
        (
            "domain corp.example forward ns.example",
            "4: 'ns.example' is not an IPv4 or IPv6 address; give an address such as 192.0.2.53 or 2001:db8::53",
        ),
    ],
)
def test_what_cannot_be_said_of_a_domain_is_told(lines: str, expected: str) -> None:
    assert mistakes(SOUND + lines) == [f"dns64.conf:{expected}"]


def test_the_same_domain_may_be_otherwise_in_a_view() -> None:
    config = parse(
        f"{SOUND}domain corp.example never\nview inside 2001:db8::/32\ndomain corp.example always", "f"
    )
    assert [each.synthesis for each in config.default.domains] == [Synthesis.NEVER]
    assert [each.synthesis for each in config.views[0].domains] == [Synthesis.ALWAYS]
