"""The DNS64 service as a whole: judges what comes from clients, keeps answers, counts what becomes of it.

No I/O, no clock.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING, Final

from dnslib import DNSLabel

from nat64.config.dns64_config import ClientLimits
from nat64.dns64 import answer as answers
from nat64.dns64 import wire
from nat64.dns64.access import AllowQuery, client_address
from nat64.dns64.cache import Cache
from nat64.dns64.clients import MOST_REMEMBERED, Client
from nat64.dns64.cookie_query import answer_cookie_query
from nat64.dns64.cookies import BADCOOKIE, Cookies
from nat64.dns64.flight import Flight, Waiter
from nat64.dns64.flights import Flights
from nat64.dns64.forwarders import Health
from nat64.dns64.header_error import error_for
from nat64.dns64.message import MalformedMessage, RCode, RRType, parse, wire_name
from nat64.dns64.rate_limit import RateLimit, Verdict
from nat64.dns64.ready_answers import ReadyAnswers
from nat64.dns64.responder import Responder
from nat64.dns64.statistics import Statistics
from nat64.dns64.terms import PLAIN, Terms, terms_of
from nat64.dns64.transport import Transport
from nat64.dns64.views import Views, forwarders_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable

    from nat64.config.dns64_config import Dns64Config, Forwarder, IPNetwork
    from nat64.dns64.answer import Answer
    from nat64.dns64.flight import Flight
    from nat64.dns64.flights import Later
    from nat64.dns64.query_log import LoggedQuery
    from nat64.dns64.wire import ClientQuery

AT_ONCE: Final = "at_once"
"""The latencies of what was answered without a question to a forwarder, by this name."""

_MOST_GRANTED: Final = 32
"""Responses that a client is granted at once by the rate limit: what it does not use others of its network cannot."""
_REFUSED_TYPES: Final = frozenset((RRType.AXFR, RRType.IXFR, RRType.OPT))
_QUERIES: Final = {each: f"queries_{each.value}" for each in Transport}


def _none_ready(_query: bytes) -> None:
    return None


class Service:
    """Decides what each message from a client gets: bytes, silence, or what comes of a `Flight`."""

    def __init__(
        self,
        random_id: Callable[[], int],
        *,
        statistics: Statistics | None = None,
        seconds_utc: Callable[[], float] = lambda: 0.0,
        cookie_secret: bytes = bytes(16),
        log_query: Callable[[LoggedQuery], None] | None = None,
    ) -> None:
        """Take what differs from run to run: 16 random bits at each call, the time, 16 secret bytes for cookies.

        `log_query` gets each query with what became of it, while the config wants that.
        """
        self.statistics = statistics or Statistics()
        self.health = Health()
        """How the forwarders are."""
        self.leaving = False
        """Whether connections are about to be closed."""
        self.cache = Cache(0)
        self._random_id = random_id
        self._seconds_utc = seconds_utc
        self._cookie_secret = cookie_secret
        self._cookies: Cookies | None = None
        self._rate_limit = RateLimit(ClientLimits())
        self._responder = Responder(self.statistics, seconds_utc, log_query)
        self._flights = Flights(self.cache, self._responder)
        self._clients: dict[bytes, Client] = {}
        self.known_client = self._clients.get
        """Return the client of a packed address, if `client` was asked for it and nothing has changed since."""
        self._access = AllowQuery(())
        self._config: Dns64Config
        self._views: Views
        self._ready: list[ReadyAnswers]

    def configure(self, config: Dns64Config, *, workers: int = 1) -> None:
        """Serve by `config` from here on, as one of so many workers; who is answered `allow` says.

        Queries under way end by the config they began with; what is known of the forwarders is kept, and so are
        answers that the new config would give, too.
        """
        before = getattr(self, "_config", None)
        self._config = config
        self.health.retry = config.retry
        self.health.forget_all_but(self.forwarders)
        self.health.order = config.forwarder_order
        self._views = Views(config, self.health, self._random_id)
        self._rate_limit.configure(config.limits)
        self._responder.configure(config)
        self._cookies = self._make_cookies(before)
        if before is None or (before.default, before.views) != (config.default, config.views):
            self.cache.flush()
            self._flights.disown()
        half = config.cache.size // workers // 2
        self.cache.resize(half, config.cache.serve_stale)
        self._ready = [ReadyAnswers(half // len(self._views.all)) for _ in self._views.all]
        self._clients.clear()

    def _make_cookies(self, before: Dns64Config | None) -> Cookies | None:
        """Return what knows the cookies of the config in force, and still those of the config before it."""
        if not self._config.cookies:
            return None
        secret = self._config.cookie_secret or self._cookie_secret
        previous = (before.cookie_secret or self._cookie_secret) if before is not None else None
        return Cookies(secret, previous if previous != secret else None)

    def allow(self, networks: Iterable[IPNetwork]) -> None:
        """Answer the hosts in `networks`, and loopback, from here on."""
        self._access = AllowQuery(networks)
        self._clients.clear()

    @property
    def config(self) -> Dns64Config:
        """The config in force."""
        return self._config

    @property
    def counters(self) -> Counter[str]:
        """What was counted."""
        return self.statistics.counters

    @property
    def outstanding(self) -> int:
        """Questions under way."""
        return len(self._flights)

    @property
    def waiting(self) -> int:
        """Queries that wait for their answers."""
        return self._flights.waiting

    @property
    def forwarders(self) -> tuple[Forwarder, ...]:
        """The forwarders of all views, each once."""
        return forwarders_of(self._config)

    @property
    def allowed(self) -> tuple[IPNetwork, ...]:
        """The networks that are answered."""
        return self._access.networks

    def client(self, address: bytes) -> Client:
        """Return the client of a packed address."""
        known = self._clients.get(address)
        if known is None:
            if len(self._clients) >= MOST_REMEMBERED:
                self._clients.clear()
            host = ipaddress.ip_address(address)
            around = self._views.of(host)
            ready = self._ready[around.number]
            allowed = self._access.allows(host)
            logs = self._config.query_log is not None
            find = ready.find if allowed and not logs else _none_ready
            known = Client(host, allowed, around, ready, find, address)
            self._clients[address] = known
        return known

    def answered_at_once(self, ready: int, all_of_them: int, seconds: float) -> None:
        """Count queries of a batch that was answered in so many seconds; those that `ready` answers were for are new."""
        counters = self.statistics.counters
        counters[_QUERIES[Transport.UDP]] += ready
        counters["cached"] += ready
        if all_of_them:
            self.statistics.took(AT_ONCE, seconds, all_of_them)

    def flush(self, name: str | None = None) -> int:
        """Forget the answers that are kept for a name and all below it, or all; return how many went."""
        for table in self._ready:
            table.clear()
        return self.cache.flush(None if name is None else wire_name(DNSLabel(name)))

    def flights_to_begin(self) -> list[Flight]:
        """Return what is to be pursued from here on, each once."""
        return self._flights.to_begin()

    def message_received(
        self,
        data: bytes,
        host: str,
        *,
        transport: Transport,
        now: float,
        deliver: Callable[[bytes], None],
    ) -> bytes | Later | None:
        """Judge a message from `host`: the response at once, ``None`` for silence, or `LATER`.

        Then `deliver` is called once with the response, if what `flights_to_begin` returns is pursued.
        """
        client = self.client(client_address(host).packed)
        return self.received(data, client, transport=transport, now=now, deliver=deliver)

    def received(
        self,
        data: bytes,
        client: Client,
        *,
        transport: Transport,
        now: float,
        deliver: Callable[[bytes], None],
    ) -> bytes | Later | None:
        """Judge a message as `message_received` does."""
        self.counters[_QUERIES[transport]] += 1
        query = wire.read_query(data)
        if query is None:
            unusual = self._read_unusual(data, client, transport, now)
            if not isinstance(unusual, wire.ClientQuery):
                return unusual
            query = unusual
        terms: Terms | None = PLAIN[transport]
        if query.options:
            idle = 0 if self.leaving else self._config.limits.idle
            terms = terms_of(query, transport, idle, self._known_cookies(client))
        waiter = Waiter(data, query, client, transport, terms or PLAIN[transport], now, deliver)
        verdict = self._rated(client, waiter.terms, now)
        if verdict is not Verdict.SEND:
            return self._over_rate(waiter, verdict)
        refused = self._refusal(query, client, terms)
        if refused is not None:
            self.counters[refused.outcome] += 1
            return self._responder.response(waiter, refused, now)
        key = client.around.key + query.key
        kept = self.cache.get(key, now)
        if kept is not None and kept.is_fresh(now):
            if self._config.cache.prefetch and now >= max(kept.due, kept.recheck):
                self._flights.prefetch(key, waiter, kept, now)
            return self._responder.kept(waiter, kept, now)
        return self._flights.join(key, waiter, kept, now)

    def _known_cookies(self, client: Client) -> tuple[Cookies, bytes, int] | None:
        cookies = self._cookies
        return None if cookies is None else (cookies, client.packed, int(self._seconds_utc()))

    def _rated(self, client: Client, terms: Terms, now: float) -> Verdict:
        """Tell what the rate limit makes of one more response."""
        if terms.proven:
            return Verdict.SEND
        second = int(now)
        if client.second != second:
            client.second, client.left, client.granted = second, 0, 1
        if not client.left:
            client.left = self._rate_limit.allowance(client.packed, now, client.granted)
            client.granted = min(2 * client.granted, _MOST_GRANTED)
        if not client.left:
            return self._rate_limit.verdict(client.packed, now)
        client.left -= 1
        return Verdict.SEND

    def _over_rate(self, waiter: Waiter, verdict: Verdict) -> bytes | None:
        """Return what a client gets that is over its rate: who it may be can show by a cookie, or by TCP."""
        if verdict is Verdict.DROP:
            self.counters["rate_dropped"] += 1
            self._responder.note(waiter.client, waiter.transport, "rate_dropped", None, waiter.query)
            return None
        self.counters["rate_truncated"] += 1
        if waiter.terms.knows_cookies:
            return self._responder.response(
                waiter, answers.empty(waiter.query, BADCOOKIE, "rate_truncated"), waiter.since
            )
        response = self._responder.response(
            waiter, answers.empty(waiter.query, RCode.NOERROR, "rate_truncated"), waiter.since
        )
        return wire.truncated(response)

    def _read_unusual(
        self, data: bytes, client: Client, transport: Transport, now: float
    ) -> ClientQuery | bytes | None:
        """Read what is no plain query: one all the same, or the error that it gets, or ``None`` for silence."""
        error = error_for(data)
        outcome = "ignored"
        if error is not None and error[3] & wire.RCODE == RCode.NOTIMP:
            outcome = "not_implemented"  # what stands where a query has its question is not read
        elif error is not None:
            known = self._known_cookies(client) if client.allowed else None
            asked = answer_cookie_query(data, *known) if known is not None else None
            if asked is not None:
                error, outcome = asked, "cookie"
            else:
                try:
                    message = parse(data)
                except MalformedMessage:
                    outcome = "malformed"
                else:
                    (flags,) = struct.unpack_from("!H", data, 2)
                    return wire.of_message(message, flags, wire_name(message.question.name))
        self.counters[outcome if client.allowed else "refused"] += 1
        if error is not None and self._rated(client, PLAIN[transport], now) is not Verdict.SEND:
            self.counters["rate_dropped"] += 1
            error = None
        self._responder.note(client, transport, outcome, error)
        return error

    def _refusal(self, query: ClientQuery, client: Client, terms: Terms | None) -> Answer | None:
        """Return the answer to a query that is not looked into any further."""
        if not client.allowed or query.qtype in _REFUSED_TYPES:
            return answers.empty(query, RCode.REFUSED, "refused")
        if query.version:
            return answers.empty(query, RCode.BADVERS, "bad_edns_version")
        if terms is None:
            return answers.empty(query, RCode.FORMERR, "malformed")
        return None
