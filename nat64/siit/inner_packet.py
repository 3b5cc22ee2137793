"""The packet inside an ICMP error, translated: RFC 7915 sections 4.3 and 5.3.

It may be cut short after its headers, its hop limit is left as it was when the error was found, and no lease
is made for its addresses. One that cannot be translated ends the whole error with `Discard`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nat64.addressing.unmappable import UnmappableError
from nat64.siit import counters, ipv4_header, ipv6_header, protocols, transport
from nat64.siit.address_pair import AddressPair
from nat64.siit.verdicts import Discard

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.addressing.address_map import AddressMap
    from nat64.siit.ipv4_header import IPv4Header
    from nat64.siit.ipv6_header import IPv6Header


def to_ipv4(packet: memoryview, header: IPv6Header, address_map: AddressMap) -> bytes:
    """Return the IPv4 packet that `packet`, cut short perhaps, was or would be on the other side."""
    try:
        far = address_map.far_to_ipv4(header.source)
        addresses = far.address + address_map.known_to_ipv4(header.destination, far.of)
    except UnmappableError:
        raise Discard(counters.ICMP_INNER) from None
    pair = AddressPair(header.source + header.destination, addresses, None)
    payload = packet[header.payload_at : header.payload_at + header.payload_length]
    protocol = header.protocol
    fragment = header.fragment
    begins_here = fragment is None or not fragment.offset
    if protocol == protocols.ICMPV6:
        if fragment is not None and (fragment.offset or fragment.more_fragments):
            raise Discard(counters.ICMP_INNER)
        start = _echo(transport.echo_to_ipv4, payload, header.payload_length, pair)
        protocol = protocols.ICMP
    elif protocol == protocols.ICMP:
        raise Discard(counters.ICMP_INNER)
    else:
        start = _transport_start(protocol, payload, pair, begins_here=begins_here)
    total_length = ipv4_header.LENGTH + header.payload_length
    if total_length > 0xFFFF:
        raise Discard(counters.ICMP_INNER)
    return (
        ipv4_header.build(
            tos=header.traffic_class,
            total_length=total_length,
            identification=fragment.identification & 0xFFFF if fragment is not None else 0,
            flags=ipv4_flags(fragment, total_length),
            ttl=header.hop_limit,
            protocol=protocol,
            addresses=addresses,
        )
        + start
        + payload[len(start) :]
    )


def to_ipv6(packet: memoryview, header: IPv4Header, address_map: AddressMap, now: float) -> bytes:
    """Return the IPv6 packet that `packet`, cut short perhaps, was or would be on the other side."""
    try:
        near = address_map.near_to_ipv6(header.source, header.destination, now)
        addresses = near.address + address_map.far_to_ipv6(header.destination, near, now).address
    except UnmappableError:
        raise Discard(counters.ICMP_INNER) from None
    pair = AddressPair(header.source + header.destination, addresses, None)
    length = header.total_length - header.length
    payload = packet[header.length : header.total_length]
    protocol = header.protocol
    if protocol == protocols.ICMP:
        if header.is_fragment:
            raise Discard(counters.ICMP_INNER)
        start = _echo(transport.echo_to_ipv6, payload, length, pair)
        protocol = protocols.ICMPV6
    elif protocol in protocols.NOT_FROM_IPV4:
        raise Discard(counters.ICMP_INNER)
    else:
        start = _transport_start(protocol, payload, pair, begins_here=not header.offset)
    if not header.is_fragment:
        return (
            ipv6_header.build(header.tos, length, protocol, header.ttl, addresses)
            + start
            + payload[len(start) :]
        )
    return (
        ipv6_header.build(
            header.tos, length + ipv6_header.FRAGMENT_LENGTH, protocols.FRAGMENT, header.ttl, addresses
        )
        + ipv6_header.build_fragment(
            protocol,
            header.offset,
            more_fragments=header.more_fragments,
            identification=header.identification,
        )
        + start
        + payload[len(start) :]
    )


def ipv4_flags(fragment: ipv6_header.Fragment | None, total_length: int) -> int:
    """Return the word of flags and fragment offset of an IPv4 packet, RFC 7915 sections 5.1 and 5.1.1.

    A packet with a fragment header may be fragmented further; one without may only if it is so small
    (1260 octets) that the IPv6 sender could not have been told to send smaller ones.
    """
    if fragment is not None:
        return fragment.offset | (ipv4_header.MORE_FRAGMENTS if fragment.more_fragments else 0)
    return ipv4_header.DONT_FRAGMENT if total_length > ipv6_header.MINIMUM_MTU - 20 else 0


def _transport_start(protocol: int, payload: memoryview, pair: AddressPair, *, begins_here: bool) -> bytes:
    """Return the changed beginning of the payload, empty where nothing changes or the checksum is cut off."""
    if not begins_here or protocol not in protocols.CHECKSUM_AT:
        return b""
    return transport.with_adjusted_checksum(protocol, payload, pair.delta) or b""


def _echo(
    translate: Callable[[memoryview, int, AddressPair], bytes],
    payload: memoryview,
    length: int,
    pair: AddressPair,
) -> bytes:
    """Translate an echo message; anything else of ICMP here would make an error about an error."""
    try:
        return translate(payload, length, pair)
    except Discard:
        raise Discard(counters.ICMP_INNER) from None
