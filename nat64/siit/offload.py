"""Work that is left to the device: a checksum to finish, a large packet to cut. Source: virtio 1.2 section 5.1.6.

A TUN device hands over packets as the kernel holds them: a TCP or UDP packet may still lack the sum over its data, and
one of up to 64 KiB may stand for many that a link carries. Both are kept as they are where nothing speaks against it.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Final

from nat64.siit import ipv4_header, ipv6_header, protocols

HEADER_LENGTH: Final = 10
NOTHING_LEFT: Final = bytes(HEADER_LENGTH)
"""The header before a packet that is ready as it stands."""

GSO_TCP4: Final = 1
GSO_TCP6: Final = 4
GSO_UDP: Final = 5
GSO_ECN: Final = 0x80
_CHECKSUM_LEFT: Final = 1

_HEADER: Final = Struct("=BBHHHH")  # in the host's order, as a TUN device has it unless told otherwise
_PROTOCOLS: Final = {offset: protocol for protocol, offset in protocols.CHECKSUM_AT.items()}
_FRAGMENTED: Final = ipv4_header.MORE_FRAGMENTS >> 8 | ipv4_header.OFFSET >> 8
_TO_IPV4: Final = {0: 0, GSO_TCP6: GSO_TCP4, GSO_UDP: GSO_UDP}
_TO_IPV6: Final = {0: 0, GSO_TCP4: GSO_TCP6, GSO_UDP: GSO_UDP}


class Offload:
    """What is left to do for one packet.

    The checksum at `checksum_start` + `checksum_offset` holds the sum of the pseudo-header alone and shall cover all
    from `checksum_start` on (octets from the packet's first one). Where `segment_size` is not zero the packet stands
    for several, each with so many octets of its data; `gso_type` says of which kind. `as_ipv4` and `as_ipv6` are the
    headers to write before the translated packet.
    """

    __slots__ = (
        "_protocol",
        "as_ipv4",
        "as_ipv6",
        "checksum_left",
        "checksum_offset",
        "checksum_start",
        "gso_type",
        "segment_size",
    )

    def __init__(self, header: bytes) -> None:
        flags, gso_type, linear, segment_size, start, offset = _HEADER.unpack(header)
        self.checksum_left = bool(flags & _CHECKSUM_LEFT)
        self.checksum_start: int = start
        self.checksum_offset: int = offset
        self.gso_type = gso_type & ~GSO_ECN
        self.segment_size: int = segment_size if self.gso_type else 0
        self._protocol = _PROTOCOLS.get(offset) if self.checksum_left else None
        ecn = gso_type & GSO_ECN

        def written(types: dict[int, int], new_start: int) -> bytes:
            return _HEADER.pack(
                _CHECKSUM_LEFT,
                types.get(self.gso_type, 0) | ecn,
                max(0, linear + new_start - start) if linear else 0,
                segment_size,
                new_start,
                offset,
            )

        self.as_ipv4 = written(_TO_IPV4, ipv4_header.LENGTH)
        self.as_ipv6 = written(_TO_IPV6, ipv6_header.LENGTH)

    def is_plain(self, packet: memoryview) -> bool:
        """Whether it is the packet's own TCP or UDP checksum that is left, behind an IP header without extensions.

        Fragments are not plain, nor is a tunnel whose inner packet is meant.
        """
        if len(packet) < ipv4_header.LENGTH:
            return False
        if packet[0] >> 4 == 6:
            return packet[6] == self._protocol and self.checksum_start == ipv6_header.LENGTH
        return (
            packet[9] == self._protocol
            and self.checksum_start == (packet[0] & 0x0F) * 4
            and not (packet[6] & _FRAGMENTED or packet[7])
        )

    def longest(self, total_length: int, headers: int) -> int:
        """Return the length of the longest packet on a link: `headers` octets of headers and a segment's data."""
        return min(total_length, headers + self.segment_size) if self.segment_size else total_length

    def segments(self, payload_length: int) -> int:
        """Return how many packets there will be on a link, for so many octets behind the transport header."""
        return max(1, -(-payload_length // self.segment_size)) if self.segment_size else 1


@lru_cache(maxsize=1024)
def parse(header: bytes) -> Offload:
    """Read a header of `HEADER_LENGTH` octets."""
    return Offload(header)


def is_left(header: bytes | memoryview) -> bool:
    """Whether the header leaves anything to do."""
    return bool(header[0] & _CHECKSUM_LEFT or header[1])


def left_by(read: memoryview) -> Offload | None:
    """Return what the header at the beginning of `read` leaves to do, None if nothing."""
    return parse(bytes(read[:HEADER_LENGTH])) if is_left(read) else None


def longest_on_link(
    offload: Offload | None, length: int, ip_header: int, protocol: int, payload: memoryview
) -> int:
    """Return the length of the longest packet on a link that one of `length` octets stands for.

    `ip_header` is the length of its IP header, none if only payloads count.
    """
    if offload is None:
        return length
    return offload.longest(length, ip_header + transport_header_length(protocol, payload))


def packets_on_link(offload: Offload | None, protocol: int, payload: memoryview) -> int:
    """Return how many packets there will be on a link for one with this payload."""
    return (
        1 if offload is None else offload.segments(len(payload) - transport_header_length(protocol, payload))
    )


def transport_header_length(protocol: int, payload: bytes | memoryview) -> int:
    """Return the length of a TCP or UDP header, as it says itself; of a shorter payload, that of UDP's."""
    return (payload[12] >> 4) * 4 if protocol == protocols.TCP and len(payload) > 12 else 8
