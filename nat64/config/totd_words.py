"""What the words of single directives of totd.conf mean. Each reader raises `Refused`."""

from __future__ import annotations

import ipaddress
import string
from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.addressing.prefix import LENGTHS, Pref64
from nat64.addressing.special_purpose import may_translate_ipv6
from nat64.config.dns64_config import (
    DEFAULT_CONTROL_SOCKET,
    DNS_OVER_TLS_PORT,
    DNS_PORT,
    Endpoint,
    Forwarder,
    Interfaces,
    IPAddress,
    IPNetwork,
    Labels,
    Synthesis,
)
from nat64.config.domain_names import read_domain_name, read_host_name
from nat64.config.grammar import (
    Refused,
    read_ipv4,
    read_ipv4_network,
    read_ipv6,
    read_ipv6_network,
    read_number,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from nat64.config.grammar import Directive

_FORWARDER: Final = "ADDRESS [port NUMBER] [tls NAME] [validating]"
_DOMAIN: Final = f"domain NAME never|always|forward {_FORWARDER}"
_VIEW: Final = "view NAME NETWORK..."
_WITH_VALUE: Final = frozenset({"port", "tls"})
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


class ListenWords(NamedTuple):
    """Where to listen; without a port, on that of the directive `port`."""

    address: IPAddress
    port: int | None


def read_forwarder(directive: Directive) -> Forwarder:
    """Read a name server to ask."""
    directive.count(1, None, f"forwarder {_FORWARDER}")
    return _read_forwarder(directive.words, f"forwarder {_FORWARDER}")


def _read_forwarder(words: Sequence[str], usage: str) -> Forwarder:
    address = read_address(words[0])
    options = _read_options(words[1:], {"port", "tls", "validating"}, usage)
    tls_name = read_host_name(options["tls"]) if "tls" in options else None
    port = DNS_PORT if tls_name is None else DNS_OVER_TLS_PORT
    if "port" in options:
        port = _read_port(options["port"])
    if "validating" in options and tls_name is None and not address.is_loopback:
        raise Refused(
            f"what {address} says of DNSSEC cannot be believed, as anyone on the way to it could change it",
            "ask it over TLS (tls NAME), ask a validating name server on this host, or remove 'validating'",
        )
    return Forwarder(Endpoint(address, port), tls_name, "validating" in options)


def read_domain(directive: Directive) -> DomainWords:
    """Read what holds for a domain."""
    directive.count(2, None, _DOMAIN)
    labels = read_domain_name(directive.words[0])
    what = directive.words[1].lower()
    rest = directive.words[2:]
    if what == "forward" and rest:
        return DomainWords(labels, _read_forwarder(rest, _DOMAIN))
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


def read_listen(directive: Directive) -> ListenWords:
    """Read an address to listen on."""
    usage = "listen ADDRESS [port NUMBER]"
    directive.count(1, 3, usage)
    address = read_address(directive.words[0])
    options = _read_options(directive.words[1:], {"port"}, usage)
    port = _read_port(options["port"]) if "port" in options else None
    if address.is_multicast or (address.version == 6 and address.is_link_local):
        raise Refused(f"cannot listen on {address}", "give a unicast address that is not link-local")
    return ListenWords(address, port)


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


def read_port(directive: Directive) -> int:
    """Read a port."""
    directive.count(1, 1, "port NUMBER")
    return _read_port(directive.words[0])


def read_retry(directive: Directive) -> int:
    """Read a time in seconds."""
    directive.count(1, 1, "retry SECONDS")
    return read_number(directive.words[0], "time in seconds", 0, 86400)


def read_pidfile(directive: Directive) -> str:
    """Read a path."""
    directive.count(1, 1, "pidfile PATH")
    return directive.words[0]


def read_control_socket(directive: Directive) -> str | None:
    """Read an absolute path; None: no control socket."""
    directive.count(1, 1, "control-socket PATH|none")
    word = directive.words[0]
    if word.lower() == "none":
        return None
    if not word.startswith("/"):
        raise Refused(f"'{word}' is not an absolute path", f"e.g.: control-socket {DEFAULT_CONTROL_SOCKET}")
    return word


def read_scoped(directive: Directive) -> None:
    """See that totd would take the directive."""
    directive.count(3, 3, "scoped FROM TO LENGTH")
    read_ipv6(directive.words[0])
    read_ipv6(directive.words[1])
    read_number(directive.words[2], "prefix length", 0, 128)


def read_address(word: str) -> IPAddress:
    """Read an IPv4 or IPv6 address."""
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        raise Refused(
            f"'{word}' is not an IPv4 or IPv6 address", "give an address such as 192.0.2.53 or 2001:db8::53"
        ) from None
    if isinstance(address, ipaddress.IPv6Address):
        return read_ipv6(word)
    return address


def read_network(word: str) -> IPNetwork:
    """Read a network, or an address which stands for itself alone."""
    if "/" not in word:
        return ipaddress.ip_network(read_address(word))
    return read_ipv6_network(word) if ":" in word else read_ipv4_network(word)


def _read_ipv4_network(word: str) -> ipaddress.IPv4Network:
    """Read an IPv4 network, or an address which stands for itself alone."""
    return read_ipv4_network(word) if "/" in word else ipaddress.IPv4Network(read_ipv4(word))


def _read_port(word: str) -> int:
    return read_number(word, "port", 1, 65535)


def _read_options(words: Sequence[str], known: Collection[str], usage: str) -> dict[str, str]:
    """Read the `known` ones of ``port NUMBER``, ``tls NAME`` and ``validating``, each once, in any order."""
    options: dict[str, str] = {}
    first = 0
    while first < len(words):
        option = words[first].lower()
        end = first + (2 if option in _WITH_VALUE else 1)
        if option not in known or option in options or end > len(words):
            raise Refused(f"'{' '.join(words[first:])}' is not understood here", f"write: {usage}")
        options[option] = words[end - 1]
        first = end
    return options
