"""Inputs made from seeds by a random generator: the part of fuzzing that needs no coverage, and is the same each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

_TELLING: Final = (0, 1, 2, 4, 8, 17, 44, 58, 60, 127, 128, 254, 255)
_MOST_CHANGES: Final = 6


def mutated(seeds: Sequence[bytes], random: Random) -> bytes:
    """Return one of `seeds` with a few changes: bits, octets, parts removed, repeated, or taken from another."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.randint(1, _MOST_CHANGES)):
        at = random.randrange(len(data) + 1)
        some = random.randint(1, 40)
        change = random.randrange(6)
        if change == 0 and at < len(data):
            data[at] ^= 1 << random.randrange(8)
        elif change == 1 and at < len(data):
            data[at] = random.choice(_TELLING)
        elif change == 2:
            del data[at : at + some]
        elif change == 3:
            data[at:at] = data[at : at + some]
        elif change == 4:
            data[at:at] = random.randbytes(some)
        else:
            other = random.choice(seeds)
            data[at : at + some] = other[at : at + some]
    return bytes(data)
