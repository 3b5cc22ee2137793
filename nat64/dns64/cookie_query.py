"""Queries without a question that only ask for a DNS cookie (RFC 7873 section 5.4). No I/O, no clock."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from nat64.dns64.cookies import BADCOOKIE, OPTION_CODE, Standing
from nat64.dns64.message import HEADER_SIZE, OPCODE_QUERY, UNFRAGMENTED_SIZE, RRType

if TYPE_CHECKING:
    from nat64.dns64.cookies import Cookies

_HEADER: Final = struct.Struct("!HHHHHH")
_OPT_HEAD: Final = struct.Struct(
    "!BHHIH"
)  # root, type, UDP size, extended RCODE and version and flags, RDLENGTH
_OPTION_HEAD: Final = struct.Struct("!HH")
_SERVER_COOKIE_AT: Final = 8


def answer_cookie_query(data: bytes, cookies: Cookies, client: bytes, now: int) -> bytes | None:
    """Return the response to a query without a question, with a cookie; ``None`` if it is no well-formed one.

    `client` is the packed address that the query came from, `now` the time in whole seconds UTC. NOERROR says that the
    server cookie was valid or there was none, BADCOOKIE that it was not.
    """
    option = _cookie_option(data)
    if option is None:
        return None
    verdict = cookies.answer(option, client, now)
    if verdict.standing is Standing.MALFORMED:
        return None
    is_bad = verdict.standing is Standing.UNKNOWN and len(option) > _SERVER_COOKIE_AT
    rcode = BADCOOKIE if is_bad else 0
    ident, flags = struct.unpack_from("!HH", data)
    reply = verdict.reply
    return (
        _HEADER.pack(ident, 0x8080 | flags & 0x0110 | rcode & 0xF, 0, 0, 0, 1)
        + _OPT_HEAD.pack(0, RRType.OPT, UNFRAGMENTED_SIZE, rcode >> 4 << 24, _OPTION_HEAD.size + len(reply))
        + _OPTION_HEAD.pack(OPTION_CODE, len(reply))
        + reply
    )


def _cookie_option(data: bytes) -> bytes | None:
    """Return the first COOKIE option of a query that has an OPT record of version 0 and nothing else."""
    if len(data) < HEADER_SIZE + _OPT_HEAD.size:
        return None
    _, flags, *counts = _HEADER.unpack_from(data)
    root, rtype, _, extended, size = _OPT_HEAD.unpack_from(data, HEADER_SIZE)
    if flags & 0x8000 or flags >> 11 & 0xF != OPCODE_QUERY or counts != [0, 0, 0, 1]:
        return None
    if (
        root
        or rtype != RRType.OPT
        or extended >> 16 & 0xFF
        or HEADER_SIZE + _OPT_HEAD.size + size != len(data)
    ):
        return None
    return _first(data[HEADER_SIZE + _OPT_HEAD.size :])


def _first(options: bytes) -> bytes | None:
    """Return the data of the first COOKIE option, ``None`` if there is none or an option is longer than the record."""
    found: bytes | None = None
    at = 0
    while at < len(options):
        if len(options) - at < _OPTION_HEAD.size:
            return None
        code, size = _OPTION_HEAD.unpack_from(options, at)
        at += _OPTION_HEAD.size + size
        if at > len(options):
            return None
        if code == OPTION_CODE and found is None:
            found = options[at - size : at]
    return found
