"""The DNS64 server's config: totd 1.5's totd.conf, and our own directives in the same grammar.

A file is read into one frozen `Dns64Config`; every mistake of the file is told at once.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nat64.addressing.prefix import LENGTHS, Pref64
from nat64.config.dns64_config import (
    DEFAULT_CONTROL_SOCKET,
    DEFAULT_RETRY,
    DNS_PORT,
    IPV4_MAPPED,
    Dns64Config,
    Endpoint,
    Forwarder,
    Interfaces,
    IPAddress,
    IPNetwork,
    SynthesisPrefix,
    View,
)
from nat64.config.grammar import (
    Directive,
    Findings,
    Place,
    Refused,
    directives,
    read_ipv4_network,
    read_ipv6,
    read_ipv6_network,
    read_number,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_WILDCARDS: Final[dict[int, IPAddress]] = {4: ipaddress.IPv4Address(0), 6: ipaddress.IPv6Address(0)}
_OWN_LOOPBACK: Final[dict[int, IPAddress]] = {
    4: ipaddress.IPv4Address("127.0.0.1"),
    6: ipaddress.IPv6Address("::1"),
}
# The documentation promises these; a config that relies on them must not run as if they were not there.
_LATER: Final = frozenset({"mapped", "domain", "workers", "cache-size", "metrics-listen", "view"})


def read(path: Path, name: str | None = None, *, port: int | None = None) -> Dns64Config:
    """Read the config at `path`; mistakes call it `name`, and `port` goes before the file's own.

    Raises `ConfigError` for mistakes in it and `OSError` when it cannot be opened.
    """
    return parse(path.read_text(encoding="utf-8", errors="replace"), name or str(path), port=port)


def parse(text: str, file: str, *, port: int | None = None) -> Dns64Config:
    """Read the text of a config, which mistakes call `file`. Raises `ConfigError` with all its mistakes."""
    return _Parser(file).parse(text, port)


@dataclass(slots=True)
class _Parser:
    """Gathers the directives of one file."""

    file: str
    findings: Findings = field(default_factory=Findings)
    forwarders: dict[Endpoint, Place] = field(default_factory=dict)
    prefixes: list[Pref64] = field(default_factory=list)
    listen: list[tuple[IPAddress, int | None, Place]] = field(default_factory=list)
    interfaces: Interfaces | None = None
    allow_query: list[IPNetwork] = field(default_factory=list)
    exclude: list[ipaddress.IPv6Network] = field(default_factory=lambda: [IPV4_MAPPED])
    # Directives that stand once: keyword -> value as read. A second one is told, and which of them counts.
    once: dict[str, int | str | None] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    def parse(self, text: str, port: int | None) -> Dns64Config:
        found = directives(text, self.file, inline_comment="#;")
        self.findings.read_each(found, self._readers(), _LATER, self.places)
        port = port or self._number("port", DNS_PORT)
        listen = self._endpoints(port)
        self._check_whole()
        self._check_loops(port, listen)
        self.findings.raise_if_any()
        return Dns64Config(
            default=View(
                forwarders=tuple(map(Forwarder, self.forwarders)),
                prefixes=tuple(map(SynthesisPrefix, self.prefixes)),
                exclude=tuple(self.exclude),
                synthesize_on_failure=self.once.get("on-aaaa-failure") != "servfail",
            ),
            port=port,
            listen=listen,
            interfaces=self.interfaces,
            allow_query=tuple(self.allow_query),
            retry=self._number("retry", DEFAULT_RETRY),
            pidfile=self._text("pidfile", None),
            control_socket=self._text("control-socket", DEFAULT_CONTROL_SOCKET),
            warnings=tuple(self.findings.warnings),
        )

    def _readers(self) -> Mapping[str, Callable[[Directive], None]]:
        return {
            "forwarder": self._read_forwarder,
            "prefix": self._read_prefix,
            "port": self._read_port,
            "pidfile": self._read_pidfile,
            "interfaces": self._read_interfaces,
            "allow": self._read_allow,
            "retry": self._read_retry,
            "scoped": self._read_scoped,
            "stf": self._read_stf,
            "listen": self._read_listen,
            "allow-query": self._read_allow_query,
            "exclude": self._read_exclude,
            "on-aaaa-failure": self._read_on_aaaa_failure,
            "control-socket": self._read_control_socket,
        }

    def _number(self, keyword: str, default: int) -> int:
        value = self.once.get(keyword, default)
        return value if isinstance(value, int) else default

    def _text(self, keyword: str, default: str | None) -> str | None:
        value = self.once.get(keyword, default)
        return value if isinstance(value, str) else None

    def _set_once(self, directive: Directive, value: int | str | None) -> None:
        if directive.keyword in self.once:
            self.findings.warn(
                directive.place,
                f"'{directive.keyword}' stands here a second time",
                "the last one counts, remove the others",
            )
        self.once[directive.keyword] = value

    def _endpoints(self, default_port: int) -> tuple[Endpoint, ...]:
        """Return where `listen` says to listen, each once; a wildcard leaves no room for its single addresses."""
        places: dict[Endpoint, Place] = {}
        for address, own_port, place in self.listen:
            endpoint = Endpoint(address, own_port or default_port)
            if endpoint in places:
                self._warn_of_repetition(place, f"listen {endpoint}")
            places.setdefault(endpoint, place)
        for endpoint, place in places.items():
            wildcard = Endpoint(_WILDCARDS[endpoint.address.version], endpoint.port)
            if endpoint != wildcard and wildcard in places:
                self.findings.refuse(
                    place, f"listen {wildcard} covers {endpoint} already", "remove one of the two"
                )
        return tuple(places)

    def _warn_of_repetition(self, place: Place, what: str) -> None:
        self.findings.warn(place, f"{what} stands here a second time", "remove one of the two")

    def _check_whole(self) -> None:
        whole = Place(self.file, 0)
        if "forwarder" not in self.places:
            self.findings.refuse(
                whole, "no forwarder", "say which name server to ask, e.g.: forwarder 127.0.0.1 port 65053"
            )
        if "prefix" not in self.places:
            self.findings.warn(
                whole,
                "no prefix, so that no AAAA record is synthesized",
                "say the translator's prefix, e.g.: prefix 64:ff9b::/96",
            )
        if not self.allow_query and self.interfaces is None:
            self.findings.warn(
                whole,
                "neither interfaces nor allow-query is given, so that only this host itself is answered",
                "name the clients' networks, e.g.: allow-query 2001:db8::/32",
            )
        if self.listen and self.interfaces is not None:
            self.findings.warn(
                self.places.get("interfaces", whole),
                "'listen' says where to listen, so 'interfaces' only says who is answered",
                "remove 'listen' to listen on the interfaces",
            )

    def _check_loops(self, port: int, listen: tuple[Endpoint, ...]) -> None:
        """Refuse a forwarder that would be dns64d itself, as far as the config tells."""
        for endpoint, place in self.forwarders.items():
            wildcard = Endpoint(_WILDCARDS[endpoint.address.version], endpoint.port)
            # What is sent to 0.0.0.0 or :: goes to this host's loopback (ip(7)).
            reached = endpoint
            if endpoint == wildcard:
                reached = Endpoint(_OWN_LOOPBACK[endpoint.address.version], endpoint.port)
            if listen:
                itself = reached in listen or (wildcard in listen and reached.address.is_loopback)
            elif self.interfaces is not None and not self.interfaces.every:
                itself = reached in {Endpoint(address, port) for address in _OWN_LOOPBACK.values()}
            else:
                itself = reached.address.is_loopback and reached.port == port
            if itself:
                self.findings.refuse(
                    place,
                    f"forwarder {endpoint} is where dns64d itself listens",
                    f"give the name server's own port, e.g.: forwarder {reached.address} port 65053",
                )

    def _read_forwarder(self, directive: Directive) -> None:
        address, port = _read_endpoint(directive)
        endpoint = Endpoint(address, port or DNS_PORT)
        if address.version == 6 and address.is_link_local:
            self.findings.warn(
                directive.place,
                f"forwarder {address} cannot be reached: a link-local address means nothing without its interface",
                "give another address of that name server",
            )
        if endpoint in self.forwarders:
            self._warn_of_repetition(directive.place, f"forwarder {endpoint}")
        self.forwarders.setdefault(endpoint, directive.place)

    def _read_listen(self, directive: Directive) -> None:
        address, port = _read_endpoint(directive)
        if address.is_multicast or (address.version == 6 and address.is_link_local):
            raise Refused(f"cannot listen on {address}", "give a unicast address that is not link-local")
        self.listen.append((address, port, directive.place))

    def _read_prefix(self, directive: Directive) -> None:
        directive.count(1, 1, "prefix ADDRESS[/LENGTH]")
        word = directive.words[0]
        if "/" in word:
            network = read_ipv6_network(word)
            if network.prefixlen not in LENGTHS:
                lengths = ", ".join(map(str, LENGTHS))
                raise Refused(f"'{word}' has a length that RFC 6052 does not know", f"give one of {lengths}")
        else:
            network = ipaddress.IPv6Network((read_ipv6(word), 96), strict=False)
            if network.network_address != ipaddress.IPv6Address(word):
                self.findings.warn(
                    directive.place, f"only the first 96 bits of '{word}' count", f"write: prefix {network}"
                )
        try:
            prefix = Pref64(network)
        except ValueError as error:
            raise Refused(f"'{word}' cannot be a NAT64 prefix: {error}", "choose another prefix") from error
        if prefix in self.prefixes:
            self._warn_of_repetition(directive.place, f"prefix {network}")
        else:
            self.prefixes.append(prefix)

    def _read_port(self, directive: Directive) -> None:
        directive.count(1, 1, "port NUMBER")
        self._set_once(directive, read_number(directive.words[0], "port", 1, 65535))

    def _read_pidfile(self, directive: Directive) -> None:
        directive.count(1, 1, "pidfile PATH")
        self._set_once(directive, directive.words[0])

    def _read_interfaces(self, directive: Directive) -> None:
        directive.count(1, None, "interfaces NAME... (or: interfaces *)")
        before = self.interfaces or Interfaces()
        every = before.every or any(word == "*" or word.lower() == "all" for word in directive.words)
        names = tuple(word for word in directive.words if word != "*" and word.lower() != "all")
        for name in names:
            if len(name) > 15 or "/" in name:
                raise Refused(f"'{name}' cannot be an interface's name", "see: ip -brief link")
        self.interfaces = Interfaces(tuple(dict.fromkeys(before.names + names)), every)

    def _read_retry(self, directive: Directive) -> None:
        directive.count(1, 1, "retry SECONDS")
        self._set_once(directive, read_number(directive.words[0], "time in seconds", 0, 86400))

    def _read_allow(self, directive: Directive) -> None:
        directive.count(1, 1, "allow ADDRESS")
        _read_address(directive.words[0])
        self.findings.warn(
            directive.place,
            "'allow' opened totd's web server, which dns64d does not have",
            "remove it, and use nat64ctl; for DNS clients write: allow-query NETWORK",
        )

    def _read_scoped(self, directive: Directive) -> None:
        directive.count(3, 3, "scoped FROM TO LENGTH")
        read_ipv6(directive.words[0])
        read_ipv6(directive.words[1])
        read_number(directive.words[2], "prefix length", 0, 128)
        self.findings.warn(
            directive.place,
            "'scoped' has no effect: dns64d does not rewrite site-local addresses, which RFC 3879 deprecated",
            "remove it",
        )

    def _read_stf(self, directive: Directive) -> None:
        directive.count(0, 0, "stf")
        self.findings.warn(
            directive.place,
            "'stf' has no effect: reverse names of 6to4 addresses are asked from the forwarders",
            "remove it",
        )

    def _read_allow_query(self, directive: Directive) -> None:
        directive.count(1, None, "allow-query NETWORK...")
        networks = [_read_network(word) for word in directive.words]
        for network in networks:
            if network.prefixlen == 0:
                self.findings.warn(
                    directive.place,
                    f"'{network}' is the whole world, for whom this would be an open resolver",
                    "name your clients' networks",
                )
        self.allow_query += networks

    def _read_exclude(self, directive: Directive) -> None:
        directive.count(1, None, "exclude IPV6-NETWORK...")
        networks = [read_ipv6_network(word) for word in directive.words]
        self.exclude.extend(network for network in networks if network not in self.exclude)

    def _read_on_aaaa_failure(self, directive: Directive) -> None:
        usage = "on-aaaa-failure synthesize|servfail"
        directive.count(1, 1, usage)
        choice = directive.words[0].lower()
        if choice not in {"synthesize", "servfail"}:
            raise Refused(f"'{directive.words[0]}' is not a choice", f"write: {usage}")
        self._set_once(directive, choice)

    def _read_control_socket(self, directive: Directive) -> None:
        directive.count(1, 1, "control-socket PATH|none")
        word = directive.words[0]
        if word.lower() == "none":
            self._set_once(directive, None)
            return
        if not word.startswith("/"):
            raise Refused(
                f"'{word}' is not an absolute path", f"e.g.: control-socket {DEFAULT_CONTROL_SOCKET}"
            )
        self._set_once(directive, word)


def _read_endpoint(directive: Directive) -> tuple[IPAddress, int | None]:
    """Read ``ADDRESS [port NUMBER]``."""
    usage = f"{directive.keyword} ADDRESS [port NUMBER]"
    directive.count(1, 3, usage)
    words = directive.words
    address = _read_address(words[0])
    if len(words) == 1:
        return address, None
    if len(words) == 2 or words[1].lower() != "port":
        raise Refused(f"'{' '.join(words[1:])}' is not understood here", f"write: {usage}")
    return address, read_number(words[2], "port", 1, 65535)


def _read_address(word: str) -> IPAddress:
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        raise Refused(
            f"'{word}' is not an IPv4 or IPv6 address", "give an address such as 192.0.2.53 or 2001:db8::53"
        ) from None
    if isinstance(address, ipaddress.IPv6Address):
        return read_ipv6(word)
    return address


def _read_network(word: str) -> IPNetwork:
    """Read a network, or an address which stands for itself alone."""
    if "/" not in word:
        return ipaddress.ip_network(_read_address(word))
    return read_ipv6_network(word) if ":" in word else read_ipv4_network(word)
