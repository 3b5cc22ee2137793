"""Whom totd.conf says to ask: ports, TLS, trust in DNSSEC, and never dns64d itself."""

from __future__ import annotations

import base64
import re
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


PIN = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="
DIGEST = bytes.fromhex("abcdef1234567890" * 4)
OTHER_PIN = base64.b64encode(bytes(32)).decode()


def test_rfc7858_4_2_pins_with_a_name_or_alone() -> None:
    alone = forwarder(f"192.0.2.53 tls-pin {PIN}")
    assert alone == Forwarder(Endpoint(ip_address("192.0.2.53"), 853), pins=(DIGEST,))
    assert alone.is_encrypted
    named = forwarder(f"192.0.2.53 TLS-Pin {PIN} tls dns.example port 8853 tls-pin {OTHER_PIN} validating")
    assert named == Forwarder(
        Endpoint(ip_address("192.0.2.53"), 8853), "dns.example", True, (DIGEST, bytes(32))
    )


def test_a_pin_that_stands_there_twice_counts_once() -> None:
    assert forwarder(f"192.0.2.53 tls-pin {PIN} tls-pin {PIN}").pins == (DIGEST,)


@pytest.mark.parametrize(
    "pin", [PIN[:-1], PIN[:-4], f"{PIN}=", "é" * 44, f"sha256/{PIN}", "abcdef1234567890" * 4, "-" * 43 + "="]
)
def test_rfc7858_4_2_what_is_not_the_base64_of_a_sha256_digest_is_a_mistake(pin: str) -> None:
    assert mistakes(f"{SOUND}forwarder 192.0.2.54 tls-pin {pin}") == [
        f"dns64.conf:4: '{pin}' is not a pin; give the base64 of the SHA-256 digest of the server's public key"
    ]


@given(st.binary(max_size=40))
def test_exactly_the_digests_of_32_octets_are_pins(digest: bytes) -> None:
    line = f"192.0.2.53 tls-pin {base64.b64encode(digest).decode()}"
    if len(digest) == 32:
        assert forwarder(line).pins == (digest,)
    else:
        mistakes(f"{SOUND}forwarder {line}")


@pytest.mark.parametrize(
    ("uri", "name", "path"),
    [
        ("https://dns.example/dns-query", "dns.example", "/dns-query"),
        ("HTTPS://DNS.Example./", "dns.example", "/"),
        ("https://bücher.example/a/b%20c", "xn--bcher-kva.example", "/a/b%20c"),
        ("https://dns.example/dns-query{?dns}", "dns.example", "/dns-query"),
    ],
)
def test_rfc8484_3_a_forwarder_over_https(uri: str, name: str, path: str) -> None:
    found = forwarder(f"192.0.2.53 https {uri} validating")
    assert found == Forwarder(Endpoint(ip_address("192.0.2.53"), 443), name, True, https_path=path)
    assert found.is_encrypted
    assert forwarder(f"192.0.2.53 port 8443 https {uri}").endpoint.port == 8443


@pytest.mark.parametrize(
    ("uri", "mistake"),
    [
        ("dns.example/dns-query", "is not an https URI; write it as https://dns.example/dns-query"),
        ("http://dns.example/dns-query", "is not an https URI; write it as https://dns.example/dns-query"),
        ("https://me@dns.example/", "is not an https URI; write it as https://dns.example/dns-query"),
        ("https://[2001:db8::53]/x", "is not an https URI; write it as https://dns.example/dns-query"),
        ("https://dns.example", "has no path; did you mean https://dns.example/dns-query?"),
        ("https://dns.example:8443/x", "has a port; write: port 8443 https https://dns.example..."),
    ],
)
def test_rfc8484_3_what_is_no_uri_to_ask_is_a_mistake(uri: str, mistake: str) -> None:
    assert mistakes(f"{SOUND}forwarder 192.0.2.54 https {uri}") == [f"dns64.conf:4: '{uri}' {mistake}"]


@pytest.mark.parametrize("path", ["/é", "/%4", "/a?dns=", "/{x}", "/\\", "/<"])
def test_rfc3986_3_3_what_is_no_path_is_a_mistake(path: str) -> None:
    (mistake,) = mistakes(f"{SOUND}forwarder 192.0.2.54 https https://dns.example{path}")
    assert mistake.startswith(f"dns64.conf:4: '{path}' is not the path of a URI; ")


def test_the_name_of_an_https_uri_is_a_hosts() -> None:
    (mistake,) = mistakes(f"{SOUND}forwarder 192.0.2.54 https https://192.0.2.54/x")
    assert mistake.startswith("dns64.conf:4: '192.0.2.54' is not a host's name; ")


@pytest.mark.parametrize("other", ["tls dns.example", f"tls-pin {PIN}"])
def test_https_and_tls_exclude_each_other(other: str) -> None:
    keyword = other.partition(" ")[0]
    assert mistakes(f"{SOUND}forwarder 192.0.2.54 {other} https https://dns.example/x") == [
        f"dns64.conf:4: '{keyword}' and 'https' are two ways to ask; remove one of the two"
    ]


def test_a_domains_forwarder_takes_the_same_options() -> None:
    (domain,) = parse(f"{SOUND}domain . forward 192.0.2.54 tls-pin {PIN} validating", "f").default.domains
    assert domain.forwarders == (
        Forwarder(Endpoint(ip_address("192.0.2.54"), 853), None, True, pins=(DIGEST,)),
    )


@pytest.mark.parametrize("directive", ["forwarder", "domain corp.example forward"])
def test_forwarders_of_which_only_some_validate_are_warned_of_where_the_first_other_stands(
    directive: str,
) -> None:
    lines = (f"{directive} 192.0.2.{n}{' tls dns.example validating' * (n == 1)}" for n in (1, 2, 3))
    (warning,) = warnings("\n".join(("view staff ::1", *lines)).join((SOUND, "\n")))
    assert warning == (
        f"dns64.conf:6: of the name servers of '{directive}' only some are 'validating': "
        "where those are late, one that does not validate answers; "
        "write 'validating' for all of them, or for none"
    )


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
    [
        *("tls", "port", "tls-pin", "https", "validating validating", "port 1 port 2", "tsl x", "53"),
        "tls a.example tls b.example",
        "https https://a.example/x https https://a.example/x",
    ],
)
def test_options_that_are_not_understood_are_shown_with_the_usage(options: str) -> None:
    (mistake,) = mistakes(f"{SOUND}forwarder 127.0.0.2 {options}")
    assert re.fullmatch(
        r"dns64.conf:4: '.*' is not understood here; write: "
        r"forwarder ADDRESS \[port NUMBER\] .* \[validating\]",
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
        "forwarder ::1 tls dns.example\nlisten-tls ::1 certificate /c key /k",
        "forwarder 127.0.0.1 port 443\nlisten-tls 0.0.0.0 port 443 certificate /c key /k",
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
        "forwarder 192.0.2.1 tls dns.example\nlisten-tls 192.0.2.2 certificate /c key /k",
    ],
)
def test_another_server_on_this_host_may_be_a_forwarder(lines: str) -> None:
    assert parse(lines, "f").default.forwarders


def test_a_link_local_forwarder_is_warned_of() -> None:
    assert "cannot be reached" in warnings(f"{SOUND}forwarder fe80::1")[0]
    assert "cannot be reached" in warnings(f"{SOUND}domain corp.example forward fe80::1")[0]
