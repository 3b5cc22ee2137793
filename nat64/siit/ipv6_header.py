"""The IPv6 header and its extension headers, RFC 8200: read and written."""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from nat64.siit import counters, protocols
from nat64.siit.verdicts import Discard

LENGTH: Final = 40
FRAGMENT_LENGTH: Final = 8
MINIMUM_MTU: Final = 1280
"""The MTU that every IPv6 link has (RFC 8200 section 5)."""

_HEADER: Final = Struct("!IHBB16s16s")
_WRITTEN: Final = Struct("!IHBB32s")
_FRAGMENT: Final = Struct("!BBHI")
_NEXT_HEADER: Final = 6
_SKIPPED: Final = frozenset((protocols.HOP_BY_HOP, protocols.ROUTING, protocols.DESTINATION_OPTIONS))


class Fragment(NamedTuple):
    """The fragment header's fields. `offset` counts units of 8 octets."""

    offset: int
    more_fragments: bool
    identification: int

    @property
    def is_part(self) -> bool:
        """Whether the packet is a part of a larger one; a fragment header may stand without that."""
        return self.more_fragments or self.offset > 0


class IPv6Header(NamedTuple):
    """A header's fields with those of its extension headers.

    `protocol_at` is where the number `protocol` stands, `payload_at` where the upper-layer header begins, and
    `payload_length` how many octets there should be from there. `segments_left_at` is where an unfinished routing header
    says so, if one does.
    """

    traffic_class: int
    hop_limit: int
    source: bytes
    destination: bytes
    protocol: int
    protocol_at: int
    payload_at: int
    payload_length: int
    fragment: Fragment | None
    segments_left_at: int | None


def parse(packet: memoryview, *, whole: bool = True) -> IPv6Header:
    """Read the headers of `packet`. Raises `Discard` for ones that contradict themselves.

    With `whole` false the packet may be cut short after its headers, as inside an ICMPv6 error.
    """
    if len(packet) < LENGTH:
        raise Discard(counters.MALFORMED)
    first, length, protocol, hop_limit, source, destination = _HEADER.unpack_from(packet)
    end = LENGTH + length
    if first >> 28 != 6 or (whole and end > len(packet)):
        raise Discard(counters.MALFORMED)
    at = LENGTH
    protocol_at = _NEXT_HEADER
    fragment: Fragment | None = None
    segments_left_at: int | None = None
    while protocol in _SKIPPED or protocol == protocols.FRAGMENT:
        if fragment is not None and (fragment.is_part or protocol == protocols.FRAGMENT):
            # Only a first fragment would show what follows, so a chain that goes on cannot be translated.
            raise Discard(counters.MALFORMED)
        if at + 8 > min(end, len(packet)):
            raise Discard(counters.MALFORMED)
        protocol_at = at
        if protocol == protocols.FRAGMENT:
            protocol, _, offset_flags, identification = _FRAGMENT.unpack_from(packet, at)
            fragment = Fragment(offset_flags >> 3, bool(offset_flags & 1), identification)
            at += FRAGMENT_LENGTH
            continue
        if protocol == protocols.ROUTING and packet[at + 3] and segments_left_at is None:
            segments_left_at = at + 3
        protocol = packet[at]
        at += 8 + packet[at + 1] * 8
    if at > min(end, len(packet)):
        raise Discard(counters.MALFORMED)
    payload_length = end - at
    if fragment is not None:
        _check_fragment(fragment, protocol, payload_length)
    return IPv6Header(
        first >> 20 & 0xFF,
        hop_limit,
        source,
        destination,
        protocol,
        protocol_at,
        at,
        payload_length,
        fragment,
        segments_left_at,
    )


def _check_fragment(fragment: Fragment, protocol: int, payload_length: int) -> None:
    """Raise `Discard` for a fragment that cannot be a part of any packet, or not of one that can be translated."""
    if protocol in protocols.NOT_BEHIND_FRAGMENT:
        raise Discard(counters.PROTOCOL)
    if (
        (fragment.is_part and not payload_length)
        or (fragment.more_fragments and payload_length % 8)
        or fragment.offset * 8 + payload_length > 0xFFFF
    ):
        raise Discard(counters.MALFORMED)


def build(traffic_class: int, payload_length: int, protocol: int, hop_limit: int, addresses: bytes) -> bytes:
    """Return a header of 40 octets with flow label zero. `addresses` are source and destination."""
    return _WRITTEN.pack(6 << 28 | traffic_class << 20, payload_length, protocol, hop_limit, addresses)


def build_fragment(protocol: int, offset: int, *, more_fragments: bool, identification: int) -> bytes:
    """Return a fragment header of 8 octets. `offset` counts units of 8 octets."""
    return _FRAGMENT.pack(protocol, 0, offset << 3 | more_fragments, identification)
