"""The DNS64 server's config: totd 1.5's totd.conf, and our own directives in the same grammar.

A file is read into one frozen `Dns64Config`; every mistake of the file is told at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from nat64.config import totd_words
from nat64.config.dns64_config import Dns64Config, Interfaces, IPNetwork, View
from nat64.config.grammar import Directive, Findings, Place, Refused, directives
from nat64.config.totd_endpoints import read_address
from nat64.config.totd_listeners import GatheredListeners
from nat64.config.totd_server import READERS
from nat64.config.totd_views import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# The documentation promises these; a config that relies on them must not run as if they were not there.
_LATER: Final = frozenset({"metrics-listen"})


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
    outside: Section = field(init=False)
    views: list[Section] = field(default_factory=list)
    view_names: dict[str, Place] = field(default_factory=dict)
    view_networks: dict[IPNetwork, str] = field(default_factory=dict)
    listeners: GatheredListeners = field(init=False)
    interfaces: Interfaces | None = None
    allow_query: list[IPNetwork] = field(default_factory=list)
    server: Dns64Config = field(default_factory=lambda: Dns64Config(View(())))
    """What the directives say that set the server as a whole."""
    given: set[str] = field(default_factory=set)
    """Those of them that stand there and were understood."""
    places: dict[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.outside = Section(self.findings)
        self.listeners = GatheredListeners(self.findings)

    def parse(self, text: str, port: int | None) -> Dns64Config:
        found = directives(text, self.file, inline_comment="#;")
        self.findings.read_each(found, self._readers(), _LATER, self.places)
        port = port or self.server.port
        listen = self.listeners.endpoints(port)
        listen_tls = self.listeners.tls_endpoints()
        for section in (self.outside, *self.views):
            for forwarders in section.all_forwarders():
                forwarders.refuse_loops(port, listen, self.interfaces, listen_tls)
                forwarders.warn_of_mixed_trust()
        outside = self.outside.view()
        views = tuple(section.view(outside) for section in self.views)
        self._check_whole(outside, views)
        self.findings.raise_if_any()
        return replace(
            self.server,
            default=outside,
            views=views,
            port=port,
            listen=listen,
            listen_tls=listen_tls,
            interfaces=self.interfaces,
            allow_query=tuple(self.allow_query),
            warnings=tuple(self.findings.warnings),
        )

    def _readers(self) -> Mapping[str, Callable[[Directive], None]]:
        return {
            "view": self._read_view,
            **dict.fromkeys(self.outside.readers(), self._read_in_section),
            **dict.fromkeys(self._outside_readers(), self._read_outside),
        }

    def _outside_readers(self) -> Mapping[str, Callable[[Directive], None]]:
        return {
            **dict.fromkeys(READERS, self._read_server),
            "interfaces": self._read_interfaces,
            "allow": self._read_allow,
            "scoped": self._read_scoped,
            "listen": self.listeners.read_listen,
            "listen-tls": self.listeners.read_listen_tls,
            "allow-query": self._read_allow_query,
        }

    def _check_whole(self, outside: View, views: Sequence[View]) -> None:
        whole = Place(self.file, 0)
        if "forwarder" not in self.outside.given:
            self.findings.refuse(
                whole,
                "no forwarder above the first view" if views else "no forwarder",
                "say which name server to ask, e.g.: forwarder 127.0.0.1 port 65053",
            )
        if not any(view.prefixes for view in (outside, *views)):
            self.findings.warn(
                whole,
                "no prefix, so that no AAAA record is synthesized",
                "say the translator's prefix, e.g.: prefix 64:ff9b::/96",
            )
        if self.server.cookie_secret is not None and not self.server.cookies:
            self.findings.warn(
                self.places.get("cookie-secret", whole),
                "'cookie-secret' has no effect where there are no cookies",
                "remove it, or write: cookies yes",
            )
        if self.interfaces is None:
            self._check_permission(whole, views)
        elif self.listeners.plain:
            self.findings.warn(
                self.places.get("interfaces", whole),
                "'listen' says where to listen, so 'interfaces' only says who is answered",
                "remove 'listen' to listen on the interfaces",
            )

    def _check_permission(self, whole: Place, views: Sequence[View]) -> None:
        """Warn of clients that the config speaks of and that are not answered. There is no `interfaces`."""
        if not self.allow_query:
            self.findings.warn(
                whole,
                "neither interfaces nor allow-query is given, so that only this host itself is answered",
                "name the clients' networks, e.g.: allow-query 2001:db8::/32",
            )
        for view in views:
            for network in view.networks:
                if not network.is_loopback and not any(map(network.overlaps, self.allow_query)):
                    self.findings.warn(
                        self.view_names[view.name],
                        f"nothing permits the clients of view {view.name} in {network}",
                        f"add above the first view: allow-query {network}",
                    )

    def _read_in_section(self, directive: Directive) -> None:
        section = self.views[-1] if self.views else self.outside
        section.read(directive)

    def _read_outside(self, directive: Directive) -> None:
        if self.views:
            raise Refused(f"'{directive.keyword}' cannot stand in a view", "move it above the first view")
        self._outside_readers()[directive.keyword](directive)

    def _read_view(self, directive: Directive) -> None:
        # Also behind a mistake a section begins, so that what follows is not taken for what stands outside.
        section = Section(self.findings, totd_words.ViewWords("", ()))
        self.views.append(section)
        section.words = words = totd_words.read_view(directive)
        name = words.name
        before = self.view_names.setdefault(name, directive.place)
        if before is not directive.place:
            raise Refused(f"there is a view {name} at line {before.line}", "give this one another name")
        for network in words.networks:
            other = self.view_networks.setdefault(network, name)
            if other != name:
                raise Refused(
                    f"{network} is in view {other} at line {self.view_names[other].line}",
                    "leave it in one of the two",
                )
        if len(set(words.networks)) < len(words.networks):
            self.findings.warn(directive.place, f"view {name} names a network twice", "remove one of the two")

    def _read_server(self, directive: Directive) -> None:
        self.server = READERS[directive.keyword](self.server, directive)
        if directive.keyword in self.given:
            self.findings.warn_that_the_last_counts(directive)
        self.given.add(directive.keyword)

    def _read_interfaces(self, directive: Directive) -> None:
        before = self.interfaces or Interfaces()
        more = totd_words.read_interfaces(directive)
        names = tuple(dict.fromkeys(before.names + more.names))
        self.interfaces = Interfaces(names, before.every or more.every)

    def _read_allow_query(self, directive: Directive) -> None:
        networks = totd_words.read_allow_query(directive)
        for network in networks:
            if network.prefixlen == 0:
                self.findings.warn(
                    directive.place,
                    f"'{network}' is the whole world, for whom this would be an open resolver",
                    "name your clients' networks",
                )
        self.allow_query += networks

    def _read_allow(self, directive: Directive) -> None:
        directive.count(1, 1, "allow ADDRESS")
        read_address(directive.words[0])
        self.findings.warn(
            directive.place,
            "'allow' opened totd's web server, which dns64d does not have",
            "remove it, and use nat64ctl; for DNS clients write: allow-query NETWORK",
        )

    def _read_scoped(self, directive: Directive) -> None:
        totd_words.read_scoped(directive)
        self.findings.warn(
            directive.place,
            "'scoped' has no effect: dns64d does not rewrite site-local addresses, which RFC 3879 deprecated",
            "remove it",
        )
