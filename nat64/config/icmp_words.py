"""What the words of our directives about ICMP errors mean. Each reader raises `Refused`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.addressing.router_pool import RouterPool
from nat64.addressing.special_purpose import may_translate_ipv4
from nat64.config.grammar import Refused, read_ipv4_network, read_number

if TYPE_CHECKING:
    from nat64.config.grammar import Directive

_HIGHEST_RATE: Final = 1_000_000
_LEAST_BURST: Final = 10
_LARGEST_POOL: Final = 8
_USAGE: Final = "icmp-rate NUMBER [burst NUMBER]|unlimited|none, e.g.: icmp-rate 1000 burst 250"


class IcmpRate(NamedTuple):
    """How many ICMP errors the translator itself may send: on average, and at once."""

    per_second: float
    burst: float


DEFAULT_RATE: Final = IcmpRate(1000, 250)
_WITHOUT_NUMBER: Final = {"unlimited": IcmpRate(math.inf, math.inf), "none": IcmpRate(0, 0)}


def read_icmp_rate(directive: Directive) -> IcmpRate:
    """Read the limit of RFC 4443 section 2.4 (f), or one of the choices of RFC 7915 sections 4.4 and 5.4: all, or none.

    The burst is a quarter of a second's errors if it is not given, but lets a traceroute through at any rate.
    """
    directive.count(1, 3, _USAGE)
    first, *more = directive.words
    if first.lower() in _WITHOUT_NUMBER and not more:
        return _WITHOUT_NUMBER[first.lower()]
    if not first.isdigit():
        raise Refused(f"'{' '.join(directive.words)}' is no icmp-rate", f"write: {_USAGE}")
    per_second = read_number(first, "number of errors per second", 1, _HIGHEST_RATE)
    if not more:
        return IcmpRate(per_second, max(_LEAST_BURST, per_second // 4))
    if more[0].lower() != "burst" or len(more) == 1:
        raise Refused(f"'{' '.join(more)}' says nothing about a rate", f"write: {_USAGE}")
    return IcmpRate(per_second, read_number(more[1], "burst", 1, _HIGHEST_RATE))


def read_rfc6791_pool(directive: Directive) -> RouterPool:
    """Read the network whose addresses stand for IPv6 routers (RFC 6791 section 3.1); a /32 is one for all of them."""
    directive.count(1, 1, "rfc6791-pool ADDRESS/LENGTH")
    network = read_ipv4_network(directive.words[0])
    if network.prefixlen < _LARGEST_POOL:
        raise Refused(
            f"an rfc6791-pool cannot have the length {network.prefixlen}",
            f"give one from {_LARGEST_POOL} to 32",
        )
    if not may_translate_ipv4(network.network_address.packed):
        raise Refused(
            f"{network} is reserved", "take a network of your own, e.g.: rfc6791-pool 192.168.239.0/24"
        )
    return RouterPool(network)
