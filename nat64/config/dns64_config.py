"""What dns64.conf says: the read and checked config that the DNS64 server works by."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nat64.addressing.prefix import Pref64
    from nat64.config.grammar import Mistake

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Labels = tuple[bytes, ...]
"""A domain name's labels in lower case, the leftmost first; empty for the root."""

DNS_PORT: Final = 53
DNS_OVER_TLS_PORT: Final = 853
DEFAULT_RETRY: Final = 300
DEFAULT_CONTROL_SOCKET: Final = "/run/dns64d/control.sock"
IPV4_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and a port, of a forwarder or to listen on."""

    address: IPAddress
    port: int = DNS_PORT

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Forwarder:
    """A name server to ask."""

    endpoint: Endpoint
    tls_name: str | None = None
    """The name in its certificate, by which it is asked over TLS (RFC 7858); None: UDP and TCP."""
    validating: bool = False
    """Whether it validates by DNSSEC, and the way to it is safe, so that its AD bit can be believed."""

    def __str__(self) -> str:
        return f"{self.endpoint} ({self.tls_name})" if self.tls_name else str(self.endpoint)


@dataclass(frozen=True, slots=True)
class Interfaces:
    """The `interfaces` directive: names, or every interface (``*`` or ``all``)."""

    names: tuple[str, ...] = ()
    every: bool = False


@dataclass(frozen=True, slots=True)
class SynthesisPrefix:
    """A prefix to synthesize with. Several take turns, one an answer."""

    prefix: Pref64
    ipv4: tuple[ipaddress.IPv4Network, ...] = ()
    """The addresses that it alone serves (the longest match of all prefixes counts); empty: all others."""


class Synthesis(Enum):
    """What a domain asks of synthesis, whatever the answers are."""

    NEVER = "never"
    """The forwarders' answers are given as they are."""
    ALWAYS = "always"
    """AAAA records of the forwarders count as absent."""


@dataclass(frozen=True, slots=True)
class Domain:
    """What holds for a domain and all below it, unless a longer one says otherwise."""

    labels: Labels
    synthesis: Synthesis | None = None
    """None: as everywhere."""
    forwarders: tuple[Forwarder, ...] = ()
    """Whom to ask for it, in order of preference; empty: whom one asks otherwise."""


@dataclass(frozen=True, slots=True)
class View:
    """What holds for the clients in some networks."""

    forwarders: tuple[Forwarder, ...]
    """In order of preference; never empty."""
    name: str = ""
    """Empty for what holds for clients in no view's network."""
    networks: tuple[IPNetwork, ...] = ()
    """The clients; of several views the longest match counts."""
    prefixes: tuple[SynthesisPrefix, ...] = ()
    """Empty: nothing is synthesized."""
    exclude: tuple[ipaddress.IPv6Network, ...] = (IPV4_MAPPED,)
    """AAAA records within these count as absent (RFC 6147 section 5.1.4)."""
    mapped: tuple[ipaddress.IPv4Network, ...] = ()
    """The only IPv4 addresses to synthesize from; empty: all."""
    unmapped: tuple[ipaddress.IPv4Network, ...] = ()
    """IPv4 addresses never to synthesize from."""
    domains: tuple[Domain, ...] = ()
    synthesize_on_failure: bool = True
    """Whether a failed AAAA query counts as an empty answer (RFC 6147 section 5.1.2)."""
    stf: bool = False
    """Whether reverse names of 6to4 addresses lead to those of the IPv4 addresses in them (totd's `stf`)."""


@dataclass(frozen=True, slots=True)
class Dns64Config:
    """What dns64.conf says. Ports are numbers, times are seconds."""

    default: View
    """For clients in no view's network."""
    views: tuple[View, ...] = ()
    port: int = DNS_PORT
    """Where to listen when `listen` does not say a port."""
    listen: tuple[Endpoint, ...] = ()
    """The very addresses to listen on; empty: `interfaces` decides."""
    interfaces: Interfaces | None = None
    """The interfaces to serve; ``None``: not said."""
    allow_query: tuple[IPNetwork, ...] = ()
    """Networks that are answered, beside loopback and the networks connected to `interfaces`."""
    retry: int = DEFAULT_RETRY
    """How long a forwarder that failed is passed over, in seconds."""
    pidfile: str | None = None
    control_socket: str | None = DEFAULT_CONTROL_SOCKET
    """``None``: no control socket."""
    warnings: tuple[Mistake, ...] = field(default=(), compare=False)
