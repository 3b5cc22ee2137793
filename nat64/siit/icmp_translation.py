"""ICMP error messages with the packet inside them, translated: RFC 7915 sections 4.2, 4.3, 5.2 and 5.3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from nat64.siit import (
    checksum,
    counters,
    icmp_errors,
    icmp_extensions,
    icmp_tables,
    inner_packet,
    interface_information,
    ipv4_header,
    ipv6_header,
)
from nat64.siit.verdicts import Discard

if TYPE_CHECKING:
    from nat64.addressing.address_map import AddressMap

_HeaderT_co = TypeVar("_HeaderT_co", covariant=True)


class _Parse(Protocol[_HeaderT_co]):
    """A header's parser."""

    def __call__(self, packet: memoryview, *, whole: bool = True) -> _HeaderT_co: ...


_ICMP_HEADER: Final = 8
_IPV4_ROOM: Final = icmp_errors.ICMPV4_ERROR_LENGTH - ipv4_header.LENGTH - _ICMP_HEADER
_IPV6_ROOM: Final = ipv6_header.MINIMUM_MTU - ipv6_header.LENGTH - _ICMP_HEADER


def error_to_ipv4(
    message: memoryview, addresses: bytes, address_map: AddressMap, mtu: int, *, router: bytes | None = None
) -> bytes:
    """Return the ICMPv4 message for an ICMPv6 error. Raises `Discard` when it has no counterpart.

    `addresses` are the source and destination that it came with. The address of a `router` is told beside the packet
    (RFC 5837). What would make an IPv4 packet of more than 576 octets is cut off: an IPv4 host need not take larger
    ones (RFC 1812 section 4.3.2.3, RFC 791 section 3.1).
    """
    if len(message) < _ICMP_HEADER:
        raise Discard(counters.MALFORMED)
    if icmp_errors.icmpv6_checksum(addresses, message):
        raise Discard(counters.ICMP_CHECKSUM)
    inner, extensions = icmp_extensions.split(message, icmp_extensions.ICMPV6)
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
    icmp_type, code, value = translated
    datagram = inner_packet.to_ipv4(inner, header, address_map)
    structure = _with_router(extensions, router, _IPV4_ROOM)
    length, data = icmp_extensions.join(icmp_type, datagram, structure, icmp_extensions.ICMPV4, _IPV4_ROOM)
    return icmp_errors.icmpv4_message(icmp_type, code, value | length, data)


def error_to_ipv6(  # noqa: PLR0913 - each of them decides
    message: memoryview,
    addresses: bytes,
    address_map: AddressMap,
    mtu: int,
    now: float,
    *,
    router: bytes | None = None,
) -> bytes:
    """Return the ICMPv6 message for an ICMPv4 error. Raises `Discard` when it has no counterpart.

    `addresses` are the new source and destination. The address of a `router` is told beside the packet (RFC 5837). What
    would not fit into IPv6's minimum MTU is cut off (RFC 4443 section 2.4 c).
    """
    if len(message) < _ICMP_HEADER:
        raise Discard(counters.MALFORMED)
    if checksum.checksum(message):
        raise Discard(counters.ICMP_CHECKSUM)
    inner, extensions = icmp_extensions.split(message, icmp_extensions.ICMPV4)
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
    icmp_type, code, value = translated
    datagram = inner_packet.to_ipv6(inner, header, address_map, now)
    structure = _with_router(extensions, router, _IPV6_ROOM)
    length, data = icmp_extensions.join(icmp_type, datagram, structure, icmp_extensions.ICMPV6, _IPV6_ROOM)
    return icmp_errors.icmpv6_message(addresses, icmp_type, code, value | length, data)


def _with_router(extensions: memoryview, router: bytes | None, room: int) -> bytes | memoryview:
    """Add the address of the router that sent the error, if it is to be told."""
    if router is None:
        return extensions
    return interface_information.with_address(extensions, router, icmp_extensions.room_beside_datagram(room))


def _inner(parse: _Parse[_HeaderT_co], inner: memoryview) -> _HeaderT_co:
    """Read the inner packet's header; one that is damaged ends the error."""
    try:
        return parse(inner, whole=False)
    except Discard:
        raise Discard(counters.ICMP_INNER) from None
