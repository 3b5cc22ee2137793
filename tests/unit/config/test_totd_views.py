"""Views and prefixes of totd.conf: what holds for whom, and what cannot."""

from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest

from nat64.addressing.prefix import Pref64
from nat64.config.dns64_config import (
    IPV4_MAPPED,
    Domain,
    Endpoint,
    Forwarder,
    Synthesis,
    SynthesisPrefix,
    View,
)
from nat64.config.totd import parse
from tests.unit.config.totd_texts import OF_VIEWS, OUTSIDE, SOUND, mistakes, view, warnings

EVERYTHING = """\
forwarder 192.0.2.1
prefix 2001:db8:64::/96
exclude 2001:db8:bad::/48
mapped 203.0.113.0/24
unmapped 203.0.113.7
domain corp.example never
on-aaaa-failure servfail
stf
allow-query 2001:db8::/32
"""


def prefixes(found: View) -> list[tuple[str, list[str]]]:
    return [(str(each.prefix), list(map(str, each.ipv4))) for each in found.prefixes]


def test_a_view_without_directives_is_as_outside() -> None:
    config = parse(f"{EVERYTHING}view inside 2001:db8:1::/48 192.0.2.0/24\nview other 2001:db8:2::7", "f")
    outside = config.default
    assert outside == View(
        forwarders=(Forwarder(Endpoint(ip_address("192.0.2.1"))),),
        prefixes=(SynthesisPrefix(Pref64(IPv6Network("2001:db8:64::/96"))),),
        exclude=(IPV4_MAPPED, IPv6Network("2001:db8:bad::/48")),
        mapped=(IPv4Network("203.0.113.0/24"),),
        unmapped=(IPv4Network("203.0.113.7/32"),),
        domains=(Domain((b"corp", b"example"), Synthesis.NEVER),),
        synthesize_on_failure=False,
        stf=True,
    )
    assert [(each.name, each.networks) for each in config.views] == [
        ("inside", (ip_network("2001:db8:1::/48"), ip_network("192.0.2.0/24"))),
        ("other", (ip_network("2001:db8:2::7/128"),)),
    ]
    for each in config.views:
        assert replace(each, name="", networks=()) == outside


@pytest.mark.parametrize(
    ("lines", "field", "value"),
    [
        ("forwarder 192.0.2.2", "forwarders", (Forwarder(Endpoint(ip_address("192.0.2.2"))),)),
        ("prefix 3fff:64::/64", "prefixes", (SynthesisPrefix(Pref64(IPv6Network("3fff:64::/64"))),)),
        ("prefix none", "prefixes", ()),
        ("exclude 3fff::/20", "exclude", (IPV4_MAPPED, IPv6Network("3fff::/20"))),
        ("mapped 192.0.2.9", "mapped", (IPv4Network("192.0.2.9/32"),)),
        ("unmapped 192.0.2.0/24", "unmapped", (IPv4Network("192.0.2.0/24"),)),
        ("domain . always", "domains", (Domain((), Synthesis.ALWAYS),)),
        ("on-aaaa-failure synthesize", "synthesize_on_failure", True),
    ],
)
def test_what_a_view_gives_replaces_the_whole_of_its_kind_and_nothing_else(
    lines: str, field: str, value: object
) -> None:
    outside = parse(EVERYTHING, "f").default
    inside = view(lines, EVERYTHING)
    for name in (each.name for each in fields(View)):
        if name not in {"name", "networks"}:
            assert getattr(inside, name) == (value if name == field else getattr(outside, name)), name


def test_stf_can_be_of_one_view() -> None:
    assert view("stf").stf
    assert not parse(f"{SOUND}view inside 2001:db8::/32\nstf", "f").default.stf


def test_one_view_takes_nothing_from_another() -> None:
    text = f"{SOUND}view a 2001:db8:a::/48\nprefix 3fff:a::/96\nVIEW b 2001:db8:b::/48\nunmapped 192.0.2.1"
    a, b = parse(text, "f").views
    assert (prefixes(a), prefixes(b)) == ([("3fff:a::/96", [])], [("64:ff9b::/96", [])])
    assert (a.unmapped, b.unmapped) == ((), (IPv4Network("192.0.2.1/32"),))


