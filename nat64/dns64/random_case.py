"""A name asked in random case, which a forger would have to guess too ("0x20", draft-vixie-dnsext-dns0x20). No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def in_random_case(name: bytes, random_bits: Callable[[], int]) -> bytes:
    """Return a name in wire form with each of its letters in the case that a bit says; `random_bits` gives 16."""
    bits = 1
    letters = bytearray(name)
    for at, letter in enumerate(letters):
        if not (0x41 <= letter <= 0x5A or 0x61 <= letter <= 0x7A):  # the lengths of labels are below
            continue
        if bits == 1:
            bits = random_bits() | 1 << 16
        letters[at] = letter & 0xDF | (bits & 1) << 5
        bits >>= 1
    return bytes(letters)
