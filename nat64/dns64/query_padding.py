"""Padding of queries that go out encrypted (RFC 7830), so that their length tells little of the name. No I/O."""

from __future__ import annotations

import struct
from typing import Final

from nat64.dns64 import padding

_HEADER: Final = struct.Struct("!4xHHHH")
_HEADER_SIZE: Final = 12
_OPT: Final = b"\0\0\x29"
"""The root's name and the type of an OPT record (RFC 6891 section 6.1.2)."""
_OPT_SIZE: Final = 11
"""Octets of an OPT record before its options; the last two are their length."""


def padded(query: bytes) -> bytes:
    """Return a query with a padding option in its OPT record; as it is if it does not end with one."""
    at = _question_end(query)
    if at is None or query[at : at + len(_OPT)] != _OPT or len(query) < at + _OPT_SIZE:
        return query
    options = int.from_bytes(query[at + _OPT_SIZE - 2 : at + _OPT_SIZE], "big")
    if len(query) != at + _OPT_SIZE + options:
        return query
    return query[:at] + padding.padded(query[at:], at, padding.QUERY_BLOCK)


def _question_end(query: bytes) -> int | None:
    """Return where the one record behind the question begins; ``None`` when there is not just that."""
    if len(query) < _HEADER_SIZE or _HEADER.unpack_from(query) != (1, 0, 0, 1):
        return None
    at = _HEADER_SIZE
    while at < len(query) and query[at]:
        at += 1 + query[at]
    return at + 1 + 4