@pytest.mark.parametrize("keyword", OUTSIDE)
def test_what_holds_for_all_clients_cannot_stand_in_a_view(keyword: str) -> None:
    assert mistakes(f"{SOUND}view inside 2001:db8::/32\n{keyword} x") == [
        f"dns64.conf:5: '{keyword}' cannot stand in a view; move it above the first view"
    ]


def test_also_after_a_view_that_is_refused_a_view_goes_on() -> None:
    found = mistakes(f"{SOUND}view inside\nprefix none\nforwarder 192.0.2.1\nport 5300")
    assert [mistake.split(";")[0] for mistake in found] == [
        "dns64.conf:4: 'inside' is a view without networks",
        "dns64.conf:7: 'port' cannot stand in a view",
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("view", "5: 'view' has 0 arguments; write: view NAME NETWORK..."),
        (
            "view b",
            "5: 'b' is a view without networks; name its clients' networks: view NAME NETWORK...",
        ),
        ("view a 2001:db8:b::/48", "5: there is a view a at line 4; give this one another name"),
        (
            "view b 192.0.2.1 2001:db8:a::/48",
            "5: 2001:db8:a::/48 is in view a at line 4; leave it in one of the two",
        ),
        (
            "view 2001:db8:b::/48 192.0.2.0/24",
            "5: '2001:db8:b::/48' cannot be a view's name; give one of letters, digits, '-' and '_'",
        ),
        (
            "view b 2001:db8:b::1/48",
            "5: '2001:db8:b::1/48' has bits set after its length; did you mean 2001:db8:b::/48?",
        ),
    ],
)
def test_a_view_that_cannot_be_is_told(lines: str, expected: str) -> None:
    assert mistakes(f"{SOUND}view a 2001:db8:a::/48\n{lines}") == [f"dns64.conf:{expected}"]


def test_a_forwarder_is_needed_for_those_in_no_view() -> None:
    assert mistakes("prefix 64:ff9b::/96\nview a 2001:db8::/32\nforwarder 192.0.2.1") == [
        (
            "dns64.conf: no forwarder above the first view; "
            "say which name server to ask, e.g.: forwarder 127.0.0.1 port 65053"
        )
    ]


def test_a_view_whose_clients_nothing_permits_is_warned_of() -> None:
    text = f"{SOUND}allow-query 2001:db8:a::/48\nview a 2001:db8:a:1::/64 192.0.2.0/24\nview b 2001:db8::/32"
    assert warnings(text) == [
        (
            "dns64.conf:5: nothing permits the clients of view a in 192.0.2.0/24; "
            "add above the first view: allow-query 192.0.2.0/24"
        )
    ]
    assert warnings(f"interfaces lan0\n{text}") == []


def test_the_host_itself_can_be_a_views_client() -> None:
    assert warnings(f"{SOUND}view local ::1 127.0.0.1") == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("forwarder 192.0.2.9", "forwarder 192.0.2.9:53"),
        ("prefix 3fff:64::/96", "prefix 3fff:64::/96"),
        ("prefix 3fff:64::/96 for 192.0.2.0/24", "prefix 3fff:64::/96"),
        ("prefix none", "prefix none"),
        ("domain corp.example never", "domain corp.example never"),
        ("domain corp.example forward 192.0.2.9", "domain corp.example forward 192.0.2.9:53"),
        ("on-aaaa-failure servfail", "'on-aaaa-failure'"),
        ("stf", "'stf'"),
    ],
)
def test_a_repetition_in_a_view_is_warned_of(line: str, what: str) -> None:
    text = f"interfaces lan0\n{SOUND}{line if line != 'prefix none' else ''}\nview inside 2001:db8::/32\n"
    assert warnings(f"{text}{line}\n") == [], "outside and inside is no repetition"
    (warning,) = warnings(f"{text}{line}\n{line}\n")
    assert warning.startswith(f"dns64.conf:8: {what} stands here a second time; ")


def test_a_network_that_a_view_names_twice_is_warned_of_and_counts_once() -> None:
    config = parse(f"interfaces lan0\n{SOUND}view a 2001:db8::/32 2001:db8::/32", "dns64.conf")
    assert config.views[0].networks == (ip_network("2001:db8::/32"),)
    assert [str(warning) for warning in config.warnings] == [
        "dns64.conf:5: view a names a network twice; remove one of the two"
    ]


