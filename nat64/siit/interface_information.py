"""The address of a router that has no counterpart, shown beside the error that it sent: RFC 5837, RFC 6791 section 3.2.

It goes into an Interface Information Object, which a traceroute can read, in the message's RFC 4884 extensions.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from nat64.siit import checksum, icmp_extensions

_SUB_OBJECT: Final = Struct("!HH")  # address family and reserved: RFC 5837 section 4.2
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
    told = icmp_extensions.OBJECT.pack(
        icmp_extensions.OBJECT.size + _SUB_OBJECT.size + len(address),
        _INTERFACE_INFORMATION,
        _ARRIVED_HERE | _HAS_ADDRESS,
    )
    told += _SUB_OBJECT.pack(_FAMILIES[len(address)], 0) + address
    objects = b""
    if extensions:
        if not icmp_extensions.is_sound(extensions) or _tells_of_arrival(extensions):
            return extensions
        objects = bytes(extensions[icmp_extensions.HEADER.size :])
    if icmp_extensions.HEADER.size + len(objects) + len(told) > room:
        return extensions
    version = icmp_extensions.VERSION << 12
    objects += told
    return (
        icmp_extensions.HEADER.pack(version, checksum.checksum(version.to_bytes(2, "big"), objects)) + objects
    )


def _tells_of_arrival(extensions: memoryview) -> bool:
    return any(
        kind == _INTERFACE_INFORMATION and subtype & _ROLE == _ARRIVED_HERE
        for _, kind, subtype in icmp_extensions.objects(extensions)
    )
