"""The edns-tcp-keepalive option (RFC 7828): a client learns how long its idle connection stays open. No I/O.

Over UDP the option is ignored, whatever it holds (section 3.3.1).
"""

from __future__ import annotations

from typing import Final

OPTION_CODE: Final = 11
_UNITS_A_SECOND: Final = 10
_LONGEST: Final = 0xFFFF


def is_malformed(option: bytes) -> bool:
    """Tell whether a query's option, over TCP or TLS, has what only a response has: it gets FORMERR (section 3.2.1)."""
    return bool(option)


def timeout(seconds: float) -> bytes:
    """Return the data of a response's option: the idle timeout in units of 100 ms.

    0 seconds ask the client to close the connection at once (section 3.4).
    """
    units = min(_LONGEST, max(0, int(seconds * _UNITS_A_SECOND)))
    # A time too short to be said is not the one that means: close.
    return max(units, 1 if seconds > 0 else 0).to_bytes(2, "big")
