"""EDNS padding (RFC 7830) by the policy of RFC 8467: sizes of encrypted messages tell little. No I/O."""

from __future__ import annotations

import struct
from typing import Final

from nat64.dns64.message import MAX_SIZE

OPTION_CODE: Final = 12
RESPONSE_BLOCK: Final = 468
"""Bytes; responses are padded to a multiple of it (RFC 8467 section 4.1)."""
QUERY_BLOCK: Final = 128

_OPTION_HEAD: Final = 4
_LENGTH_AT: Final = 9
"""Where in an OPT record the length of its options stands; they follow (RFC 6891 section 6.1.2)."""


def padding_length(size: int, block: int = RESPONSE_BLOCK, limit: int = MAX_SIZE) -> int | None:
    """Return how many zero bytes of data the padding option gets, ``None`` if there is no room for the option.

    `size` are the bytes of the message without the option, `limit` those that it may have at most: one that would be
    longer is padded up to there. A response is padded if the query had the option, and only over an encrypted
    transport (RFC 7830 sections 4 and 6, RFC 8467 section 4.1).
    """
    bare = size + _OPTION_HEAD
    if bare > limit:
        return None
    return min(-(-bare // block) * block, limit) - bare


def padded(opt: bytes, before: int, block: int) -> bytes:
    """Return an OPT record with a padding option, so that with the `before` bytes of its message it fills whole blocks."""
    zeros = padding_length(before + len(opt), block)
    if zeros is None:
        return opt
    options = opt[_LENGTH_AT + 2 :]
    length = len(options) + _OPTION_HEAD + zeros
    return b"".join(
        (
            opt[:_LENGTH_AT],
            struct.pack("!H", length),
            options,
            struct.pack("!HH", OPTION_CODE, zeros),
            bytes(zeros),
        )
    )
