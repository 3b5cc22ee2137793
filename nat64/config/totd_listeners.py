"""Where a totd.conf says to listen: `listen` and `listen-tls`, gathered and checked against each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.config.dns64_config import DNS_OVER_TLS_PORT, Endpoint, IPAddress, TlsEndpoint
from nat64.config.grammar import Findings, Place, Placed, Refused
from nat64.config.totd_endpoints import read_address, read_options, read_path, read_port
from nat64.config.totd_forwarders import WILDCARDS

if TYPE_CHECKING:
    from collections.abc import Collection

    from nat64.config.grammar import Directive

_LISTEN: Final = "listen ADDRESS [port NUMBER]"
_LISTEN_TLS: Final = "listen-tls ADDRESS [port NUMBER] certificate FILE key FILE"


class _ListenWords(NamedTuple):
    """Where to listen; without a port, on that of the directive `port`."""

    address: IPAddress
    port: int | None


@dataclass(slots=True)
class GatheredListeners:
    """The directives `listen` and `listen-tls` of a file."""

    findings: Findings
    plain: list[Placed[_ListenWords]] = field(default_factory=list)
    tls: dict[Endpoint, Placed[TlsEndpoint]] = field(default_factory=dict)

    def read_listen(self, directive: Directive) -> None:
        """Read an address to listen on. Raises `Refused`."""
        directive.count(1, 3, _LISTEN)
        address = _read_own_address(directive.words[0])
        options = read_options(directive.words[1:], {"port"}, _LISTEN)
        port = read_port(options["port"][0]) if "port" in options else None
        self.plain.append(Placed(_ListenWords(address, port), directive.place))

    def read_listen_tls(self, directive: Directive) -> None:
        """Read an address to serve over TLS. Raises `Refused`."""
        directive.count(1, 7, _LISTEN_TLS)
        address = _read_own_address(directive.words[0])
        options = read_options(directive.words[1:], {"port", "certificate", "key"}, _LISTEN_TLS)
        missing = [f"'{file}'" for file in ("certificate", "key") if file not in options]
        if missing:
            raise Refused(f"'listen-tls' without {' and '.join(missing)}", f"write: {_LISTEN_TLS}")
        port = read_port(options["port"][0]) if "port" in options else DNS_OVER_TLS_PORT
        certificate, key = (
            read_path(options[file][0], f"{file} /etc/nat64/tls/{file}.pem")
            for file in ("certificate", "key")
        )
        found = TlsEndpoint(Endpoint(address, port), certificate, key)
        before = self.tls.setdefault(found.endpoint, Placed(found, directive.place))
        if before.place is not directive.place:
            if before.value != found:
                raise Refused(
                    f"listen-tls {found.endpoint} stands at line {before.place.line} with other files",
                    "remove one of the two",
                )
            self.findings.warn_of_repetition(directive.place, f"listen-tls {found.endpoint}")

    def tls_endpoints(self) -> tuple[TlsEndpoint, ...]:
        """Return where clients are served over TLS, each once."""
        return tuple(placed.value for placed in self.tls.values())

    def endpoints(self, default_port: int) -> tuple[Endpoint, ...]:
        """Return where `listen` says to listen, each once; record what cannot stand together."""
        places: dict[Endpoint, Place] = {}
        for placed in self.plain:
            endpoint = Endpoint(placed.value.address, placed.value.port or default_port)
            if endpoint in places:
                self.findings.warn_of_repetition(placed.place, f"listen {endpoint}")
            places.setdefault(endpoint, placed.place)
        for endpoint, place in places.items():
            self._refuse_covered("listen", endpoint, place, places)
        for endpoint, tls in self.tls.items():
            self._refuse_covered("listen-tls", endpoint, tls.place, self.tls)
            self._refuse_clash(endpoint, tls.place, places, default_port)
        return tuple(places)

    def _refuse_covered(
        self, keyword: str, endpoint: Endpoint, place: Place, others: Collection[Endpoint]
    ) -> None:
        """Refuse an address beside the wildcard, which leaves no room for it."""
        wildcard = _wildcard(endpoint)
        if endpoint != wildcard and wildcard in others:
            self.findings.refuse(
                place, f"{keyword} {wildcard} covers {endpoint} already", "remove one of the two"
            )

    def _refuse_clash(
        self, endpoint: Endpoint, place: Place, plain: Collection[Endpoint], default_port: int
    ) -> None:
        """Refuse to serve over TLS where clients are served in clear."""
        if plain:
            clashes = any(_overlap(endpoint, other) for other in plain)
        else:
            # The interfaces' addresses are known only when they are there.
            clashes = endpoint.port == default_port
        if clashes:
            self.findings.refuse(
                place,
                f"listen-tls {endpoint} is where clients are served without TLS",
                f"give it a port of its own, e.g.: port {DNS_OVER_TLS_PORT}",
            )


def _overlap(one: Endpoint, other: Endpoint) -> bool:
    """Return whether the two cannot both be listened on."""
    wildcard = _wildcard(one)
    return one == other or (wildcard == _wildcard(other) and wildcard in {one, other})


def _wildcard(endpoint: Endpoint) -> Endpoint:
    return Endpoint(WILDCARDS[endpoint.address.version], endpoint.port)


def _read_own_address(word: str) -> IPAddress:
    address = read_address(word)
    if address.is_multicast or (address.version == 6 and address.is_link_local):
        raise Refused(f"cannot listen on {address}", "give a unicast address that is not link-local")
    return address
