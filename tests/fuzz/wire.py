"""Packets read from the RFCs' figures, apart from the code under test: what the fuzz targets compare with.

Nothing here imports `nat64`. Every reader takes whole packets of the version it names.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

ICMP = 1
TCP = 6
UDP = 17
FRAGMENT = 44
ICMPV6 = 58
SKIPPED = (0, 43, 60)
CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}
LEAST = {TCP: 20, UDP: 8, ICMP: 8, ICMPV6: 8}


class Malformed(Exception):  # noqa: N818 - what the packet is
    """The packet contradicts itself."""


class Wire(NamedTuple):
    """What a packet says. `payload` begins behind all headers that do not go across."""

    version: int
    traffic_class: int
    hops: int
    source: bytes
    destination: bytes
    protocol: int
    payload: bytes
    is_fragment: bool
    more: bool
    offset: int
    has_fragment_header: bool
    may_fragment: bool


def ones_complement(data: bytes) -> int:
    """Return the folded sum of RFC 1071, 16 bits at a time as its section 4.1 writes it."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def read(packet: bytes) -> Wire:
    """Read a packet of either version, which may have octets behind its end. Raises `Malformed`."""
    version = packet[0] >> 4 if packet else 0
    try:
        if version == 4:
            return _read4(packet)
        if version == 6:
            return _read6(packet)
    except (struct.error, IndexError):
        raise Malformed("cut short") from None
    raise Malformed(f"version {version}")


def _read4(packet: bytes) -> Wire:
    tos, total, _, flags, ttl, protocol = struct.unpack_from("!xBHHHBB", packet)
    length = (packet[0] & 15) * 4
    if not 20 <= length <= total <= len(packet):
        raise Malformed("lengths")
    more, offset = bool(flags & 0x2000), flags & 0x1FFF
    return Wire(
        version=4,
        traffic_class=tos,
        hops=ttl,
        source=packet[12:16],
        destination=packet[16:20],
        protocol=protocol,
        payload=packet[length:total],
        is_fragment=more or offset > 0,
        more=more,
        offset=offset,
        has_fragment_header=False,
        may_fragment=not flags & 0x4000,
    )


def _read6(packet: bytes) -> Wire:
    first, length, protocol, hops = struct.unpack_from("!IHBB", packet)
    end = 40 + length
    if end > len(packet):
        raise Malformed("lengths")
    at, more, offset, seen = 40, False, 0, False
    while protocol in SKIPPED or protocol == FRAGMENT:
        if at + 8 > end:
            raise Malformed("headers")
        if protocol == FRAGMENT:
            (word,) = struct.unpack_from("!H", packet, at + 2)
            protocol, offset, more, seen = packet[at], word >> 3, bool(word & 1), True
            at += 8
            if offset or more:
                break
        else:
            protocol, at = packet[at], at + 8 + 8 * packet[at + 1]
    if at > end:
        raise Malformed("headers")
    return Wire(
        version=6,
        traffic_class=first >> 20 & 0xFF,
        hops=hops,
        source=packet[8:24],
        destination=packet[24:40],
        protocol=protocol,
        payload=packet[at:end],
        is_fragment=more or offset > 0,
        more=more,
        offset=offset,
        has_fragment_header=seen,
        may_fragment=False,
    )


def pseudo_header(wire: Wire, length: int) -> bytes:
    """Return what the transport checksum covers beside the transport (RFC 9293, RFC 768, RFC 8200 section 8.1)."""
    if wire.protocol == ICMP:
        return b""
    return wire.source + wire.destination + struct.pack("!II", length, wire.protocol)


def checksum_is_right(wire: Wire) -> bool | None:
    """Whether the transport checksum of a whole packet is right; None where there is none to judge."""
    if wire.is_fragment or wire.protocol not in CHECKSUM_AT or len(wire.payload) < LEAST[wire.protocol]:
        return None
    if wire.protocol == UDP and wire.payload[6:8] == b"\0\0":
        return None
    covered = pseudo_header(wire, len(wire.payload)) + wire.payload
    # Both zeros of one's complement: an ICMPv4 message of nothing but zeros has no other damage.
    return ones_complement(covered) in {0, 0xFFFF}


def with_right_checksum(wire: Wire) -> bytes:
    """Return the payload with the transport checksum that it should have."""
    at = CHECKSUM_AT.get(wire.protocol)
    if at is None or len(wire.payload) < at + 2:
        return wire.payload
    blank = wire.payload[:at] + b"\0\0" + wire.payload[at + 2 :]
    number = 0xFFFF - ones_complement(pseudo_header(wire, len(blank)) + blank)
    if wire.protocol == UDP:
        number = number or 0xFFFF
    return blank[:at] + struct.pack("!H", number) + blank[at + 2 :]


def is_icmp_error(wire: Wire) -> bool:
    """Whether the packet begins with the type of an ICMP error, RFC 792 and RFC 4443 section 2.1."""
    if wire.offset or not wire.payload:
        return False
    kind = wire.payload[0]
    if wire.version == 4:
        return wire.protocol == ICMP and kind in {3, 4, 5, 11, 12}
    return wire.protocol == ICMPV6 and kind < 128


def is_illegal(address: bytes) -> bool:
    """Whether no router may forward a packet with the address (RFC 1812 section 5.3.7, RFC 4291 section 2)."""
    if len(address) == 4:
        return address[0] in {0, 127} or 224 <= address[0] < 240 or address == b"\xff" * 4
    return address[0] == 0xFF or address[:15] == bytes(15) or (address[0] == 0xFE and address[1] >> 6 == 2)


def reassembled(packets: list[bytes]) -> bytes | None:
    """Return the fragmentable part that IPv6 fragments (RFC 8200 section 4.5) make, or None if some are missing."""
    parts = sorted((wire.offset * 8, wire.more, wire.payload) for wire in map(read, packets))
    whole = b""
    for at, _, payload in parts:
        if at != len(whole):
            return None
        whole += payload
    return whole if not parts[-1][1] else None
