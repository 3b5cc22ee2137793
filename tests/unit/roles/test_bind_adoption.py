"""Moving a BIND behind DNS64: what is marked, what keeps it from being moved, and the way back."""

from __future__ import annotations

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils.bind_adoption import (
    adopted,
    obstacles,
    options_of,
    restored,
)
from ansible_collections.nat64.gateway.plugins.module_utils.named_conf import Statement, load
from hypothesis import given
from hypothesis import strategies as st

MAIN = "/etc/bind/named.conf"
INCLUDE = "/etc/bind/nat64-adopted.conf"

DEBIAN = """\
options {
	directory "/var/cache/bind";
	dnssec-validation auto;
	listen-on-v6 { any; };
};
"""
ONE_LINE = (
    "options { listen-on { any; }; listen-on port 853 tls ephemeral { any; }; allow-query { lan; }; };\n"
)
COMMENTED = """\
options { // ours
    listen-on { # all of them
        192.0.2.1; // the LAN
    };
    allow-recursion{192.0.2.0/24;};allow-query-cache { !192.0.2.7; any; };
};
acl lan { 192.0.2.0/24; };
"""
NO_OPTIONS = 'zone "home.example" { type primary; file "home"; };\n'
CONFIGS = [DEBIAN, ONE_LINE, COMMENTED, NO_OPTIONS]


def read(text: str) -> Statement:
    files = {MAIN: text, INCLUDE: ""}
    return load(MAIN, files.__getitem__, lambda name: [name])


def moved(text: str) -> str:
    return adopted(text, options_of(read(text)), INCLUDE)


@pytest.mark.parametrize("text", CONFIGS)
def test_the_way_back_gives_every_byte_back(text: str) -> None:
    assert moved(text) != text
    assert restored(moved(text)) == text


@given(st.text(alphabet=" \n\t#/*ab;", max_size=60))
def test_the_way_back_leaves_what_the_user_added_meanwhile(addition: str) -> None:
    for text in CONFIGS:
        assert restored(moved(text) + addition) == text + addition


@pytest.mark.parametrize("text", CONFIGS)
def test_nothing_listens_on_port_53(text: str) -> None:
    options = options_of(read(moved(text)))
    assert options is not None
    assert [each.words for each in options.find("listen-on", "listen-on-v6") if "853" not in each.words] == []


def test_the_include_stands_inside_options() -> None:
    files = {INCLUDE: "listen-on port 65053 { 127.0.0.1; };"}
    for text in CONFIGS:
        files[MAIN] = moved(text)
        options = options_of(load(MAIN, files.__getitem__, lambda name: [name]))
        assert options is not None
        assert ("listen-on", "port", "65053") in [each.words for each in options.body]


def test_other_ports_and_other_lists_stay() -> None:
    assert "listen-on port 853 tls ephemeral { any; };" in moved(ONE_LINE)
    with_port = "options { port 5353; listen-on { any; }; };"
    assert "listen-on { any; };" in moved(with_port)
    assert "/* nat64.gateway.resolver: listen-on" not in moved(with_port)


def test_the_host_itself_may_ask_before_all_others() -> None:
    options = options_of(read(moved(COMMENTED)))
    assert options is not None
    for each in options.find("allow-recursion", "allow-query-cache"):
        assert each.body[0].words == ("localhost",)


def findings(text: str) -> list[str]:
    return list(obstacles(read(text), text))


@pytest.mark.parametrize("text", CONFIGS)
def test_nothing_keeps_an_ordinary_config_from_being_moved(text: str) -> None:
    assert findings(text) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("# Ansible managed\noptions { };", MAIN),
        ("// DO NOT EDIT\noptions { };", MAIN),
        ("options {\n recursion no;\n};", f"{MAIN}:2: "),
        ("options {\n\n listen-on { /* all */ any; };\n};", f"{MAIN}:3: "),
        ('view "lan" { match-clients { 192.0.2.0/24; }; };', f"{MAIN}:1: "),
        ('view "lan" {\n allow-recursion { 192.0.2.0/24; }; };', f"{MAIN}:2: "),
        ('zone "home.example" {\n type primary;\n allow-query { none; };\n};', f"{MAIN}:3: "),
        ('acl lan { 192.0.2.0/24; };\nzone "a" { allow-query { lan; }; };', f"{MAIN}:2: "),
        ('zone "a" { allow-query { !127.0.0.1; any; }; };', f"{MAIN}:1: "),
        ("options {\n allow-query-on { 192.0.2.1; };\n};", f"{MAIN}:2: "),
        ("options {\n rate-limit { responses-per-second 5; };\n};", f"{MAIN}:2: "),
        ('view "lan" { match-destinations { 192.0.2.1; }; };', f"{MAIN}:1: "),
        (
            'view "lan" { match-clients { 192.0.2.0/24; }; };\nview "rest" { recursion no; };',
            f"{MAIN}:2: view rest",
        ),
        ('options { recursion no; };\nview "rest" { };', f"{MAIN}:2: view rest"),
    ],
)
def test_what_keeps_a_bind_from_being_moved_is_told_with_its_line(text: str, place: str) -> None:
    (finding,) = findings(text)
    assert finding.startswith(place)
    assert ";" in finding, "a remedy follows"


@pytest.mark.parametrize(
    "elements",
    [
        "any;",
        "localhost;",
        "localnets;",
        "127.0.0.1;",
        "127/8;",
        "0.0.0.0/0;",
        "lan;",
        "{ 127.0.0.0/8; };",
        "!10/8; any;",
    ],
)
def test_a_list_with_the_host_itself_in_it_is_no_obstacle(elements: str) -> None:
    assert (
        findings(f'acl lan {{ 192.0.2.0/24; localhost; }};\nzone "a" {{ allow-query {{ {elements} }}; }};')
        == []
    )


def test_a_view_for_the_host_itself_is_enough() -> None:
    views = 'view "lan" { match-clients { 192.0.2.0/24; }; };\nview "rest" { match-clients { any; }; };'
    assert findings(views) == []


@pytest.mark.parametrize(
    "text",
    [
        'options { recursion no; };\nview "inside" { match-clients { localhost; }; recursion yes; };',
        'view "inside" { match-clients { localnets; }; };\nview "rest" { recursion no; };',
        "options { rate-limit { responses-per-second 5; exempt-clients { localhost; }; }; };",
    ],
)
def test_what_holds_for_others_alone_is_no_obstacle(text: str) -> None:
    assert findings(text) == []