def test_prefixes_for_ipv4_networks() -> None:
    lines = """\
prefix 3fff:1::/96 for 192.0.2.0/24 198.51.100.7
prefix 3fff:2::/96
prefix 3fff:1::/96 FOR 203.0.113.0/24
prefix 3fff:3:: for 192.0.2.128/25
"""
    expected = [
        ("3fff:1::/96", ["192.0.2.0/24", "198.51.100.7/32", "203.0.113.0/24"]),
        ("3fff:2::/96", []),
        ("3fff:3::/96", ["192.0.2.128/25"]),
    ]
    assert prefixes(view(lines)) == expected
    assert prefixes(parse(f"forwarder 192.0.2.53\n{lines}", "f").default) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "prefix 3fff:1::/96 for 192.0.2.0/24\nprefix 3fff:2::/96 for 192.0.2.0/24",
            "6: prefix 3fff:1::/96 alone serves 192.0.2.0/24; name it behind one of the two",
        ),
        (
            "prefix 3fff:1::/96 for 192.0.2.0/24\nprefix 3fff:1::/96",
            "6: prefix 3fff:1::/96 stands here once with 'for' and once without; keep one of the two",
        ),
        ("prefix none\nprefix 3fff:1::/96", "6: 'prefix none' stands beside a prefix; remove one of the two"),
        ("prefix 3fff:1::/96\nprefix none", "6: 'prefix none' stands beside a prefix; remove one of the two"),
        (
            "prefix 3fff:1::/96 for",
            "5: 'for' without a network; write: prefix ADDRESS[/LENGTH] [for IPV4-NETWORK...]",
        ),
        (
            "prefix 3fff:1::/96 192.0.2.0/24",
            "5: '192.0.2.0/24' cannot follow a prefix; write: prefix ADDRESS[/LENGTH] [for IPV4-NETWORK...]",
        ),
        (
            "prefix 3fff:1::/96 for 192.0.2.1/24",
            "5: '192.0.2.1/24' has bits set after its length; did you mean 192.0.2.0/24?",
        ),
        (
            "prefix 3fff:1::/96 for 2001:db8::1",
            "5: '2001:db8::1' is not an IPv4 address; write it as 192.0.2.1",
        ),
        ("unmapped", "5: 'unmapped' has 0 arguments; write: unmapped IPV4-NETWORK..."),
        (
            "mapped 2001:db8::/32",
            "5: '2001:db8::/32' is not an IPv4 network; write it as 192.0.2.0/24",
        ),
    ],
)
def test_prefixes_and_networks_that_cannot_be_are_told(lines: str, expected: str) -> None:
    assert mistakes(f"{SOUND}view inside 2001:db8::/32\n{lines}") == [f"dns64.conf:{expected}"]


def test_rfc6052_3_1_a_prefix_for_addresses_that_it_never_carries_is_warned_of() -> None:
    text = (
        "forwarder 192.0.2.53\ninterfaces lan0\nprefix 3fff:1::/96 for 10.0.0.0/8\nprefix 64:ff9b::/96 for "
    )
    assert warnings(f"{text}8.8.8.0/24 10.0.0.0/7") == []
    assert warnings(f"{text}8.8.8.0/24 10.1.0.0/16") == [
        (
            "dns64.conf:4: 64:ff9b::/96 never carries 10.1.0.0/16, which is not global (RFC 6052 section 3.1), "
            "so that nothing is synthesized from it; give these addresses a prefix of your own"
        )
    ]


def test_prefix_none_outside_of_a_view_is_a_mistake() -> None:
    assert mistakes("forwarder 192.0.2.53\nprefix none") == [
        (
            "dns64.conf:2: 'prefix none' stands outside of a view; "
            "remove it, or move it into the view whose clients shall get nothing synthesized"
        )
    ]


def test_synthesis_can_be_for_the_clients_of_a_view_only() -> None:
    text = "forwarder 192.0.2.53\ninterfaces lan0\nview inside 2001:db8::/32\n"
    assert warnings(f"{text}prefix 64:ff9b::/96") == []
    assert "no prefix" in warnings(f"{text}prefix none")[0]


def test_every_keyword_that_may_stand_in_a_view_may_stand_outside() -> None:
    assert {line.split()[0] for line in EVERYTHING.splitlines()} >= set(OF_VIEWS)
    assert parse(EVERYTHING, "f").warnings == ()
