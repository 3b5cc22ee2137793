"""Responses to what is no usable query. No I/O."""

from __future__ import annotations

import struct

from nat64.dns64.message import HEADER_SIZE, OPCODE_QUERY, RCode


def error_for(data: bytes) -> bytes | None:
    """Return the header-only answer to bytes that are no usable query, or ``None`` for silence.

    Silence is for what is too short to have an ID and for responses, so that two servers never argue. An
    unknown opcode gets NOTIMP, the rest FORMERR.
    """
    if len(data) < HEADER_SIZE:
        return None
    ident, flags = struct.unpack_from("!HH", data)
    if flags & 0x8000:
        return None
    opcode = flags >> 11 & 0xF
    rcode = RCode.FORMERR if opcode == OPCODE_QUERY else RCode.NOTIMP
    return struct.pack("!HHHHHH", ident, 0x8000 | flags & 0x7900 | rcode, 0, 0, 0, 0)
