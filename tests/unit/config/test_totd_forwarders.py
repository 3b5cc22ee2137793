"""Whom totd.conf says to ask: ports, TLS, trust in DNSSEC, and never dns64d itself."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest

from nat64.config.dns64_config import Endpoint, Forwarder
from nat64.config.totd import parse
from tests.unit.config.totd_texts import SOUND, mistakes, warnings


def forwarder(line: str) -> Forwarder:
    """Read the one forwarder of a config."""
    (found,) = parse(f"forwarder {line}\nprefix 64:ff9b::/96\nallow-query ::1\n", "f").default.forwarders
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("192.0.2.53", Forwarder(Endpoint(ip_address("192.0.2.53"), 53))),
        ("192.0.2.53 PORT 5353", Forwarder(Endpoint(ip_address("192.0.2.53"), 5353))),
        ("127.0.0.1 port 5353 validating", Forwarder(Endpoint(ip_address("127.0.0.1"), 5353), None, True)),
        ("127.0.0.1 Validating port 5353", Forwarder(Endpoint(ip_address("127.0.0.1"), 5353), None, True)),
        ("::1 port 5353 validating", Forwarder(Endpoint(ip_address("::1"), 5353), None, True)),
        (
            "2001:db8::53 tls DNS.Example. validating",
            Forwarder(Endpoint(ip_address("2001:db8::53"), 853), "dns.example", True),
        ),
        (
            "192.0.2.53 port 8853 tls bücher.example",
            Forwarder(Endpoint(ip_address("192.0.2.53"), 8853), "xn--bcher-kva.example"),
        ),
    ],
)
def test_a_forwarder_and_its_options(line: str, expected: Forwarder) -> None:
    assert forwarder(line) == expected


def test_rfc7858_3_1_over_tls_the_port_is_853_unless_one_is_given() -> None:
    assert forwarder("192.0.2.53 tls dns.example").endpoint.port == 853
    assert forwarder("192.0.2.53 tls dns.example port 443").endpoint.port == 443


@pytest.mark.parametrize(
    "address", ["192.0.2.53", "2001:db8::53", "192.168.1.1 port 65053", "0.0.0.0 port 5300"]
)
def test_rfc6147_5_5_only_a_safe_way_makes_a_forwarder_validating(address: str) -> None:
    assert re.fullmatch(
        r"dns64.conf:1: what \S+ says of DNSSEC cannot be believed, .*; .*tls NAME.*, or remove 'validating'",
        mistakes(f"forwarder {address} validating")[0],
    )


@pytest.mark.parametrize(
    "name",
    [
        "192.0.2.53",
        "2001:db8::53",
        "-dns.example",
        "dns_1.example",
        ".",
        "dns.example/",
        "dns..example",
        "é" * 64,
    ],
)
def test_rfc8310_8_1_what_cannot_stand_in_a_certificate_is_a_mistake(name: str) -> None:
    (mistake,) = mistakes(f"{SOUND}forwarder 192.0.2.54 tls {name}")
    assert mistake.startswith(f"dns64.conf:4: '{name}' ")


@pytest.mark.parametrize(
    "options",
    ["tls", "port", "validating validating", "port 1 port 2", "tls a.example tls b.example", "tsl x", "53"],
)
def test_options_that_are_not_understood_are_shown_with_the_usage(options: str) -> None:
    (mistake,) = mistakes(f"{SOUND}forwarder 127.0.0.2 {options}")
    assert re.fullmatch(
        r"dns64.conf:4: '.*' is not understood here; write: "
        r"forwarder ADDRESS \[port NUMBER\] \[tls NAME\] \[validating\]",
        mistake,
    )


def test_one_forwarder_with_different_options_is_a_mistake() -> None:
    assert mistakes(f"{SOUND}forwarder 192.0.2.54 port 853\nforwarder 192.0.2.54 tls dns.example") == [
        "dns64.conf:5: forwarder 192.0.2.54:853 stands at line 4 with other options; remove one of the two"
    ]


@pytest.mark.parametrize(
    "lines",
    [
        "forwarder 127.0.0.1",
        "forwarder 127.0.0.53\ninterfaces all",
        "forwarder ::1 port 5300\nport 5300\ninterfaces lan0",
        "forwarder 192.0.2.1 port 5300\nlisten 192.0.2.1 port 5300",
        "forwarder ::1\nlisten ::",
        "forwarder 0.0.0.0",
        "forwarder ::\ninterfaces lan0",
        "forwarder 0.0.0.0\nlisten 127.0.0.1",
    ],
)
def test_a_forwarder_that_is_dns64d_itself_is_a_mistake(lines: str) -> None:
    assert re.fullmatch(
        r"dns64.conf:1: forwarder \S+ is where dns64d itself listens; .* forwarder \S+ port 65053",
        mistakes(lines)[0],
    )


@pytest.mark.parametrize(
    ("lines", "remedy"),
    [
        ("domain corp.example forward 127.0.0.1", "domain corp.example forward 127.0.0.1 port 65053"),
        ("view inside 2001:db8::/32\nforwarder ::1", "forwarder ::1 port 65053"),
        (
            "view inside 2001:db8::/32\ndomain . forward 127.0.0.1 port 53",
            "domain . forward 127.0.0.1 port 65053",
        ),
        ("forwarder ::ffff:127.0.0.1", "forwarder 127.0.0.1 port 65053"),
        ("forwarder 127.0.0.1 port 53 tls dns.example validating", "forwarder 127.0.0.1 port 65053"),
    ],
)
def test_no_forwarder_of_a_view_or_domain_is_dns64d_itself_either(lines: str, remedy: str) -> None:
    (mistake,) = mistakes(SOUND + lines)
    place = f"dns64.conf:{(SOUND + lines).count(chr(10)) + 1}"
    assert mistake.startswith(f"{place}: forwarder ")
    assert mistake.endswith(
        f" is where dns64d itself listens; give the name server's own port, e.g.: {remedy}"
    )


@pytest.mark.parametrize(
    "lines",
    [
        "forwarder 127.0.0.1 port 65053",
        "forwarder 127.0.0.53\ninterfaces lan0",
        "forwarder 127.0.0.1\nlisten 192.0.2.1",
        "forwarder 192.0.2.1\nlisten 192.0.2.1 port 5300",
    ],
)
def test_another_server_on_this_host_may_be_a_forwarder(lines: str) -> None:
    assert parse(lines, "f").default.forwarders


def test_a_link_local_forwarder_is_warned_of() -> None:
    assert "cannot be reached" in warnings(f"{SOUND}forwarder fe80::1")[0]
    assert "cannot be reached" in warnings(f"{SOUND}domain corp.example forward fe80::1")[0]
