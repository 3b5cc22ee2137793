"""The grammar of totd.conf as a whole: every config that can be written is read as it was meant, and nothing is lost."""

from __future__ import annotations

import base64
import ipaddress
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.prefix import LENGTHS, Pref64
from nat64.config.dns64_config import (
    IPV4_MAPPED,
    Domain,
    Endpoint,
    Forwarder,
    Synthesis,
    SynthesisPrefix,
    View,
)
from nat64.config.grammar import ConfigError
from nat64.config.totd import parse
from tests.unit.config.totd_texts import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nat64.config.dns64_config import IPNetwork

IPV4_NETWORKS = st.builds(
    lambda number, length: ipaddress.IPv4Network((number << 32 - length, length)),
    st.integers(0, 15),
    st.integers(4, 32),
)
IPV6_NETWORKS = st.builds(
    lambda number, length: ipaddress.IPv6Network(((0x20010DB8 << 96) + (number << 128 - length), length)),
    st.integers(0, 15),
    st.integers(36, 128),
)
PREFIXES = st.builds(
    lambda number, length: Pref64(
        ipaddress.IPv6Network(((0x3FFF << 112) + (number << 128 - length), length))
    ),
    st.integers(0, 15),
    st.sampled_from(LENGTHS),
)
# None of these is dns64d itself, which listens on port 53.
ENDPOINTS = st.builds(
    Endpoint,
    st.sampled_from([*map(ipaddress.ip_address, ("192.0.2.53", "2001:db8::53", "127.0.0.1", "::1"))]),
    st.integers(5300, 5303),
)


def is_sound(forwarder: Forwarder) -> bool:
    if forwarder.https_path is not None and (forwarder.tls_name is None or forwarder.pins):
        return False
    return not forwarder.validating or forwarder.is_encrypted or forwarder.endpoint.address.is_loopback


FORWARDERS = st.builds(
    Forwarder,
    ENDPOINTS,
    st.sampled_from([None, "dns.example", "xn--bcher-kva.example"]),
    st.booleans(),
    st.lists(st.binary(min_size=32, max_size=32), max_size=2, unique=True).map(tuple),
    st.sampled_from([None, "/", "/dns-query"]),
).filter(is_sound)
LABELS = st.lists(st.sampled_from([b"a", b"b-c", b"_d", b"0/25", b"x" * 63]), max_size=3).map(tuple)


def unique(
    values: st.SearchStrategy[Any], key: str = "", least: int = 0
) -> st.SearchStrategy[tuple[Any, ...]]:
    """Draw up to three values that differ, or of which the attributes `key` differ."""
    of = attrgetter(key) if key else None
    return st.lists(values, min_size=least, max_size=3, unique_by=of or (lambda value: value)).map(tuple)


DOMAINS = st.builds(
    Domain, LABELS, st.sampled_from([None, *Synthesis]), unique(FORWARDERS, "endpoint")
).filter(lambda domain: domain.synthesis is not None or domain.forwarders)


@st.composite
def synthesis_prefixes(draw: st.DrawFn) -> tuple[SynthesisPrefix, ...]:
    """Draw prefixes of which no two alone serve the same network."""
    free = list(draw(unique(IPV4_NETWORKS)))
    return tuple(
        SynthesisPrefix(prefix, tuple(free.pop() for _ in range(draw(st.integers(0, len(free))))))
        for prefix in draw(unique(PREFIXES, least=1))
    )


KINDS: dict[str, st.SearchStrategy[Any]] = {
    "forwarders": unique(FORWARDERS, "endpoint", 1),
    "prefixes": synthesis_prefixes(),
    "exclude": unique(IPV6_NETWORKS, least=1).map(lambda own: (IPV4_MAPPED, *own)),
    "mapped": unique(IPV4_NETWORKS, least=1),
    "unmapped": unique(IPV4_NETWORKS, least=1),
    "domains": unique(DOMAINS, "labels", 1),
    "synthesize_on_failure": st.booleans(),
    "stf": st.just(value=True),
}
"""What may stand in a section, by the fields of `View`."""
SECTIONS = st.fixed_dictionaries({}, optional=KINDS)
INSIDE = st.fixed_dictionaries(
    {}, optional={**KINDS, "prefixes": st.one_of(st.just(()), synthesis_prefixes())}
)


