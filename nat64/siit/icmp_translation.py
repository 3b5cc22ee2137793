"""ICMP error messages with the packet inside them, translated: RFC 7915 sections 4.2, 4.3, 5.2 and 5.3.

RFC 4884 extensions are taken off: the message ends with the original datagram, and its length field is zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from nat64.siit import checksum, counters, icmp_errors, icmp_tables, inner_packet, ipv4_header, ipv6_header
from nat64.siit.verdicts import Discard

if TYPE_CHECKING:
    from nat64.addressing.address_map import AddressMap

_HeaderT_co = TypeVar("_HeaderT_co", covariant=True)


class _Parse(Protocol[_HeaderT_co]):
    """A header's parser."""

    def __call__(self, packet: memoryview, *, whole: bool = True) -> _HeaderT_co: ...


_ICMP_HEADER: Final = 8
_WITH_LENGTH: Final = frozenset(
    (icmp_tables.UNREACHABLE, icmp_tables.TIME_EXCEEDED, icmp_tables.PARAMETER_PROBLEM)
)
_V6_WITH_LENGTH: Final = frozenset((icmp_tables.V6_UNREACHABLE, icmp_tables.V6_TIME_EXCEEDED))


def error_to_ipv4(message: memoryview, addresses: bytes, address_map: AddressMap, mtu: int) -> bytes:
    """Return the ICMPv4 message for an ICMPv6 error. Raises `Discard` when it has no counterpart.

    `addresses` are the source and destination that it came with.
    """
    if len(message) < _ICMP_HEADER:
        raise Discard(counters.MALFORMED)
    if icmp_errors.icmpv6_checksum(addresses, message):
        raise Discard(counters.ICMP_CHECKSUM)
    inner = message[_ICMP_HEADER:]
    if message[0] in _V6_WITH_LENGTH and message[4]:
        inner = inner[: message[4] * 8]  # RFC 4884 section 4.1: in units of 64 bits
    header = _inner(ipv6_header.parse, inner)
    translated = icmp_tables.error_to_ipv4(
        message[0],
        message[1],
        int.from_bytes(message[4:8], "big"),
        inner_has_fragment_header=header.fragment is not None,
        mtu=mtu,
    )
    if translated is None:
        raise Discard(counters.ICMP_TYPE)
    return icmp_errors.icmpv4_message(*translated, inner_packet.to_ipv4(inner, header, address_map))


def error_to_ipv6(
    message: memoryview, addresses: bytes, address_map: AddressMap, mtu: int, now: float
) -> bytes:
    """Return the ICMPv6 message for an ICMPv4 error. Raises `Discard` when it has no counterpart.

    `addresses` are the new source and destination. What would not fit into IPv6's minimum MTU is cut off
    (RFC 4443 section 2.4 c).
    """
    if len(message) < _ICMP_HEADER:
        raise Discard(counters.MALFORMED)
    if checksum.checksum(message):
        raise Discard(counters.ICMP_CHECKSUM)
    inner = message[_ICMP_HEADER:]
    if message[0] in _WITH_LENGTH and message[5]:
        inner = inner[: message[5] * 4]  # RFC 4884 section 4.1: in units of 32 bits
    header = _inner(ipv4_header.parse, inner)
    translated = icmp_tables.error_to_ipv6(
        message[0],
        message[1],
        int.from_bytes(message[4:8], "big"),
        inner_total_length=header.total_length,
        mtu=mtu,
    )
    if translated is None:
        raise Discard(counters.ICMP_TYPE)
    data = inner_packet.to_ipv6(inner, header, address_map, now)
    room = ipv6_header.MINIMUM_MTU - ipv6_header.LENGTH - _ICMP_HEADER
    return icmp_errors.icmpv6_message(addresses, *translated, data[:room])


def _inner(parse: _Parse[_HeaderT_co], inner: memoryview) -> _HeaderT_co:
    """Read the inner packet's header; one that is damaged ends the error."""
    try:
        return parse(inner, whole=False)
    except Discard:
        raise Discard(counters.ICMP_INNER) from None
