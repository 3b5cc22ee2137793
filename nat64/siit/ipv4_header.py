"""The IPv4 header, RFC 791: read and written."""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from nat64.siit import checksum, counters
from nat64.siit.verdicts import Discard

LENGTH: Final = 20
"""Octets of a header without options, the only kind that is written here."""

DONT_FRAGMENT: Final = 0x4000
MORE_FRAGMENTS: Final = 0x2000
OFFSET: Final = 0x1FFF

_HEADER: Final = Struct("!BBHHHBBH4s4s")
_WRITTEN: Final = Struct("!HHHHHH8s")

_END_OF_OPTIONS: Final = 0
_NO_OPERATION: Final = 1
_SOURCE_ROUTES: Final = frozenset((131, 137))  # loose and strict, RFC 791 section 3.1


class IPv4Header(NamedTuple):
    """A header's fields. `length` and `total_length` count octets, `offset` counts units of 8 octets."""

    length: int
    tos: int
    total_length: int
    identification: int
    dont_fragment: bool
    more_fragments: bool
    offset: int
    ttl: int
    protocol: int
    source: bytes
    destination: bytes

    @property
    def is_fragment(self) -> bool:
        """Whether the packet is a part of a larger one."""
        return self.more_fragments or self.offset > 0


def parse(packet: memoryview, *, whole: bool = True) -> IPv4Header:
    """Read the header of `packet`. Raises `Discard` for one that contradicts itself.

    With `whole` false the packet may be cut short after its header, as inside an ICMP error.
    """
    if len(packet) < LENGTH:
        raise Discard(counters.MALFORMED)
    first, tos, total_length, identification, flags, ttl, protocol, _, source, destination = (
        _HEADER.unpack_from(packet)
    )
    length = (first & 0x0F) * 4
    available = total_length if not whole else len(packet)
    if first >> 4 != 4 or length < LENGTH or not length <= total_length <= available or length > len(packet):
        raise Discard(counters.MALFORMED)
    header = IPv4Header(
        length,
        tos,
        total_length,
        identification,
        bool(flags & DONT_FRAGMENT),
        bool(flags & MORE_FRAGMENTS),
        flags & OFFSET,
        ttl,
        protocol,
        source,
        destination,
    )
    payload_length = total_length - length
    if header.is_fragment and (
        not payload_length
        or (header.more_fragments and payload_length % 8)
        or header.offset * 8 + payload_length > 0xFFFF
    ):
        raise Discard(counters.MALFORMED)
    return header


def build(  # noqa: PLR0913 - a header has as many fields
    *,
    tos: int,
    total_length: int,
    identification: int,
    flags: int,
    ttl: int,
    protocol: int,
    addresses: bytes,
) -> bytes:
    """Return a header of 20 octets. `flags` is the word of flags and offset; `addresses` are source, destination."""
    version_tos = 0x4500 | tos
    ttl_protocol = ttl << 8 | protocol
    words = version_tos + total_length + identification + flags + ttl_protocol + checksum.word_sum(addresses)
    return _WRITTEN.pack(
        version_tos,
        total_length,
        identification,
        flags,
        ttl_protocol,
        -words % checksum.MODULUS,
        addresses,
    )


def has_unexpired_source_route(options: memoryview) -> bool:
    """Whether the options hold a loose or strict source route with addresses left, RFC 791 section 3.1."""
    at = 0
    while at < len(options) and options[at] != _END_OF_OPTIONS:
        if options[at] == _NO_OPERATION:
            at += 1
            continue
        if at + 1 >= len(options) or options[at + 1] < 2:
            break  # a damaged option: what follows cannot be found
        length = options[at + 1]
        if options[at] in _SOURCE_ROUTES and at + 2 < len(options) and options[at + 2] <= length:
            return True
        at += length
    return False
