"""BIND's config as it is read: what stands where, and what cannot be followed."""

from __future__ import annotations

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils.named_conf import (
    ConfigError,
    Statement,
    load,
    parse,
)

TEXT = """\
// options { listen-on { none; }; };
/* a comment; with { braces */
options {
    directory "/var/cache/bind"; # where; zones are
    listen-on port 53 { 127.0.0.1; !10/8; };
};
zone "a;{b" { type primary; file "x\\"y"; };
"""


def test_statements_are_found_with_their_words_and_their_places() -> None:
    options, zone = parse(TEXT, "named.conf")
    assert (options.keyword, options.place) == ("options", "named.conf:3")
    assert [each.words for each in options.body] == [
        ("directory", "/var/cache/bind"),
        ("listen-on", "port", "53"),
    ]
    assert [each.words for each in options.body[1].body] == [("127.0.0.1",), ("!10/8",)]
    assert zone.words == ("zone", "a;{b")


def test_a_statement_can_be_cut_out_of_the_text() -> None:
    listen = parse(TEXT, "named.conf")[0].body[1]
    assert TEXT[listen.start : listen.end] == "listen-on port 53 { 127.0.0.1; !10/8; };"
    assert TEXT[: listen.inside].endswith("listen-on port 53 {")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a;\noptions {", 2),
        ("a;\noptions", 2),
        ("options { a }", 1),
        ("a;\n};", 2),
        ("a;\n\n/* b", 3),
        ('a;\nb "c;', 2),
    ],
)
def test_what_is_not_closed_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigError, match=f"^named.conf:{line}: "):
        parse(text, "named.conf")


def whole(files: dict[str, str]) -> Statement:
    return load(
        "/etc/named.conf",
        files.__getitem__,
        lambda name: sorted(f for f in files if f.startswith(name.rstrip("*"))),
    )


def test_includes_are_written_out_also_with_wildcards_and_relative_to_the_directory() -> None:
    config = whole(
        {
            "/etc/named.conf": 'include "/etc/opt"; include "sub/z*";',
            "/etc/opt": 'options { directory "/var/bind"; include "/etc/in"; };',
            "/etc/in": "recursion yes;",
            "/var/bind/sub/z1": "zone one { type hint; };",
            "/var/bind/sub/z2": "zone two { type hint; };",
        }
    )
    assert [each.words for each in config.body] == [("options",), ("zone", "one"), ("zone", "two")]
    assert [each.place for each in config.body[0].find("recursion")] == ["/etc/in:1"]


def test_a_file_that_includes_itself_is_told() -> None:
    with pytest.raises(ConfigError, match="includes itself"):
        whole({"/etc/named.conf": 'include "/etc/named.conf";'})
