"""On what terms a query is answered: what its EDNS options ask for, by the way that it came. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nat64.dns64 import answer, cookies, keepalive, padding
from nat64.dns64.answer import Carrier
from nat64.dns64.cookies import Standing
from nat64.dns64.transport import Transport

if TYPE_CHECKING:
    from nat64.dns64.cookies import Cookies
    from nat64.dns64.wire import ClientQuery


@dataclass(frozen=True, slots=True)
class Terms:
    """How the response travels, and what is known of who gets it."""

    carrier: Carrier
    proven: bool = False
    """Whether the client's address is no lie."""
    knows_cookies: bool = False
    """Whether it would understand BADCOOKIE."""


PLAIN: Final = {
    Transport.UDP: Terms(answer.DATAGRAM),
    Transport.TCP: Terms(answer.STREAM, proven=True),
    Transport.TLS: Terms(answer.STREAM, proven=True),
}
"""The terms of a query without options."""


def terms_of(
    query: ClientQuery, transport: Transport, idle: float, known: tuple[Cookies, bytes, int] | None
) -> Terms | None:
    """Return the terms of a query with options; ``None`` for options that make it malformed.

    `idle` is how many seconds a connection without a query stays open; `known` are the cookies, the client's packed
    address and the time in seconds UTC, ``None`` where no cookies are given. Of options that stand there twice the
    first counts.
    """
    asked = dict(reversed(query.options))
    options = []
    proven = transport.is_stream
    cookie = asked.get(cookies.OPTION_CODE) if known is not None else None
    if cookie is not None and known is not None:
        made, address, seconds = known
        verdict = made.answer(cookie, address, seconds)
        if verdict.standing is Standing.MALFORMED:
            return None
        proven = proven or verdict.standing is Standing.VALID
        options.append((cookies.OPTION_CODE, verdict.reply))
    if transport.is_stream and keepalive.OPTION_CODE in asked:
        if keepalive.is_malformed(asked[keepalive.OPTION_CODE]):
            return None
        options.append((keepalive.OPTION_CODE, keepalive.timeout(idle)))
    pads = transport is Transport.TLS and padding.OPTION_CODE in asked
    carrier = Carrier(transport.is_stream, tuple(options), padding.RESPONSE_BLOCK if pads else 0)
    return Terms(carrier, proven, knows_cookies=cookie is not None)
