"""Domain names as a config writes them, with dnspython as the oracle."""

from __future__ import annotations

import string

import dns.exception
import dns.name
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nat64.config.domain_names import read_domain_name, read_host_name, shown
from nat64.config.grammar import Refused

# What a word of a config can hold, but for what dnspython takes for an escape, the origin or a wildcard.
CHARACTERS = string.ascii_letters + string.digits + "-_/+=.äßПø世。"


def by_dnspython(word: str) -> tuple[bytes, ...] | None:
    try:
        name = dns.name.from_text(word, idna_codec=dns.name.IDNA_2003)
    except (dns.exception.DNSException, UnicodeError):
        return None
    return name.canonicalize().labels[:-1]


def by_us(word: str) -> tuple[bytes, ...] | None:
    try:
        return read_domain_name(word)
    except Refused:
        return None


@given(
    st.one_of(
        st.text(CHARACTERS, min_size=1, max_size=80),
        st.lists(st.integers(1, 65), min_size=1, max_size=8).map(
            lambda lengths: ".".join("a" * length for length in lengths)
        ),
    )
)
@example("a" * 63)
@example("a" * 64)
@example(".".join(["a" * 63] * 3 + ["a" * 61]))
@example(".".join(["a" * 63] * 3 + ["a" * 62]))
@example(".")
@example("..")
@example(".example")
@example("example.")
@example("example..")
@example("Bücher.EXAMPLE")
@example("ä" * 64)
def test_rfc1035_2_3_4_a_name_is_read_or_refused_as_dnspython_does(word: str) -> None:
    # dnspython leaves the dot of the root where it was, also where that is another dot of RFC 3490 section 3.1.
    assume(not word.endswith("。"))
    assert by_us(word) == by_dnspython(word)


@pytest.mark.parametrize(
    ("word", "labels"),
    [
        (".", ()),
        ("Corp.Example", (b"corp", b"example")),
        ("corp.example.", (b"corp", b"example")),
        ("_tcp.corp.example", (b"_tcp", b"corp", b"example")),
        ("0/25.2.0.192.in-addr.arpa", (b"0/25", b"2", b"0", b"192", b"in-addr", b"arpa")),
        ("BÜCHER.example", (b"xn--bcher-kva", b"example")),
        ("a。b", (b"a", b"b")),
    ],
)
def test_a_name_is_labels_in_lower_case(word: str, labels: tuple[bytes, ...]) -> None:
    assert read_domain_name(word) == labels


@pytest.mark.parametrize(
    ("word", "mistake"),
    [
        (".example", "'.example' has an empty label; did you mean example?"),
        ("a..example", "'a..example' has an empty label; did you mean a.example?"),
        ("..", "'..' has an empty label; did you mean .?"),
        (
            "*.example",
            "'*.example' has a wildcard; write example, which stands for all names below it, too",
        ),
        (f"{'b' * 64}.example", f"'{'b' * 64}' is a label of 64 octets; a label has at most 63"),
        (
            ".".join(["c" * 63] * 4),
            f"'{'.'.join(['c' * 63] * 4)}' is a name of 257 octets; a name has at most 255",
        ),
        (
            "a\\.b.example",
            "'a\\.b.example' cannot be a domain name; write it without escapes and control characters",
        ),
        ("a\x7f", "'a\x7f' cannot be a domain name; write it without escapes and control characters"),
        ("\u00a8", "'\u00a8' cannot be a domain name; write it without escapes and control characters"),
        (
            "\ufffd.example",
            (
                "'\ufffd.example' cannot be an internationalized name; "
                "write the ASCII name for it, which begins with xn--"
            ),
        ),
    ],
)
def test_a_bad_name_is_told_with_what_would_be_right(word: str, mistake: str) -> None:
    with pytest.raises(Refused) as caught:
        read_domain_name(word)
    assert str(caught.value) == mistake


@given(st.text(min_size=1, max_size=300))
def test_any_word_is_a_name_within_bounds_or_refused(word: str) -> None:
    labels = by_us(word)
    if labels is not None:
        assert all(1 <= len(label) <= 63 and label == label.lower() for label in labels)
        assert sum(len(label) + 1 for label in labels) + 1 <= 255
        assert read_domain_name(shown(labels)) == labels


@given(st.lists(st.text(string.ascii_lowercase + string.digits + "-", min_size=1), min_size=1, max_size=4))
def test_rfc1123_2_1_a_host_name_is_letters_digits_and_hyphens_between(labels: list[str]) -> None:
    word = ".".join(labels)
    assume(by_us(word) is not None)
    sound = all(not label.startswith("-") and not label.endswith("-") for label in labels)
    if sound and not labels[-1].isdigit():
        assert read_host_name(f"{word.upper()}.") == word
    else:
        with pytest.raises(Refused):
            read_host_name(word)
