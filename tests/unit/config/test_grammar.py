"""What both configs share: lines, words, and how a mistake is told."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.config.grammar import (
    ConfigError,
    Findings,
    Place,
    Refused,
    directives,
    read_flag,
    read_ipv4,
    read_ipv4_network,
    read_ipv6,
    read_ipv6_network,
    read_number,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.config.grammar import Directive

TAYGA = ""
TOTD = "#;"


def _words(text: str, inline_comment: str) -> list[tuple[int, str, tuple[str, ...]]]:
    return [(d.place.line, d.keyword, d.words) for d in directives(text, "f", inline_comment=inline_comment)]


def test_keywords_are_case_insensitive_and_arguments_are_kept() -> None:
    assert _words("TUN-Device  Nat64\n", TAYGA) == [(1, "tun-device", ("Nat64",))]


def test_blank_and_comment_lines_are_counted_but_mean_nothing() -> None:
    assert _words("# one\n\n \t\nprefix P # why\n", TAYGA) == [(4, "prefix", ("P",))]


def test_tayga_ends_a_line_only_at_a_word_that_begins_with_a_hash() -> None:
    assert _words("data-dir /srv/a#b", TAYGA) == [(1, "data-dir", ("/srv/a#b",))]


def test_totd_begins_a_comment_anywhere() -> None:
    assert _words("port 53;default\nforwarder ::1#local", TOTD) == [
        (1, "port", ("53",)),
        (2, "forwarder", ("::1",)),
    ]


@given(st.text())
def test_any_text_splits_without_an_error(text: str) -> None:
    for directive in directives(text, "f", inline_comment=TOTD):
        assert directive.keyword == directive.keyword.lower()
        assert not any(word.isspace() for word in directive.words)


def test_every_mistake_of_a_file_is_told_in_the_order_of_its_lines() -> None:
    findings = Findings()
    findings.refuse(Place("nat64.conf", 7), "late", "mend it")
    findings.refuse(Place("nat64.conf", 2), "early", "mend it")

    with pytest.raises(ConfigError) as error:
        findings.raise_if_any()

    assert str(error.value) == "nat64.conf:2: early; mend it\nnat64.conf:7: late; mend it"


def test_a_mistake_of_the_file_as_a_whole_has_no_line() -> None:
    assert str(Place("nat64.conf", 0)) == "nat64.conf"


def test_a_wrong_number_of_arguments_shows_the_usage() -> None:
    findings = Findings()
    (directive,) = directives("map 192.0.2.1", "f", inline_comment=TAYGA)

    def read(found: Directive) -> None:
        found.count(2, 2, "map IPV4 IPV6")

    findings.attempt(directive, read)

    assert [str(mistake) for mistake in findings.mistakes] == [
        "f:1: 'map' has 1 argument; write: map IPV4 IPV6"
    ]


@pytest.mark.parametrize(
    ("word", "meaning"), [("YES", True), ("on", True), ("1", True), ("False", False), ("off", False)]
)
def test_flags_are_spelled_as_tayga_spells_them(word: str, meaning: bool) -> None:
    assert read_flag(word, "wkpf-strict") is meaning


@pytest.mark.parametrize(
    ("read", "word", "expected"),
    [
        (read_ipv4, "192.0.2.1", ipaddress.ip_address("192.0.2.1")),
        (read_ipv6, "2001:DB8::1", ipaddress.ip_address("2001:db8::1")),
        (read_ipv4_network, "192.168.240.0/20", ipaddress.ip_network("192.168.240.0/20")),
        (read_ipv6_network, "64:ff9b::/96", ipaddress.ip_network("64:ff9b::/96")),
    ],
)
def test_addresses_and_networks_are_read(read: Callable[[str], object], word: str, expected: object) -> None:
    assert read(word) == expected


@pytest.mark.parametrize(
    ("read", "word", "hint"),
    [
        (read_ipv4, "192.0.2.256", "192.0.2.1"),
        (read_ipv4, "2001:db8::1", "192.0.2.1"),
        (read_ipv6, "fe80::1%eth0", "without '%'"),
        (read_ipv4_network, "192.0.2.0", "192.0.2.0/24"),
        (read_ipv4_network, "192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        (read_ipv4_network, "192.0.2.1/24", "did you mean 192.0.2.0/24?"),
        (read_ipv6_network, "64:ff9b::/129", "2001:db8::/96"),
        (read_ipv6_network, "64:ff9b::1/96", "did you mean 64:ff9b::/96?"),
    ],
)
def test_a_wrong_address_is_refused_with_what_would_be_right(
    read: Callable[[str], object], word: str, hint: str
) -> None:
    with pytest.raises(Refused) as refused:
        read(word)

    assert word in refused.value.problem
    assert hint in refused.value.remedy


@pytest.mark.parametrize("word", ["", "0", "65536", "-1", "٣", "1e3", "99999999999999999999", "9" * 5000])
def test_a_number_out_of_bounds_is_refused_with_the_bounds(word: str) -> None:
    with pytest.raises(Refused, match="from 1 to 65535"):
        read_number(word, "port", 1, 65535)


@given(st.text())
def test_word_readers_raise_nothing_but_refused(word: str) -> None:
    for read in (read_ipv4, read_ipv6, read_ipv4_network, read_ipv6_network):
        with contextlib.suppress(Refused):
            read(word)
