"""What dns64.conf says: the read and checked config that the DNS64 server works by."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
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
DNS_OVER_HTTPS_PORT: Final = 443
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
    """The name in its certificate, by which it is asked over TLS (RFC 7858) or HTTPS."""
    validating: bool = False
    """Whether it validates by DNSSEC, and the way to it is safe, so that its AD bit can be believed."""
    pins: tuple[bytes, ...] = ()
    """SHA-256 digests of the public keys (RFC 7858 section 4.2), one of which its certificate must have.

    With pins alone no authority is asked who it is.
    """
    https_path: str | None = None
    """The path by which it is asked over HTTPS (RFC 8484), with `tls_name` as the host; None: not over HTTPS."""

    @property
    def is_encrypted(self) -> bool:
        """Whether it is asked over TLS or HTTPS, and never in clear."""
        return self.tls_name is not None or bool(self.pins)

    def __hash__(self) -> int:
        # A few of them are keys wherever queries go; to hash all of one would be most of a look-up.
        return hash(self.endpoint.port)

    def __str__(self) -> str:
        return f"{self.endpoint} ({self.tls_name})" if self.tls_name else str(self.endpoint)


class ForwarderOrder(Enum):
    """Which of the forwarders that answer is asked first."""

    PREFERENCE = "preference"
    """The one that the config names first, as totd does."""
    FASTEST = "fastest"
    """The one that answered soonest of late."""


@dataclass(frozen=True, slots=True)
class TlsEndpoint:
    """Where clients are served over TLS (RFC 7858), with the PEM files of the certificate chain and its key."""

    endpoint: Endpoint
    certificate: str
    key: str


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
class CacheSettings:
    """What is kept of answers. Sizes are bytes, times are seconds."""

    size: int = 64 << 20
    """At most so much over all workers; 0: nothing is kept."""
    prefetch: bool = True
    """Whether an answer that is still asked for is asked anew shortly before it expires."""
    serve_stale: int = 86400
    """How long an expired answer may stand in when the forwarders fail (RFC 8767); 0: never."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What one client, or all of them, may take. Times are seconds."""

    connections: int = 256
    """TCP and TLS connections at a time."""
    connections_of_a_host: int = 32
    idle: int = 10
    """How long a connection without a query stays open (RFC 7766 section 6.2.3)."""
    responses_a_second: int = 0
    """UDP responses to one client network, /56 or /24; 0: no limit."""
    slip: int = 2
    """Of the responses over that limit each `slip`-th is sent truncated, so that a real client comes by TCP; 0: none."""

    def divided_by(self, workers: int) -> ClientLimits:
        """Return what one of so many workers may grant, so that all together grant this; rounded up, so never nothing.

        The kernel spreads clients over the workers by their ports, so a share is as good as the whole for many, and
        less than that for one.
        """
        return replace(
            self,
            connections=-(-self.connections // workers),
            connections_of_a_host=-(-self.connections_of_a_host // workers),
            responses_a_second=-(-self.responses_a_second // workers),
        )


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
    listen_tls: tuple[TlsEndpoint, ...] = ()
    """Where else clients are served, over TLS."""
    workers: int | None = None
    """Processes that serve; ``None``: one for each core."""
    cache: CacheSettings = CacheSettings()
    limits: ClientLimits = ClientLimits()
    cookies: bool = True
    """Whether clients that send a DNS cookie (RFC 7873) get one."""
    cookie_secret: bytes | None = field(default=None, repr=False)
    """16 bytes that servers of one address share (RFC 9018); ``None``: made at the start."""
    forwarder_order: ForwarderOrder = ForwarderOrder.PREFERENCE
    randomize_case: bool = False
    """Whether names are asked in random case, which replies must repeat ("0x20")."""
    query_log: str | None = None
    """A file that gets a line for each query; ``None``: none."""
    retry: int = DEFAULT_RETRY
    """How long a forwarder that failed is passed over, in seconds."""
    pidfile: str | None = None
    control_socket: str | None = DEFAULT_CONTROL_SOCKET
    """``None``: no control socket."""
    warnings: tuple[Mistake, ...] = field(default=(), compare=False)
