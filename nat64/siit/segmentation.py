"""What a device would do with an offload, done in software: checksums finished, large packets cut into segments.

For packets that cannot be translated whole, and for all where each part counts: fragments to be made, errors to be
sent. Source: the kernel's Documentation/networking/segmentation-offloads.rst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nat64.siit import checksum, counters, ipv4_header, ipv6_header, protocols
from nat64.siit.offload import GSO_TCP4, GSO_TCP6, GSO_UDP, transport_header_length
from nat64.siit.verdicts import Discard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nat64.siit.offload import Offload

_PROTOCOLS: Final = {GSO_TCP4: protocols.TCP, GSO_TCP6: protocols.TCP, GSO_UDP: protocols.UDP}
_FIN_PSH: Final = 0x09
_CWR: Final = 0x80
_LEAST: Final = {protocols.TCP: 20, protocols.UDP: 8}


def ready_packets(packet: memoryview, offload: Offload) -> Iterator[memoryview]:
    """Yield what `packet` stands for: packets that are ready for a link. Raises `Discard` when it is malformed.

    A lone checksum is finished in place: `packet` must be writable.
    """
    if offload.segment_size:
        return _segments(packet, offload)
    at = offload.checksum_start + offload.checksum_offset
    if at + 2 > len(packet):
        raise Discard(counters.MALFORMED)
    packet[at : at + 2] = _finished(packet[offload.checksum_start :])
    return iter((packet,))


def _finished(summed: bytes | memoryview) -> bytes:
    """Return the checksum of data whose checksum field holds the pseudo-header's sum; never zero, as UDP wants it."""
    return (checksum.checksum(summed) or 0xFFFF).to_bytes(2, "big")


def _segments(packet: memoryview, offload: Offload) -> Iterator[memoryview]:
    at = offload.checksum_start
    protocol = _PROTOCOLS.get(offload.gso_type)
    if protocol is None or at + _LEAST[protocol] > len(packet):
        raise Discard(counters.MALFORMED)
    transport = packet[at:]
    header_length = transport_header_length(protocol, transport)
    if header_length < _LEAST[protocol] or header_length > len(transport):
        raise Discard(counters.MALFORMED)
    head = bytes(packet[:at])
    pseudo_header = _pseudo_header_sum(packet, protocol)
    data = transport[header_length:]
    size = offload.segment_size
    for number in range(offload.segments(len(data))):
        part = data[number * size : (number + 1) * size]
        start = _transport(protocol, transport[:header_length], data, number * size, size)
        length = header_length + len(part)
        checksum_at = slice(offload.checksum_offset, offload.checksum_offset + 2)
        start[checksum_at] = ((pseudo_header + length) % checksum.MODULUS).to_bytes(2, "big")
        start[checksum_at] = _finished(bytes(start) + part)
        yield memoryview(b"".join((_network(head, number, length), start, part)))


def _transport(protocol: int, header: memoryview, data: memoryview, at: int, size: int) -> bytearray:
    """Return the transport header of the segment whose data begin `at`, without its checksum."""
    new = bytearray(header)
    if protocol == protocols.UDP:
        new[4:6] = (len(new) + min(size, len(data) - at)).to_bytes(2, "big")
        return new
    sequence = int.from_bytes(header[4:8], "big") + at & 0xFFFFFFFF
    new[4:8] = sequence.to_bytes(4, "big")
    if at:
        new[13] &= ~_CWR
    if at + size < len(data):
        new[13] &= ~_FIN_PSH
    return new


def _network(header: bytes, number: int, length: int) -> bytes:
    """Return the IP header of the segment with this number, before `length` octets."""
    if header[0] >> 4 == 6:
        payload_length = len(header) - ipv6_header.LENGTH + length
        return header[:4] + payload_length.to_bytes(2, "big") + header[6:]
    new = bytearray(header)
    new[2:4] = (len(header) + length).to_bytes(2, "big")
    new[4:6] = (int.from_bytes(header[4:6], "big") + number & 0xFFFF).to_bytes(2, "big")
    new[10:12] = bytes(2)
    new[10:12] = checksum.checksum(bytes(new)).to_bytes(2, "big")
    return bytes(new)


def _pseudo_header_sum(packet: memoryview, protocol: int) -> int:
    """Return the sum of the pseudo-header but for its length."""
    addresses = packet[8:40] if packet[0] >> 4 == 6 else packet[12 : ipv4_header.LENGTH]
    return checksum.word_sum(addresses) + protocol
