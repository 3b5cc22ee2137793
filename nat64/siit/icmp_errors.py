"""ICMP errors that the translator itself sends, from its own addresses: RFC 792, RFC 1812 and RFC 4443.

Packets from or to multicast addresses and the like never get here: they are dropped before they could be rejected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nat64.siit import checksum, icmp_tables, ipv4_header, ipv6_header, protocols
from nat64.siit.verdicts import Discard

if TYPE_CHECKING:
    from nat64.siit.verdicts import Reject

HOP_LIMIT: Final = 64
"""Hop limit and time to live of packets that begin here."""

_INTERNETWORK_CONTROL: Final = 0xC0  # the precedence that RFC 1812 section 4.3.2.5 gives to ICMP errors
ICMPV4_ERROR_LENGTH: Final = 576
"""The most octets that RFC 1812 section 4.3.2.3 allows an ICMPv4 error to have, IPv4 header included."""

_CLASS_E: Final = 240
_ICMP_HEADER: Final = 8


def icmpv6_message(
    addresses: bytes, icmp_type: int, code: int, value: int, data: bytes | memoryview
) -> bytes:
    """Return an ICMPv6 message with its checksum. `value` is its second word."""
    head = bytes((icmp_type, code, 0, 0))
    rest = value.to_bytes(4, "big")
    number = icmpv6_checksum(addresses, head, rest, data)
    return b"".join((head[:2], number.to_bytes(2, "big"), rest, data))


def icmpv6_checksum(addresses: bytes, *parts: bytes | memoryview) -> int:
    """Return the checksum of a whole ICMPv6 message; zero when the one that is in it is right."""
    pseudo_header = sum(map(len, parts)).to_bytes(4, "big") + bytes((0, 0, 0, protocols.ICMPV6))
    return checksum.checksum(addresses, pseudo_header, *parts)


def icmpv4_message(icmp_type: int, code: int, value: int, data: bytes | memoryview) -> bytes:
    """Return an ICMPv4 message with its checksum. `value` is its second word."""
    head = bytes((icmp_type, code))
    rest = value.to_bytes(4, "big")
    return b"".join((head, checksum.checksum(head, rest, data).to_bytes(2, "big"), rest, data))


def error_to_ipv6_sender(packet: memoryview, own_address: bytes, reject: Reject) -> bytes | None:
    """Return the ICMPv6 error about `packet`, or None when RFC 4443 section 2.4 (e) forbids one."""
    try:
        header = ipv6_header.parse(packet)
    except Discard:
        return None
    if header.protocol == protocols.ICMPV6:
        shown = packet[header.payload_at : header.payload_at + 1]
        begins_here = header.fragment is None or not header.fragment.offset
        if not begins_here or not shown:
            return None  # it cannot be told that this is no error
        if icmp_tables.is_ipv6_error(shown[0]) or shown[0] == icmp_tables.V6_REDIRECT:
            return None
    addresses = own_address + header.source
    end = header.payload_at + header.payload_length
    data = packet[: min(end, ipv6_header.MINIMUM_MTU - ipv6_header.LENGTH - _ICMP_HEADER)]
    message = icmpv6_message(addresses, reject.icmp_type, reject.code, reject.value, data)
    return ipv6_header.build(0, len(message), protocols.ICMPV6, HOP_LIMIT, addresses) + message


def error_to_ipv4_sender(
    packet: memoryview, own_address: bytes, identification: int, reject: Reject
) -> bytes | None:
    """Return the ICMPv4 error about `packet`, or None when RFC 1122 section 3.2.2 forbids one."""
    try:
        header = ipv4_header.parse(packet)
    except Discard:
        return None
    if header.offset or header.source[0] >= _CLASS_E:
        return None
    if header.protocol == protocols.ICMP:
        shown = packet[header.length : header.length + 1]
        if not shown or shown[0] in icmp_tables.ERRORS:
            return None
    addresses = own_address + header.source
    data = packet[: min(header.total_length, ICMPV4_ERROR_LENGTH - ipv4_header.LENGTH - _ICMP_HEADER)]
    message = icmpv4_message(reject.icmp_type, reject.code, reject.value, data)
    return (
        ipv4_header.build(
            tos=_INTERNETWORK_CONTROL,
            total_length=ipv4_header.LENGTH + len(message),
            identification=identification,
            flags=0,
            ttl=HOP_LIMIT,
            protocol=protocols.ICMP,
            addresses=addresses,
        )
        + message
    )
