"""What a device does with packets that leave work to it: virtio 1.2 section 5.1.6, apart from the code under test.

Nothing here imports `nat64`.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from tests.fuzz import wire

_HEADER = struct.Struct("=BBHHHH")
_TCP4, _TCP6, _UDP = 1, 4, 5
_LEAST = {wire.TCP: 20, wire.UDP: 8}


class Header(NamedTuple):
    """The header before a packet."""

    flags: int
    gso_type: int
    header_length: int
    segment_size: int
    checksum_start: int
    checksum_offset: int

    def packed(self) -> bytes:
        """Return its octets."""
        return _HEADER.pack(*self)


def unfinished_header(packet: bytes, segment_size: int) -> Header | None:
    """Return what a device leaves to do for a packet that is ready; None for one that it would not leave anything for."""
    try:
        one = wire.read(packet)
    except wire.Malformed:
        return None
    if one.is_fragment or one.protocol not in _LEAST or not wire.checksum_is_right(one):
        return None
    start = len(packet) - len(one.payload)
    header_length = _transport_header(one.payload, one.protocol)
    said = struct.unpack_from("!H", packet, 2 if one.version == 4 else 4)[0] + (0 if one.version == 4 else 40)
    if said != len(packet) or not _LEAST[one.protocol] <= header_length <= len(one.payload):
        return None
    if one.protocol == wire.UDP and struct.unpack_from("!H", one.payload, 4)[0] != len(one.payload):
        return None
    kind = _UDP if one.protocol == wire.UDP else (_TCP4 if one.version == 4 else _TCP6)
    return Header(1, kind, 0, segment_size, start, wire.CHECKSUM_AT[one.protocol])


def unfinished(packet: bytes) -> bytearray:
    """Return the packet with the sum of its pseudo-header where its checksum will be."""
    one = wire.read(packet)
    data = bytearray(packet)
    at = len(packet) - len(one.payload) + wire.CHECKSUM_AT[one.protocol]
    data[at : at + 2] = wire.ones_complement(wire.pseudo_header(one, len(one.payload))).to_bytes(2, "big")
    return data


def finished(packet: bytes, before: bytes) -> list[bytes]:
    """Do what is left to do, and return the packets on the link."""
    header = Header(*_HEADER.unpack(before))
    if not header.flags:
        return [packet]
    one = wire.read(packet)
    start = len(packet) - len(one.payload)
    assert header.checksum_start == start, "the checksum is looked for in a wrong place"
    assert header.checksum_offset == wire.CHECKSUM_AT[one.protocol]
    at = header.checksum_offset
    expected = wire.ones_complement(wire.pseudo_header(one, len(one.payload)))
    assert int.from_bytes(one.payload[at : at + 2], "big") % 0xFFFF == expected % 0xFFFF, (
        "the pseudo-header's sum"
    )
    if not header.gso_type:
        return [packet[:start] + wire.with_right_checksum(one)]
    assert header.gso_type == (_UDP if one.protocol == wire.UDP else (_TCP4 if one.version == 4 else _TCP6))
    length = _transport_header(one.payload, one.protocol)
    transport, data = one.payload[:length], one.payload[length:]
    return [
        _segment(packet[:start], one, transport, data[at : at + header.segment_size])
        for at in range(0, max(1, len(data)), header.segment_size)
    ]


def data(packets: list[bytes]) -> bytes:
    """Return the data behind the transport headers of whole packets, or of the fragments of each."""
    found = b""
    for packet in packets:
        one = wire.read(packet)
        found += one.payload if one.offset else one.payload[_transport_header(one.payload, one.protocol) :]
    return found


def _transport_header(payload: bytes, protocol: int) -> int:
    if protocol == wire.UDP or len(payload) < _LEAST[wire.TCP]:
        return _LEAST[wire.UDP]
    return (payload[12] >> 4) * 4


def _segment(network: bytes, whole: wire.Wire, transport: bytes, part: bytes) -> bytes:
    """Return one segment; the sequence numbers, which no promise here is about, stay as they are."""
    if whole.protocol == wire.UDP:
        transport = transport[:4] + struct.pack("!H", len(transport) + len(part)) + transport[6:]
    payload = wire.with_right_checksum(whole._replace(payload=transport + part))
    if whole.version == 6:
        return network[:4] + struct.pack("!H", len(network) - 40 + len(payload)) + network[6:] + payload
    head = (
        network[:2] + struct.pack("!H", len(network) + len(payload)) + network[4:10] + bytes(2) + network[12:]
    )
    return head[:10] + struct.pack("!H", 0xFFFF - wire.ones_complement(head)) + head[12:] + payload
