"""How many UDP responses a client network gets, so that nobody can have us flood a victim. No I/O, no clock.

A source address of UDP proves nothing. What is over the limit is dropped, and now and then sent truncated, so that a
real client comes by TCP. Not limited are loopback, what comes over TCP or TLS, and who shows a valid cookie
(RFC 7873): for all but loopback the caller says `proven`, or does not ask.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nat64.config.dns64_config import ClientLimits

MOST_NETWORKS: Final = 50_000
"""Networks that are remembered; beyond, the one that has not asked for the longest is forgotten."""
UNLIMITED: Final = 1 << 30
"""The allowance of a client that is not limited."""

_MAPPED: Final = bytes(10) + b"\xff\xff"
_IPV6_LOOPBACK: Final = bytes(15) + b"\x01"


class Verdict(Enum):
    """What becomes of a response."""

    SEND = "send"
    TRUNCATE = "truncate"
    """Send the question back with TC set (or BADCOOKIE, to a client that knows cookies), and no records."""
    DROP = "drop"


class _Bucket:
    """What a network may still be sent: tokens, as of a time, and how many responses were over the limit."""

    __slots__ = ("over", "since", "tokens")

    def __init__(self, tokens: float, since: float) -> None:
        self.tokens = tokens
        self.since = since
        self.over = 0


class RateLimit:
    """A token bucket for each client network, /56 or /24; a burst is what is allowed in one second."""

    def __init__(self, limits: ClientLimits) -> None:
        self._rate = limits.responses_a_second
        self._slip = limits.slip
        self._buckets: dict[bytes, _Bucket] = {}
        """By network; the one that asked last stands last."""

    def __len__(self) -> int:
        return len(self._buckets)

    def configure(self, limits: ClientLimits) -> None:
        """Judge by other limits from here on."""
        if limits.responses_a_second != self._rate:
            self._rate = limits.responses_a_second
            self._buckets.clear()
        self._slip = limits.slip

    def verdict(self, client: bytes, now: float, *, proven: bool = False) -> Verdict:
        """Say what becomes of one response, and count it.

        `client` is the packed address, `now` are seconds of any clock that only goes forward; `proven` is a client
        whose address is no lie.
        """
        if proven or not self._rate or _is_loopback(client):
            return Verdict.SEND
        bucket = self._filled(client, now)
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return Verdict.SEND
        bucket.over += 1
        if self._slip and bucket.over % self._slip == 0:
            return Verdict.TRUNCATE
        return Verdict.DROP

    def allowance(self, client: bytes, now: float, most: int = 32) -> int:
        """Return how many responses may be sent before asking again, and count them as sent.

        At most `most`, so that what is not used is little. 0: ask `verdict` about the next one.
        """
        if not self._rate or _is_loopback(client):
            return UNLIMITED
        bucket = self._filled(client, now)
        given = min(int(bucket.tokens), most)
        bucket.tokens -= given
        return given

    def _filled(self, client: bytes, now: float) -> _Bucket:
        """Return the bucket of a client's network, with what the time since has brought."""
        network = _network(client)
        buckets = self._buckets
        bucket = buckets.pop(network, None)
        if bucket is None:
            if len(buckets) >= MOST_NETWORKS:
                del buckets[next(iter(buckets))]
            bucket = _Bucket(float(self._rate), now)
        elif now > bucket.since:
            bucket.tokens = min(float(self._rate), bucket.tokens + (now - bucket.since) * self._rate)
            bucket.since = now
        buckets[network] = bucket
        return bucket


def _network(client: bytes) -> bytes:
    """Return the first bytes of an address, which one customer's hosts have in common: /24 or /56."""
    if len(client) == 4:
        return client[:3]
    if client.startswith(_MAPPED):
        return client[12:15]
    return client[:7]


def _is_loopback(client: bytes) -> bool:
    if len(client) == 4:
        return client[0] == 127
    return client == _IPV6_LOOPBACK or (client[12] == 127 and client.startswith(_MAPPED))
