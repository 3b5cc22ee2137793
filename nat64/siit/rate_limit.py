"""A token bucket, for the rate limit that RFC 4443 section 2.4 (f) asks of senders of ICMPv6 errors."""

from __future__ import annotations

import math


class TokenBucket:
    """Allows `rate` events a second on average, and `burst` at once; all if `burst` is infinite, none if it is zero."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled: float | None = None

    def take(self, now: float) -> bool:
        """Take a token at `now` (seconds). False when there is none."""
        if self._burst == math.inf:
            return True
        if self._filled is not None:
            self._tokens = min(self._burst, self._tokens + max(0.0, now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
