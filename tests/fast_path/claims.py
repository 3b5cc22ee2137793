"""What the program claims to carry: plain packets, by what stands in them and by what Python makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tests.fast_path import icmp_errors

if TYPE_CHECKING:
    from tests.fast_path.packets import Case

CHECKSUM_AT: Final = {6: 16, 17: 6, 1: 2, 58: 2}
"""Where the checksum stands behind the IP headers."""
_MOST_SUMMED: Final = 2048
_ECHOES: Final = {(4, 1): (b"\x00", b"\x08"), (6, 58): (b"\x80", b"\x81")}


class Headers(NamedTuple):
    """What the headers of a packet say that has no options and no extension headers but for fragments.

    `at` is where the transport begins, `end` where the packet does by its own account. `position` is that of a fragment:
    the offset in units of 8 octets, and whether there are more; None without a fragment header, or what means that in IPv4.
    """

    version: int
    protocol: int
    at: int
    end: int
    position: tuple[int, bool] | None = None

    @property
    def is_later_fragment(self) -> bool:
        """Whether the transport header is in another packet."""
        return self.position is not None and self.position[0] > 0


def read(packet: bytes) -> Headers:
    """Read them. The packet has 40 octets, or 20 of IPv4."""
    if packet[0] >> 4 == 4:
        word = int.from_bytes(packet[6:8], "big")
        position = (word & 0x1FFF, bool(word & 0x2000)) if word & 0x3FFF else None
        return Headers(4, packet[9], (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big"), position)
    end = 40 + int.from_bytes(packet[4:6], "big")
    if packet[6] != 44 or len(packet) < 48:
        return Headers(6, packet[6], 40, end)
    word = int.from_bytes(packet[42:44], "big")
    return Headers(6, packet[40], 48, end, (word >> 3, bool(word & 1)))


def checksum(packet: bytes) -> bytes | None:
    """Return the checksum field of TCP, UDP or ICMP, None where it is not in this packet."""
    headers = read(packet)
    at = CHECKSUM_AT.get(headers.protocol)
    if at is None or headers.is_later_fragment:
        return None
    return packet[headers.at + at : headers.at + at + 2]


def at_zero(packet: bytes, translated: bytes) -> bytes:
    """Return the packet with such a checksum that the translated one's is one of the two zeros of one's complement."""
    before, after = (int.from_bytes(checksum(one) or b"", "big") for one in (packet, translated))
    headers = read(packet)
    if headers.is_later_fragment:
        return packet
    at = headers.at + CHECKSUM_AT[headers.protocol]
    return packet[:at] + ((before - after) % 0xFFFF or 0xFFFF).to_bytes(2, "big") + packet[at + 2 :]


def is_claimed(case: Case, sent: bytes, mtu: int, own_ipv6: bytes) -> bool:
    """Whether the program claims to carry a packet, of a known host, for which Python sends this one."""
    packet = case.packet
    headers = read(packet)
    if headers.end != len(packet) or (headers.version == 4 and headers.at != 20) or len(sent) > mtu:
        return False
    if headers.position is not None and not _is_fragment_claimed(case, headers, sent):
        return False
    if icmp_errors.is_error(packet):
        return icmp_errors.is_claimed(packet, sent, own_ipv6)
    return headers.is_later_fragment or _is_transport_claimed(case, headers, sent)


def _is_fragment_claimed(case: Case, headers: Headers, sent: bytes) -> bool:
    is_turned_back = sent[0] >> 4 == headers.version
    if is_turned_back and headers.position == (0, False):
        return False  # it loses its fragment header
    return headers.protocol in {6, 17} and not case.segment_size


def _is_transport_claimed(case: Case, headers: Headers, sent: bytes) -> bool:
    payload = case.packet[headers.at :]
    match headers.protocol:
        case 6:
            return len(payload) >= 20
        case 17:
            return _is_udp_claimed(case, headers, payload, sent)
        case protocol:
            return payload[:1] in _ECHOES.get((headers.version, protocol), ())


def _is_udp_claimed(case: Case, headers: Headers, payload: bytes, sent: bytes) -> bool:
    if payload[6:8] != b"\0\0":
        return True
    becomes = checksum(sent)
    if case.segment_size or becomes == b"\xff\xff":
        return False
    is_whole = int.from_bytes(payload[4:6], "big") == len(payload) < _MOST_SUMMED
    return becomes == b"\0\0" or (is_whole and headers.position is None)
