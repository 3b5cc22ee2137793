"""Responses for those who ask: written by their terms, told to the query log, and made ready for the same bytes again.

No I/O, no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nat64.dns64 import answer as answers
from nat64.dns64 import ipv4only, wire
from nat64.dns64.extended_error import STALE_ANSWER, STALE_NXDOMAIN
from nat64.dns64.message import RCode, name_of
from nat64.dns64.query_log import LoggedQuery
from nat64.dns64.ready_answers import ID_SIZE, ReadyAnswer
from nat64.dns64.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.config.dns64_config import Dns64Config
    from nat64.dns64.answer import Answer
    from nat64.dns64.cache import Kept
    from nat64.dns64.clients import Client
    from nat64.dns64.flight import Waiter
    from nat64.dns64.statistics import Statistics
    from nat64.dns64.wire import ClientQuery


class Responder:
    """Writes responses, and counts those from the cache.

    `log_query` gets each query with what became of it, while the config wants that; `seconds_utc` tells the time.
    """

    def __init__(
        self,
        statistics: Statistics,
        seconds_utc: Callable[[], float],
        log_query: Callable[[LoggedQuery], None] | None,
    ) -> None:
        self.statistics = statistics
        self._seconds_utc = seconds_utc
        self._log_query = log_query
        self._logs = False
        self._prefetches = False

    def configure(self, config: Dns64Config) -> None:
        """Respond by `config` from here on."""
        self._logs = config.query_log is not None and self._log_query is not None
        self._prefetches = config.cache.prefetch

    def kept(self, waiter: Waiter, kept: Kept, now: float) -> bytes:
        """Return the response that a fresh answer makes, and have it ready for the same bytes."""
        self.statistics.counters["cached"] += 1
        response = self.response(waiter, kept.answer, now, kept)
        self.have_ready(waiter, response, kept, now, displaces=True)
        return response

    def have_ready(self, waiter: Waiter, response: bytes, kept: Kept, now: float, *, displaces: bool) -> None:
        """Have a response ready for the same bytes, if these say all that it depends on."""
        if waiter.transport is not Transport.UDP or waiter.query.options or wire.is_truncated(response):
            return
        second = int(now)
        until = int(kept.due if self._prefetches else kept.until)
        if until > second:
            # A response may have lost its additional records, and their TTLs with them.
            ttls = wire.ttls_at(response) if kept.answer.beyond[1] else kept.answer.ttls
            written = bytearray(response)
            _disown(written, kept.answer)
            ready = ReadyAnswer.made(written, ttls, second, until)
            waiter.client.ready.put(waiter.data[ID_SIZE:], ready, displaces=displaces)

    def stale(self, waiter: Waiter, stale: Kept, now: float) -> bytes:
        """Return the response that a stale answer makes (RFC 8767)."""
        self.statistics.answered("stale", now - waiter.since)
        return self.response(waiter, stale.answer, now, stale, stale=True)

    def response(
        self, waiter: Waiter, answer: Answer, now: float, kept: Kept | None = None, *, stale: bool = False
    ) -> bytes:
        """Write the response with an answer, perhaps one that was kept, and tell the query log of it."""
        error = None
        if stale:
            error = STALE_NXDOMAIN if answer.rcode == RCode.NXDOMAIN else STALE_ANSWER
        age = kept.age(now) if kept is not None else 0
        written = answers.response(answer, waiter.query, waiter.terms.carrier, age, error)
        if kept is not None:
            _disown(written, answer)
        response = bytes(written)
        if self._logs and self._log_query is not None:
            seconds = now - waiter.since
            self._log_query(
                LoggedQuery(
                    at=self._seconds_utc() - seconds,
                    client=str(waiter.client.address),
                    transport=waiter.transport.value,
                    outcome="stale" if stale else "cached" if kept is not None else answer.outcome,
                    view=waiter.client.around.view.name,
                    labels=name_of(waiter.query.name).label,
                    qtype=waiter.query.qtype,
                    rcode=answer.rcode,
                    seconds=seconds,
                    size=len(response),
                )
            )
        return response

    def note(
        self,
        client: Client,
        transport: Transport,
        outcome: str,
        response: bytes | None,
        query: ClientQuery | None = None,
    ) -> None:
        """Tell the query log of what got no answer; without `query` it had no question that could be read."""
        if self._logs and self._log_query is not None:
            self._log_query(
                LoggedQuery(
                    at=self._seconds_utc(),
                    client=str(client.address),
                    transport=transport.value,
                    outcome=outcome,
                    view=client.around.view.name,
                    labels=name_of(query.name).label if query is not None else None,
                    qtype=query.qtype if query is not None else 0,
                    rcode=response[3] & wire.RCODE if response is not None else None,
                    size=len(response) if response is not None else 0,
                )
            )


def _disown(response: bytearray, answer: Answer) -> None:
    """Clear AA: what is kept is no authority's word (RFC 1035 section 4.1.1), but for what is answered here."""
    if answer.outcome != ipv4only.OUTCOME:
        response[2] &= ~wire.AA >> 8 & 0xFF