def options(forwarder: Forwarder) -> str:
    address, port = forwarder.endpoint.address, forwarder.endpoint.port
    words = [f"{address} port {port}"]
    if forwarder.https_path is not None:
        words.append(f"https https://{forwarder.tls_name}{forwarder.https_path}")
    elif forwarder.tls_name is not None:
        words.append(f"tls {forwarder.tls_name}")
    words += [f"tls-pin {base64.b64encode(pin).decode()}" for pin in forwarder.pins]
    return " ".join([*words, *["validating"] * forwarder.validating])


def of_domain(domain: Domain) -> Iterator[str]:
    name = b".".join(domain.labels).decode() + "."
    if domain.synthesis is not None:
        yield f"domain {name} {domain.synthesis.value}"
    for forwarder in domain.forwarders:
        yield f"domain {name} forward {options(forwarder)}"


def written(section: dict[str, Any]) -> Iterator[str]:
    """Write the directives of a section, as the documentation shows them."""
    for forwarder in section.get("forwarders", ()):
        yield f"forwarder {options(forwarder)}"
    for each in section.get("prefixes", ()):
        alone = " for " + " ".join(map(str, each.ipv4)) if each.ipv4 else ""
        yield f"prefix {each.prefix}{alone}"
    if section.get("prefixes") == ():
        yield "prefix none"
    for keyword in ("exclude", "mapped", "unmapped"):
        if keyword in section:
            yield " ".join((keyword, *map(str, section[keyword])))
    for domain in section.get("domains", ()):
        yield from of_domain(domain)
    if "synthesize_on_failure" in section:
        yield f"on-aaaa-failure {'synthesize' if section['synthesize_on_failure'] else 'servfail'}"
    if "stf" in section:
        yield "stf"


@given(
    KINDS["forwarders"],
    SECTIONS,
    st.lists(st.tuples(INSIDE, unique(st.one_of(IPV4_NETWORKS, IPV6_NETWORKS), least=1)), max_size=3),
    st.sampled_from([str, str.upper, str.title]),
    st.sampled_from(["", " # a comment", "\t; view x"]),
)
def test_every_config_is_read_as_it_was_written(
    forwarders: tuple[Forwarder, ...],
    outside: dict[str, Any],
    inside: list[tuple[dict[str, Any], tuple[IPNetwork, ...]]],
    spelt: Callable[[str], str],
    comment: str,
) -> None:
    outside = {"forwarders": forwarders, **outside}
    lines = list(written(outside))
    expected = []
    used: set[IPNetwork] = set()
    for number, (section, networks) in enumerate(inside):
        own = [network for network in networks if network not in used]
        used.update(own)
        if own:
            lines += [" ".join((f"view v{number}", *map(str, own))), *written(section)]
            expected.append(View(**{**outside, **section}, name=f"v{number}", networks=tuple(own)))
    spelt_lines = [" ".join((spelt(line.split()[0]), *line.split()[1:])) + comment for line in lines]
    config = parse("\n".join(spelt_lines), "f")
    assert config.default == View(**outside)
    assert list(config.views) == expected


WORDS = st.one_of(
    st.sampled_from(
        [
            *("*", "port", "none", "for", "tls", "validating", "never", "always", "forward", "1", "inside"),
            *(
                "tls-pin",
                "https",
                "https://dns.example/x",
                "per-host",
                "slip",
                "certificate",
                "key",
                "/f",
                "64M",
            ),
            *("::/0", "192.0.2.0/24", "64:ff9b::/96", "127.0.0.1", "corp.example", "bücher.example"),
        ]
    ),
    st.text(),
)


@given(st.lists(st.tuples(st.sampled_from(KEYWORDS), st.lists(WORDS, max_size=6)), max_size=8))
def test_any_words_are_a_config_or_mistakes_with_a_remedy(lines: list[tuple[str, list[str]]]) -> None:
    found: list[str] = []
    try:
        parse("\n".join(" ".join((keyword, *words)) for keyword, words in lines), "f")
    except ConfigError as error:
        found = list(map(str, error.mistakes)) or ["an error without a mistake"]
    assert all("; " in mistake for mistake in found)
