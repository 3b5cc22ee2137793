"""Extended DNS Errors (RFC 8914): EDNS options that say more than the response code. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nat64.dns64.message import Edns

OPTION_CODE: Final = 15
SYNTHESIZED: Final = (OPTION_CODE, (29).to_bytes(2, "big"))
"""The option that says: this answer was made here (IANA's registry, code 29)."""
STALE_ANSWER: Final = (OPTION_CODE, (3).to_bytes(2, "big"))
"""The option that says: this answer has expired, and no newer one could be had (section 4.4)."""
STALE_NXDOMAIN: Final = (OPTION_CODE, (19).to_bytes(2, "big"))
"""The same of an NXDOMAIN (section 4.20)."""

MOST: Final = 16
"""Errors in one response. Those of several replies may be more bytes than an OPT record holds."""
_LONGEST: Final = 1024

# The codes that say a validator found the answer bogus (RFC 8914 sections 4.7 to 4.13).
_BOGUS: Final = range(6, 13)


def of(edns: Edns | None) -> tuple[tuple[int, bytes], ...]:
    """Return the Extended DNS Errors of a message; its other options are between two neighbours only.

    One without a code is left out, and so is a text that is not UTF-8 (RFC 8914 section 2): a client that cannot read
    it would throw the whole message away. A text that is no line for a person to read any more is left out, too.
    """
    if edns is None:
        return ()
    return tuple(
        (code, data if _is_text(data[2:]) else data[:2])
        for code, data in edns.options
        if code == OPTION_CODE and len(data) >= 2
    )


def is_bogus(edns: Edns | None) -> bool:
    """Tell whether an Extended DNS Error says that DNSSEC validation failed."""
    return any(int.from_bytes(data[:2], "big") in _BOGUS for _, data in of(edns))


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return len(data) <= _LONGEST
