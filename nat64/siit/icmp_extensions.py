"""Extension structures behind the original datagram of an ICMP error, RFC 4884.

They are passed on as they came (RFC 7915 sections 4.2 and 5.2: "opaque bit strings"): their own checksum does not
cover what translation changes, so whether version and checksum are right is for the receiver to see.
"""

from __future__ import annotations

from typing import Final, NamedTuple

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
    RFC, whose extensions only a traceroute may look for (section 5.5). A length that leaves no room for a structure,
    or less than the 128 octets that section 4 demands, cannot be one of that RFC either: then all is datagram.
    """
    data = message[_ICMP_HEADER:]
    length = message[field.octet] * field.unit if message[0] in field.types else 0
    if not _LEAST_DATAGRAM <= length < len(data):
        return data, data[:0]
    return data[:length], data[length:]


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
