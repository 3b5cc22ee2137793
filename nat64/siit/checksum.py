"""The Internet checksum, RFC 1071, and its incremental update, RFC 1624.

One's complement sums of 16-bit words are congruent modulo 65535, so Python's long integers do the summing.
"""

from __future__ import annotations

MODULUS = 0xFFFF


def word_sum(data: bytes | memoryview) -> int:
    """Return the one's complement sum of `data` as a number from 0 to 65534; an odd end is padded with zero."""
    number = int.from_bytes(data, "big")
    if len(data) % 2:
        number <<= 8
    return number % MODULUS


def checksum(*parts: bytes | memoryview) -> int:
    """Return the checksum field's value for `parts`, of which only the last may have an odd length."""
    return -sum(map(word_sum, parts)) % MODULUS


def adjusted(checksum: int, delta: int) -> int:
    """Return the checksum after the summed words grew by `delta` (new minus old words), RFC 1624 equation 3.

    A sum that was wrong stays wrong by as much, so the receiver still sees the damage.
    """
    return (checksum - delta) % MODULUS
