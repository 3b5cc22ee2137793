"""Where totd.conf says to listen: `listen`, `listen-tls`, and what cannot stand together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nat64.config.totd import parse
from tests.unit.config.totd_texts import SOUND, mistakes, warnings

if TYPE_CHECKING:
    from nat64.config.dns64_config import TlsEndpoint

FILES = "certificate /etc/nat64/tls/chain.pem key /etc/nat64/tls/key.pem"


def listen_tls(lines: str) -> tuple[TlsEndpoint, ...]:
    return parse(SOUND + lines, "f").listen_tls


def test_rfc7858_3_1_clients_are_served_over_tls_on_port_853_unless_one_is_given() -> None:
    first, second = listen_tls(
        f"listen-tls 2001:db8::1 {FILES}\nlisten-tls 192.0.2.1 key /k PORT 8853 Certificate /c"
    )
    assert str(first.endpoint) == "[2001:db8::1]:853"
    assert (first.certificate, first.key) == ("/etc/nat64/tls/chain.pem", "/etc/nat64/tls/key.pem")
    assert (str(second.endpoint), second.certificate, second.key) == ("192.0.2.1:8853", "/c", "/k")


def test_without_listen_tls_no_client_is_served_over_tls() -> None:
    assert listen_tls("") == ()


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        ("", "'listen-tls' has 0 arguments; write: listen-tls ADDRESS"),
        ("::1", "'listen-tls' without 'certificate' and 'key'; write: listen-tls ADDRESS"),
        ("::1 key /k", "'listen-tls' without 'certificate'; write: listen-tls ADDRESS"),
        ("::1 certificate /c", "'listen-tls' without 'key'; write: listen-tls ADDRESS"),
        ("::1 certificate /c key", "'key' is not understood here; write: listen-tls ADDRESS"),
        ("::1 certificate /c key /k key /k", "'key /k' is not understood here; write: listen-tls ADDRESS"),
        ("::1 certificate c key /k", "'c' is not an absolute path; e.g.: certificate /etc/nat64/tls/"),
        ("::1 certificate /c key k", "'k' is not an absolute path; e.g.: key /etc/nat64/tls/"),
        ("::1 port 0 certificate /c key /k", "'0' is not a valid port; give a number"),
        ("dns.example certificate /c key /k", "'dns.example' is not an IPv4 or IPv6 address; "),
        ("fe80::1 certificate /c key /k", "cannot listen on fe80::1; give a unicast address"),
        ("ff02::1 certificate /c key /k", "cannot listen on ff02::1; give a unicast address"),
    ],
)
def test_what_is_no_place_to_serve_over_tls_is_a_mistake(words: str, mistake: str) -> None:
    (found,) = mistakes(f"{SOUND}listen-tls {words}")
    assert found.startswith(f"dns64.conf:4: {mistake}")


@pytest.mark.parametrize(
    "lines",
    [
        f"listen-tls ::1 port 53 {FILES}",
        f"interfaces lan0\nlisten-tls ::1 port 53 {FILES}",
        f"port 853\nlisten-tls ::1 {FILES}",
        f"listen ::1 port 853\nlisten-tls ::1 {FILES}",
        f"listen :: port 853\nlisten-tls ::1 {FILES}",
        f"listen ::1 port 853\nlisten-tls :: {FILES}",
        f"port 853\nlisten 192.0.2.1\nlisten-tls 192.0.2.1 {FILES}",
    ],
)
def test_one_address_and_port_cannot_be_both_in_clear_and_over_tls(lines: str) -> None:
    (mistake,) = mistakes(SOUND + lines)
    assert "is where clients are served without TLS; give it a port of its own, e.g.: port 853" in mistake


@pytest.mark.parametrize(
    "lines",
    [
        f"listen ::1\nlisten-tls ::1 {FILES}",
        f"listen ::1 port 853\nlisten-tls 127.0.0.1 {FILES}",
        f"listen ::1 port 853\nlisten-tls 2001:db8::1 {FILES}",
        f"listen :: port 853\nlisten-tls 0.0.0.0 {FILES}",
        f"listen ::1\nlisten-tls 2001:db8::1 port 53 {FILES}",
    ],
)
def test_other_addresses_and_ports_can_stand_beside_each_other(lines: str) -> None:
    assert len(listen_tls(lines)) == 1


def test_a_wildcard_and_an_address_it_covers_cannot_both_be_listened_on() -> None:
    assert mistakes(f"{SOUND}listen ::\nlisten 2001:db8::1\nlisten 192.0.2.1") == [
        "dns64.conf:5: listen [::]:53 covers [2001:db8::1]:53 already; remove one of the two"
    ]
    assert mistakes(f"{SOUND}listen-tls ::1 {FILES}\nlisten-tls :: {FILES}") == [
        "dns64.conf:4: listen-tls [::]:853 covers [::1]:853 already; remove one of the two"
    ]


def test_a_repeated_listen_tls_counts_once_and_with_other_files_it_is_a_mistake() -> None:
    (warning,) = warnings(f"{SOUND}listen-tls ::1 {FILES}\nlisten-tls ::1 port 853 {FILES}")
    assert warning == "dns64.conf:5: listen-tls [::1]:853 stands here a second time; remove one of the two"
    assert len(listen_tls(f"listen-tls ::1 {FILES}\nlisten-tls ::1 {FILES}")) == 1
    assert mistakes(f"{SOUND}listen-tls ::1 {FILES}\nlisten-tls ::1 certificate /c key /k") == [
        "dns64.conf:5: listen-tls [::1]:853 stands at line 4 with other files; remove one of the two"
    ]
