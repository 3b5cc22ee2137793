"""From IPv6 straight back to IPv6, for a host that another one knows by its IPv4 address: RFC 7757 section 4.2.2.

What leaves here is what two translations would make, but for two things: the hop limit is lowered once, and fields
that IPv4 has not (those of ICMPv6 errors) stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nat64.addressing.unmappable import Unmappable, UnmappableError
from nat64.siit import checksum, counters, icmp_errors, icmp_tables, ipv6_header, protocols, transport
from nat64.siit.address_pair import AddressPair
from nat64.siit.verdicts import Discard, Reject

if TYPE_CHECKING:
    from nat64.addressing.address_map import AddressMap
    from nat64.siit.ipv6_header import IPv6Header
    from nat64.siit.verdicts import Packets

_ICMP_HEADER: Final = 8
_ERRORS: Final = frozenset(
    (
        icmp_tables.V6_UNREACHABLE,
        icmp_tables.V6_TOO_BIG,
        icmp_tables.V6_TIME_EXCEEDED,
        icmp_tables.V6_PARAMETER_PROBLEM,
    )
)


def packet(header: IPv6Header, start: bytes, payload: memoryview, addresses: bytes, mtu: int) -> Packets:
    """Return the packet with other addresses; `start` is its payload's changed beginning. Raises `Reject`.

    Extension headers are left out, as by a translation; a fragment keeps its fragment header.
    """
    fragment = header.fragment if header.fragment is not None and header.fragment.is_part else None
    length = header.payload_length + (ipv6_header.FRAGMENT_LENGTH if fragment is not None else 0)
    if ipv6_header.LENGTH + length > mtu:
        raise Reject(counters.TOO_BIG, icmp_tables.V6_TOO_BIG, 0, mtu)
    protocol = header.protocol if fragment is None else protocols.FRAGMENT
    head = ipv6_header.build(header.traffic_class, length, protocol, header.hop_limit - 1, addresses)
    if fragment is not None:
        head += ipv6_header.build_fragment(
            header.protocol,
            fragment.offset,
            more_fragments=fragment.more_fragments,
            identification=fragment.identification,
        )
    return ((head + start, payload[len(start) :]),)


def echo(payload: memoryview, pair: AddressPair) -> bytes:
    """Return the first four octets of an ICMPv6 echo message with its checksum adjusted. Raises `Discard`."""
    if len(payload) < _ICMP_HEADER:
        raise Discard(counters.MALFORMED)
    return bytes(payload[:2]) + _adjusted(payload, 2, pair)


def error(
    header: IPv6Header, message: memoryview, addresses: bytes, address_map: AddressMap, now: float
) -> Packets:
    """Return an ICMPv6 error for the host whose packet it is about, with its new source and destination.

    The packet inside becomes what that host sent. Raises `Discard`.
    """
    if len(message) < _ICMP_HEADER:
        raise Discard(counters.MALFORMED)
    if message[0] not in _ERRORS:
        raise Discard(counters.ICMP_TYPE)
    if icmp_errors.icmpv6_checksum(header.source + header.destination, message):
        raise Discard(counters.ICMP_CHECKSUM)
    inner = _as_sent(message[_ICMP_HEADER:], address_map, now)
    value = int.from_bytes(message[4:8], "big")
    changed = icmp_errors.icmpv6_message(addresses, message[0], message[1], value, inner)
    head = ipv6_header.build(
        header.traffic_class, len(changed), protocols.ICMPV6, header.hop_limit - 1, addresses
    )
    return ((head + changed, message[:0]),)


def _as_sent(inner: memoryview, address_map: AddressMap, now: float) -> bytes:
    """Return the packet inside an error as it was before it turned back. Raises `Discard`."""
    try:
        header = ipv6_header.parse(inner, whole=False)
        sent = _addresses_as_sent(header, address_map, now)
    except (Discard, UnmappableError):
        raise Discard(counters.ICMP_INNER) from None
    pair = AddressPair(header.source + header.destination, sent, None)
    payload = inner[header.payload_at : header.payload_at + header.payload_length]
    start = b""
    if header.protocol == protocols.ICMPV6:
        if header.fragment is not None or not payload or payload[0] not in icmp_tables.ECHO_TO_IPV4:
            raise Discard(counters.ICMP_INNER)
        if len(payload) >= 4:
            start = bytes(payload[:2]) + _adjusted(payload, 2, pair)
    elif header.protocol in protocols.CHECKSUM_AT and not (header.fragment and header.fragment.offset):
        start = transport.with_adjusted_checksum(header.protocol, payload, pair.delta) or b""
    return b"".join(
        (
            inner[:8],
            pair.translated,
            inner[40 : header.payload_at],
            start,
            inner[header.payload_at + len(start) :],
        )
    )


def _addresses_as_sent(header: IPv6Header, address_map: AddressMap, now: float) -> bytes:
    """Return the source and destination before the packet turned back. Raises `UnmappableError`."""
    far = address_map.far_to_ipv4(header.source)
    sender = address_map.turned_back(far, now)
    if sender is None:
        raise UnmappableError(Unmappable.NO_MAPPING)
    return sender.address + sender.of.embed(address_map.known_to_ipv4(header.destination, far.of))


def _adjusted(payload: memoryview, at: int, pair: AddressPair) -> bytes:
    return checksum.adjusted(int.from_bytes(payload[at : at + 2], "big"), pair.delta).to_bytes(2, "big")
