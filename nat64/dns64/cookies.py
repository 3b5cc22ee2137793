"""DNS cookies of a server (RFC 7873, RFC 9018): who sends one of ours back is where it says it is. No I/O, no clock.

The service looks for the first COOKIE option of a query (RFC 7873 section 5.2), asks `Cookies.answer` about it, and
by the verdict

- `MALFORMED`: answers FORMERR;
- `UNKNOWN`: answers as if there were no option (the third choice of RFC 7873 section 5.2.3), with `reply` as the COOKIE
  option of the response. Only to a client that is over its rate limit, and would get a truncated response, it sends
  BADCOOKIE instead, with `reply` just the same: a client that can read that comes back with a cookie, and over UDP;
- `VALID`: answers with `reply`, whatever the client's rate is.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from enum import Enum
from typing import Final

from nat64.dns64.siphash import KEY_SIZE, siphash24

OPTION_CODE: Final = 10
BADCOOKIE: Final = 23
"""The response code (RFC 7873 section 8), which needs an OPT record."""

_CLIENT_COOKIE: Final = 8
_HEAD: Final = struct.Struct("!B3xI")  # version, reserved, seconds UTC; the hash follows
_OUR_SIZE: Final = 24
_OPTION_SIZES: Final = frozenset({8, *range(16, 41)})
_VERSION: Final = 1
_LONGEST_AGE: Final = 3600
_FARTHEST_AHEAD: Final = 300
_RENEWAL_AGE: Final = 1800
_MOST_KNOWN: Final = 4096


class Standing(Enum):
    """What a COOKIE option says of the client."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    """It shows no cookie of ours that is valid here and now: it may be anybody."""
    VALID = "valid"
    """Responses do arrive at its address."""


@dataclass(frozen=True, slots=True)
class CookieVerdict:
    """What becomes of a COOKIE option."""

    standing: Standing
    reply: bytes = b""
    """The data of the response's COOKIE option; empty: none."""


class Cookies:
    """Makes and knows the cookies of one secret, and still knows those of the previous one."""

    def __init__(self, secret: bytes, previous: bytes | None = None) -> None:
        """Take secrets of 16 bytes. Raises `ValueError` for another size."""
        if len(secret) != KEY_SIZE or (previous is not None and len(previous) != KEY_SIZE):
            raise ValueError(f"a cookie secret has {KEY_SIZE} bytes")
        self._secret = secret
        self._previous = previous
        self._known: dict[bytes, None] = {}
        """Cookies of `secret` that were found right, with their client's address: a client shows one for half an hour."""

    def answer(self, option: bytes, client: bytes, now: int) -> CookieVerdict:
        """Judge the data of a query's COOKIE option.

        `client` is the packed address that the query came from, `now` the time in whole seconds UTC.
        """
        if len(option) not in _OPTION_SIZES:
            return CookieVerdict(Standing.MALFORMED)
        by = self._maker(option, client, now)
        if by is self._secret and not self._is_due(option, now):
            return CookieVerdict(Standing.VALID, option)
        made = option[:_CLIENT_COOKIE] + _HEAD.pack(_VERSION, now & 0xFFFFFFFF)
        made += siphash24(self._secret, made + client)
        return CookieVerdict(Standing.UNKNOWN if by is None else Standing.VALID, made)

    def _maker(self, option: bytes, client: bytes, now: int) -> bytes | None:
        """Return the secret by which the server cookie is valid (RFC 9018 section 4.3), ``None`` if there is none."""
        if len(option) != _OUR_SIZE or option[_CLIENT_COOKIE] != _VERSION:
            return None
        if not -_FARTHEST_AHEAD <= _age(option, now) <= _LONGEST_AGE:
            return None
        shown = option + client
        if shown in self._known:
            return self._secret
        for secret in (self._secret, self._previous):
            # What is hashed stands before the hash, the reserved bytes as they came (RFC 9018 section 4.4).
            if secret is not None and hmac.compare_digest(
                siphash24(secret, option[:16] + client), option[16:]
            ):
                if secret is self._secret:
                    self._remember(shown)
                return secret
        return None

    def _remember(self, shown: bytes) -> None:
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[shown] = None

    def _is_due(self, option: bytes, now: int) -> bool:
        """Tell whether a valid cookie is to be renewed: after half an hour, and when its reserved bytes are not ours."""
        return option[9:12] != bytes(3) or _age(option, now) > _RENEWAL_AGE


def _age(option: bytes, now: int) -> int:
    """Return how many seconds ago a cookie was made, by serial number arithmetic (RFC 1982): 2038 and 2106 are no end."""
    age = now - int.from_bytes(option[12:16], "big") & 0xFFFFFFFF
    return age - (age >> 31 << 32)
