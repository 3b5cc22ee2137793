"""ICMPv4 errors about packets of hosts here, by grammar, and which of them the program claims to carry."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

_UNREACHABLE, _TIME_EXCEEDED = 3, 11
_FRAGMENTATION_NEEDED: Final = 4
_TYPES: Final = (_UNREACHABLE,) * 6 + (_TIME_EXCEEDED,) * 3 + (4, 5, 12)
_CODES: Final = (0, 1, 3, 3, _FRAGMENTATION_NEEDED, _FRAGMENTATION_NEEDED, _FRAGMENTATION_NEEDED, 9, 10, 13)
_MTUS: Final = (0, 68, 576, 1259, 1260, 1280, 1400, 1480, 1500, 9000, 65535)
_MOST: Final = 1280 - 40 - 20
"""Octets of a message that fits IPv6's minimum MTU when its inner header is longer."""


def message(random: Random, sent: bytes) -> bytes:
    """Return an error, as ICMP has it behind the IP header, about a packet that was `sent`; mostly a right one."""
    kind = random.choice(_TYPES)
    code = random.choice(_CODES) if kind == _UNREACHABLE else random.choice((0, 0, 1, 2))
    if random.random() < 0.1:
        code = random.randrange(17)
    length = random.choice((0, 0, 0, 0, 0, 0, 0, 0, 17, 32)) << 16
    rest = length | random.choice(_MTUS) if random.random() < 0.9 else random.getrandbits(32)
    inner = sent[: random.choice((28, 28, 28, 40, 48, 128, 548, 1212, 1213, len(sent)))]
    inner += random.randbytes(random.choice((0,) * 8 + (4, 40)))
    start = struct.pack("!BBHI", kind, code, 0, rest)
    words = start + inner + bytes(len(inner) % 2)
    checksum = -int.from_bytes(words, "big") % 0xFFFF
    if random.random() < 0.05:
        checksum ^= 1 << random.randrange(16)
    return start[:2] + checksum.to_bytes(2, "big") + start[4:] + inner


def is_error(packet: bytes) -> bool:
    """Whether a packet from IPv4 without options is an ICMP message, and no echo."""
    return packet[0] == 0x45 and packet[9] == 1 and packet[20:21] not in {b"\0", b"\x08"}


def is_claimed(packet: bytes, sent: bytes, own_ipv6: bytes) -> bool:
    """Whether the program claims to carry an error, of known hosts, for which Python sends the packet `sent`."""
    payload = packet[20:]
    if len(payload) > _MOST or any(payload[4:6]) or sent[8:24] == own_ipv6:
        return False
    kind, code, mtu = payload[0], payload[1], int.from_bytes(payload[6:8], "big")
    is_right = kind == _TIME_EXCEEDED or (kind == _UNREACHABLE and code != 2)
    is_told = (kind, code) != (_UNREACHABLE, _FRAGMENTATION_NEEDED) or mtu > 0
    return is_right and is_told and _is_inner_claimed(payload[8:])


def _is_inner_claimed(inner: bytes) -> bool:
    is_fragment = int.from_bytes(inner[6:8], "big") & 0x3FFF
    is_padded = int.from_bytes(inner[2:4], "big") < len(inner)
    return inner[0] == 0x45 and not is_fragment and not is_padded and inner[9] in {1, 6, 17}
