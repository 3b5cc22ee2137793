"""What a worker and its daemon tell each other, one message a datagram, first an octet that says of which kind.

A worker sends `PACKET`, as it was read from the device, and each second `USED`. The daemon sends `PAIR` and
`SETTINGS`.
"""

from __future__ import annotations

import pickle
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.siit import counters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nat64.siit.settings import Settings

PACKET: Final = b"P"
USED: Final = b"U"
PAIR: Final = b"K"
SETTINGS: Final = b"S"

LARGEST: Final = 1 + 10 + 65536
"""Octets of the longest message: a packet with its header."""

COUNTED: Final = (
    counters.TO_IPV4,
    counters.TO_IPV4_TCP,
    counters.TO_IPV4_UDP,
    counters.TO_IPV6,
    counters.TO_IPV6_TCP,
    counters.TO_IPV6_UDP,
)
"""What a worker counts of the translator's counters, and tells in this order."""

_COUNTS: Final = Struct(f"!{len(COUNTED)}Q2Q")
_PAIR: Final = Struct("!BB")
_ADDRESSES_IN_ONE: Final = 4096


class Used(NamedTuple):
    """What a worker did since it last said so: `COUNTED`, and the leased addresses that it used (4 octets each)."""

    counts: tuple[int, ...]
    write_failed: int
    not_passed_on: int
    addresses: list[bytes]


def write_used(used: Used) -> Iterator[bytes]:
    """Yield the messages that hold it; each of but so many addresses."""
    counts = (*used.counts, used.write_failed, used.not_passed_on)
    for at in range(0, max(1, len(used.addresses)), _ADDRESSES_IN_ONE):
        yield USED + _COUNTS.pack(*counts) + b"".join(used.addresses[at : at + _ADDRESSES_IN_ONE])
        counts = (0,) * len(counts)


def read_used(message: bytes | memoryview) -> Used:
    """Read it from what follows the first octet."""
    *counts, write_failed, not_passed_on = _COUNTS.unpack_from(message)
    addresses = bytes(message[_COUNTS.size :])
    each = [addresses[at : at + 4] for at in range(0, len(addresses), 4)]
    return Used(tuple(counts), write_failed, not_passed_on, each)


def write_pair(addresses: bytes, translated: bytes, leased: bytes) -> bytes:
    """Return the message for a pair; `leased` is the pool's address in it, or empty."""
    return PAIR + _PAIR.pack(len(addresses), len(leased)) + addresses + leased + translated


def read_pair(message: bytes | memoryview) -> tuple[bytes, bytes, bytes]:
    """Return addresses, translated addresses and the leased one from what follows the first octet."""
    length, leased = _PAIR.unpack_from(message)
    data = bytes(message[_PAIR.size :])
    return data[:length], data[length + leased :], data[length : length + leased]


def write_settings(settings: Settings) -> bytes:
    """Return the message that makes a worker begin anew."""
    return SETTINGS + pickle.dumps(settings)


def read_settings(message: bytes | memoryview) -> Settings:
    """Read it from what follows the first octet."""
    settings: Settings = pickle.loads(message)  # noqa: S301 - from the process that this one is a fork of
    return settings
