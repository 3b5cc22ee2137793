"""The address of a router that has no counterpart, shown beside the error that it sent: RFC 5837, RFC 6791 section 3.2.

It goes into an Interface Information Object, which a traceroute can read, in the message's RFC 4884 extensions.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from nat64.siit import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER: Final = Struct("!HH")  # version 2 in the first four bits; checksum: RFC 4884 section 7
_OBJECT: Final = Struct("!HBB")  # length, class, and type within the class: RFC 4884 section 7
_SUB_OBJECT: Final = Struct("!HH")  # address family and reserved: RFC 5837 section 4.2
_VERSION: Final = 2
_INTERFACE_INFORMATION: Final = 2
_ROLE: Final = 0xC0
_ARRIVED_HERE: Final = 0x00  # the role of the interface that the packet in question came in by
_HAS_ADDRESS: Final = 0x04
_FAMILIES: Final = {4: 1, 16: 2}  # IANA Address Family Numbers


def with_address(extensions: memoryview, address: bytes, room: int) -> bytes | memoryview:
    """Return the extension structure with the address of the router's interface, of either family.

    It stays as it is when it cannot be read, when the router itself told about that interface (RFC 5837 section 4
    allows one object for each role), or when it would grow beyond `room` octets.
    """
    told = _OBJECT.pack(
        _OBJECT.size + _SUB_OBJECT.size + len(address), _INTERFACE_INFORMATION, _ARRIVED_HERE | _HAS_ADDRESS
    )
    told += _SUB_OBJECT.pack(_FAMILIES[len(address)], 0) + address
    objects = b""
    if extensions:
        if not _is_sound(extensions) or _tells_of_arrival(extensions):
            return extensions
        objects = bytes(extensions[_HEADER.size :])
    if _HEADER.size + len(objects) + len(told) > room:
        return extensions
    version = _VERSION << 12
    objects += told
    return _HEADER.pack(version, checksum.checksum(version.to_bytes(2, "big"), objects)) + objects


def _is_sound(extensions: memoryview) -> bool:
    """Whether another object may follow: version and checksum are right, the objects end where the structure does.

    A checksum of zero was not computed (RFC 4884 section 7).
    """
    if len(extensions) < _HEADER.size or extensions[0] >> 4 != _VERSION:
        return False
    if any(extensions[2:4]) and checksum.checksum(extensions):
        return False
    *_, (end, _, _) = _objects(extensions)
    return end == len(extensions)


def _tells_of_arrival(extensions: memoryview) -> bool:
    return any(
        kind == _INTERFACE_INFORMATION and subtype & _ROLE == _ARRIVED_HERE
        for _, kind, subtype in _objects(extensions)
    )


def _objects(extensions: memoryview) -> Iterator[tuple[int, int | None, int]]:
    """Yield where each object ends, its class, and its type; first where the header does, which has no class."""
    at = _HEADER.size
    yield at, None, 0
    while at + _OBJECT.size <= len(extensions):
        length, kind, subtype = _OBJECT.unpack_from(extensions, at)
        if length < _OBJECT.size:
            return
        at += length
        yield at, kind, subtype
