"""SipHash-2-4 (Aumasson and Bernstein, 2012), the keyed hash of DNS server cookies (RFC 9018 section 4.4). No I/O."""

from __future__ import annotations

import struct
from typing import Final

KEY_SIZE: Final = 16
_MASK: Final = (1 << 64) - 1
_FINAL: Final = 0xFF


def siphash24(key: bytes, data: bytes) -> bytes:
    """Return the 8 bytes of the hash, in the order that the reference code writes them.

    Raises `ValueError` for a key that is not 16 bytes.
    """
    if len(key) != KEY_SIZE:
        raise ValueError(f"a SipHash key has {KEY_SIZE} bytes, not {len(key)}")
    low, high = struct.unpack("<QQ", key)
    state = (
        low ^ 0x736F6D6570736575,
        high ^ 0x646F72616E646F6D,
        low ^ 0x6C7967656E657261,
        high ^ 0x7465646279746573,
    )
    # The last word has what is left of the data, and its length modulo 256 in the highest byte.
    padded = data + bytes(7 - len(data) % 8) + bytes((len(data) & 0xFF,))
    for word in struct.unpack(f"<{len(padded) // 8}Q", padded):
        v0, v1, v2, v3 = state
        v0, v1, v2, v3 = _rounds(2, v0, v1, v2, v3 ^ word)
        state = (v0 ^ word, v1, v2, v3)
    v0, v1, v2, v3 = state
    v0, v1, v2, v3 = _rounds(4, v0, v1, v2 ^ _FINAL, v3)
    return struct.pack("<Q", v0 ^ v1 ^ v2 ^ v3)


def _rounds(times: int, v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    """Mix the state with that many SipRounds."""
    for _ in range(times):
        v0 = (v0 + v1) & _MASK
        v1 = (v1 << 13 & _MASK | v1 >> 51) ^ v0
        v0 = v0 << 32 & _MASK | v0 >> 32
        v2 = (v2 + v3) & _MASK
        v3 = (v3 << 16 & _MASK | v3 >> 48) ^ v2
        v0 = (v0 + v3) & _MASK
        v3 = (v3 << 21 & _MASK | v3 >> 43) ^ v0
        v2 = (v2 + v1) & _MASK
        v1 = (v1 << 17 & _MASK | v1 >> 47) ^ v2
        v2 = v2 << 32 & _MASK | v2 >> 32
    return v0, v1, v2, v3
