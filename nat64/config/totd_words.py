"""What the words of single directives of totd.conf mean. Each reader raises `Refused`."""

from __future__ import annotations

import ipaddress
import string
from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.addressing.prefix import LENGTHS, Pref64
from nat64.addressing.special_purpose import may_translate_ipv6
from nat64.config import totd_endpoints
from nat64.config.dns64_config import Forwarder, Interfaces, IPNetwork, Labels, Synthesis
from nat64.config.domain_names import read_domain_name
from nat64.config.grammar import (
    Refused,
    read_ipv4,
    read_ipv4_network,
    read_ipv6,
    read_ipv6_network,
    read_number,
)
from nat64.config.totd_endpoints import FORWARDER, read_network

if TYPE_CHECKING:
    from nat64.config.grammar import Directive

_DOMAIN: Final = f"domain NAME never|always|forward {FORWARDER}"
_VIEW: Final = "view NAME NETWORK..."
_LONGEST_INTERFACE_NAME: Final = 15
_OF_A_VIEWS_NAME: Final = frozenset(f"{string.ascii_letters}{string.digits}-_")


class PrefixWords(NamedTuple):
    """A prefix to synthesize with, and the IPv4 addresses that it alone serves; without a prefix: none."""

    prefix: Pref64 | None
    ipv4: tuple[ipaddress.IPv4Network, ...] = ()


class DomainWords(NamedTuple):
    """A domain, and one thing that holds for it."""

    labels: Labels
    what: Synthesis | Forwarder


class ViewWords(NamedTuple):
    """A view's name and its clients' networks."""

    name: str
    networks: tuple[IPNetwork, ...]


def read_forwarder(directive: Directive) -> Forwarder:
    """Read a name server to ask."""
    directive.count(1, None, f"forwarder {FORWARDER}")
    return totd_endpoints.read_forwarder(directive.words, f"forwarder {FORWARDER}")


def read_domain(directive: Directive) -> DomainWords:
    """Read what holds for a domain."""
    directive.count(2, None, _DOMAIN)
    labels = read_domain_name(directive.words[0])
    what = directive.words[1].lower()
    rest = directive.words[2:]
    if what == "forward" and rest:
        return DomainWords(labels, totd_endpoints.read_forwarder(rest, _DOMAIN))
    if what not in {choice.value for choice in Synthesis} or rest:
        raise Refused(f"'{' '.join(directive.words[1:])}' is not understood here", f"write: {_DOMAIN}")
    return DomainWords(labels, Synthesis(what))


def read_prefix(directive: Directive) -> PrefixWords:
    """Read an RFC 6052 prefix, of 96 bits where no length is given; or ``none``."""
    usage = "prefix ADDRESS[/LENGTH] [for IPV4-NETWORK...]"
    directive.count(1, None, usage)
    word, *rest = directive.words
    if word.lower() == "none" and not rest:
        return PrefixWords(None)
    if len(rest) == 1 and rest[0].lower() == "for":
        raise Refused("'for' without a network", f"write: {usage}")
    if rest and rest[0].lower() != "for":
        raise Refused(f"'{' '.join(rest)}' cannot follow a prefix", f"write: {usage}")
    if "/" in word:
        network = read_ipv6_network(word)
        if network.prefixlen not in LENGTHS:
            lengths = ", ".join(map(str, LENGTHS))
            raise Refused(f"'{word}' has a length that RFC 6052 does not know", f"give one of {lengths}")
    else:
        network = ipaddress.IPv6Network((read_ipv6(word), 96), strict=False)
    if not may_translate_ipv6(network.network_address.packed):
        raise Refused(f"no translator serves {network}", "take 64:ff9b::/96 or one of a network of your own")
    return PrefixWords(Pref64(network), tuple(map(_read_ipv4_network, rest[1:])))


def read_view(directive: Directive) -> ViewWords:
    """Read the beginning of a view."""
    directive.count(1, None, _VIEW)
    name, *networks = directive.words
    if not networks:
        raise Refused(f"'{name}' is a view without networks", f"name its clients' networks: {_VIEW}")
    if not _OF_A_VIEWS_NAME.issuperset(name):
        raise Refused(f"'{name}' cannot be a view's name", "give one of letters, digits, '-' and '_'")
    return ViewWords(name, tuple(map(read_network, networks)))


def read_interfaces(directive: Directive) -> Interfaces:
    """Read the names of interfaces, or that every one is meant."""
    directive.count(1, None, "interfaces NAME... (or: interfaces *)")
    names = tuple(word for word in directive.words if word != "*" and word.lower() != "all")
    for name in names:
        if len(name) > _LONGEST_INTERFACE_NAME or "/" in name:
            raise Refused(f"'{name}' cannot be an interface's name", "see: ip -brief link")
    return Interfaces(names, every=len(names) < len(directive.words))


def read_allow_query(directive: Directive) -> tuple[IPNetwork, ...]:
    """Read networks of clients."""
    directive.count(1, None, "allow-query NETWORK...")
    return tuple(map(read_network, directive.words))


def read_exclude(directive: Directive) -> tuple[ipaddress.IPv6Network, ...]:
    """Read networks of AAAA records that are as good as none."""
    directive.count(1, None, "exclude IPV6-NETWORK...")
    return tuple(map(read_ipv6_network, directive.words))


def read_mapped(directive: Directive) -> tuple[ipaddress.IPv4Network, ...]:
    """Read networks of addresses to synthesize from (`mapped`), or not to (`unmapped`)."""
    directive.count(1, None, f"{directive.keyword} IPV4-NETWORK...")
    return tuple(map(_read_ipv4_network, directive.words))


def read_on_aaaa_failure(directive: Directive) -> bool:
    """Read whether a failed AAAA query counts as an empty answer."""
    usage = "on-aaaa-failure synthesize|servfail"
    directive.count(1, 1, usage)
    choice = directive.words[0].lower()
    if choice not in {"synthesize", "servfail"}:
        raise Refused(f"'{directive.words[0]}' is not a choice", f"write: {usage}")
    return choice == "synthesize"


def read_scoped(directive: Directive) -> None:
    """See that totd would take the directive."""
    directive.count(3, 3, "scoped FROM TO LENGTH")
    read_ipv6(directive.words[0])
    read_ipv6(directive.words[1])
    read_number(directive.words[2], "prefix length", 0, 128)


def _read_ipv4_network(word: str) -> ipaddress.IPv4Network:
    """Read an IPv4 network, or an address which stands for itself alone."""
    return read_ipv4_network(word) if "/" in word else ipaddress.IPv4Network(read_ipv4(word))
