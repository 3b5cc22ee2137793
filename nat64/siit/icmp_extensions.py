"""Extension structures behind the original datagram of an ICMP error, RFC 4884.

They are passed on as they came (RFC 7915 sections 4.2 and 5.2: "opaque bit strings"): their own checksum does not
cover what translation changes, so whether version and checksum are right is for the receiver to see.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.siit import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER: Final = Struct("!HH")
"""A structure's header: `VERSION` in the first four bits, and the checksum. RFC 4884 section 7."""
VERSION: Final = 2
OBJECT: Final = Struct("!HBB")
"""An object's header: its length with this, its class, and its type within that class. RFC 4884 section 7."""

_ICMP_HEADER: Final = 8
_LEAST_DATAGRAM: Final = (
    128  # RFC 4884 section 4: what stands before an extension structure, padded if need be
)


class LengthField(NamedTuple):
    """Where a family's errors say how long the original datagram is: `types` that do, the octet, and its unit."""

    types: frozenset[int]
    octet: int
    unit: int
    """Octets that one stands for."""


ICMPV4: Final = LengthField(frozenset((3, 11, 12)), octet=5, unit=4)
"""Destination unreachable, time exceeded, parameter problem: RFC 4884 sections 4.1 to 4.3."""

ICMPV6: Final = LengthField(frozenset((1, 3)), octet=4, unit=8)
"""Destination unreachable, time exceeded: RFC 4884 sections 4.4 and 4.5."""


def split(message: memoryview, field: LengthField) -> tuple[memoryview, memoryview]:
    """Return the original datagram of a message of 8 octets or more, perhaps padded, and the extension structure.

    A length of zero means that there is none (RFC 4884 section 5.4), also when it comes from a router of before that
    RFC, whose extensions only a traceroute may look for (section 5.5). A length that leaves no room for a structure means
    that, too. Section 4 demands 128 octets; there are routers that tell less, and put the structure there or behind 128
    octets all the same, so with less it counts where it shows itself by its version and checksum.
    """
    data = message[_ICMP_HEADER:]
    length = message[field.octet] * field.unit if message[0] in field.types else 0
    at = length
    if 0 < length < _LEAST_DATAGRAM:
        at = next((at for at in (length, _LEAST_DATAGRAM) if _shows_itself(data[at:])), 0)
    if not 0 < at < len(data):
        return data, data[:0]
    return data[:at], data[at:]


def _shows_itself(extensions: memoryview) -> bool:
    """Whether these octets can hardly be anything but a structure: it has a checksum and objects."""
    return len(extensions) > HEADER.size and any(extensions[2:4]) and is_sound(extensions)


def room_beside_datagram(room: int) -> int:
    """Return how many octets a structure may have in `room`."""
    return room - _LEAST_DATAGRAM


def join(
    icmp_type: int, datagram: bytes, extensions: bytes | memoryview, field: LengthField, room: int
) -> tuple[int, bytes]:
    """Return what goes into the second word of an error of `icmp_type` as its length, and the data after that.

    The datagram is cut so that all fits into `room` octets. RFC 7915 would have extensions cut that are too long; but
    no receiver takes a part of a structure, so they stay whole or, where 128 octets of the datagram would not fit
    beside them, are left out. They are also left out where `icmp_type` has no length field.
    """
    if not extensions or icmp_type not in field.types:
        return 0, datagram[:room]
    for_datagram = (room - len(extensions)) // field.unit * field.unit
    if for_datagram < _LEAST_DATAGRAM:
        return 0, datagram[:room]
    length = max(_LEAST_DATAGRAM, min(for_datagram, -(-len(datagram) // field.unit) * field.unit))
    units = length // field.unit
    padded = datagram[:length].ljust(length, b"\0")
    return units << 8 * (7 - field.octet), b"".join((padded, extensions))


def is_sound(extensions: memoryview) -> bool:
    """Whether another object may follow: version and checksum are right, the objects end where the structure does.

    A checksum of zero was not computed (RFC 4884 section 7).
    """
    if len(extensions) < HEADER.size or extensions[0] >> 4 != VERSION:
        return False
    if any(extensions[2:4]) and checksum.checksum(extensions):
        return False
    *_, (end, _, _) = objects(extensions)
    return end == len(extensions)


def objects(extensions: memoryview) -> Iterator[tuple[int, int | None, int]]:
    """Yield where each object ends, its class, and its type; first where the header does, which has no class."""
    at = HEADER.size
    yield at, None, 0
    while at + OBJECT.size <= len(extensions):
        length, kind, subtype = OBJECT.unpack_from(extensions, at)
        if length < OBJECT.size:
            return
        at += length
        yield at, kind, subtype
