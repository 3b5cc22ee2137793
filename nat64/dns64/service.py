"""The DNS64 service as a whole: judges what comes from clients, counts what becomes of it. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nat64.dns64 import ipv4only
from nat64.dns64.access import AllowQuery, client_address
from nat64.dns64.forwarders import Health
from nat64.dns64.message import MalformedMessage, Message, RCode, RRType, parse
from nat64.dns64.resolution import Resolution
from nat64.dns64.response import encode, error_for, reply_to
from nat64.dns64.views import Views, forwarders_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nat64.config.dns64_config import Dns64Config, Forwarder, IPNetwork
    from nat64.dns64.message import Question
    from nat64.dns64.views import Surroundings

MOST_OUTSTANDING: Final = 1000
"""Resolutions under way at most; a query beyond gets SERVFAIL at once."""
MOST_OF_A_QUESTION: Final = 50
"""How many of them may ask the same. Forwarders that lead back to us would have us ask ourselves for ever, and
each further question under way helps a forger (RFC 5452 section 5)."""


@dataclass(frozen=True, slots=True)
class Query:
    """A client's query that needs the forwarders."""

    message: Message
    tcp: bool
    resolution: Resolution


@dataclass(slots=True)
class Service:
    """Decides what each message from a client gets: bytes, silence or a `Query` to resolve."""

    random_id: Callable[[], int]
    counters: Counter[str] = field(default_factory=Counter)
    outstanding: int = 0
    health: Health = field(default_factory=Health)
    """How the forwarders are."""
    _outstanding_of: Counter[Question] = field(default_factory=Counter)
    _config: Dns64Config = field(init=False)
    _views: Views = field(init=False)
    _access: AllowQuery = field(default_factory=lambda: AllowQuery(()))

    def configure(self, config: Dns64Config) -> None:
        """Serve by `config` from here on; who is answered `allow` says.

        Queries under way end by the config they began with; what is known of the forwarders is kept.
        """
        self._config = config
        self.health.retry = config.retry
        self.health.forget_all_but(self.forwarders)
        self._views = Views(config, self.health, self.random_id)

    def allow(self, networks: Iterable[IPNetwork]) -> None:
        """Answer the hosts in `networks`, and loopback, from here on."""
        self._access = AllowQuery(networks)

    @property
    def config(self) -> Dns64Config:
        """The config in force."""
        return self._config

    @property
    def forwarders(self) -> tuple[Forwarder, ...]:
        """The forwarders of all views, each once."""
        return forwarders_of(self._config)

    @property
    def allowed(self) -> tuple[IPNetwork, ...]:
        """The networks that are answered."""
        return self._access.networks

    def message_received(self, data: bytes, host: str, *, tcp: bool, now: float) -> bytes | Query | None:
        """Judge a message from `host`: the response at once, ``None`` for silence, or a `Query` to resolve.

        A `Query` is begun; hand it back to `finish` when its resolution has an answer.
        """
        self.counters["queries_tcp" if tcp else "queries_udp"] += 1
        client = client_address(host)
        if not self._access.allows(client):
            return self._refuse(data)
        around = self._views.of(client)
        error = error_for(data)
        if error is None:
            self.counters["ignored"] += 1
            return None
        if error[3] & 0xF == RCode.NOTIMP:
            self.counters["not_implemented"] += 1
            return error
        try:
            query = parse(data)
        except MalformedMessage:
            self.counters["malformed"] += 1
            return error
        reply = self._local(query, around)
        if reply is not None:
            return encode(query, reply, tcp=tcp)
        resolution = Resolution(query, around)
        resolution.start(now)
        self.outstanding += 1
        self._outstanding_of[query.question] += 1
        return Query(query, tcp, resolution)

    def finish(self, query: Query) -> bytes:
        """Return the response to a query whose resolution has its answer."""
        question = query.message.question
        self.outstanding -= 1
        self._outstanding_of[question] -= 1
        if not self._outstanding_of[question]:
            del self._outstanding_of[question]
        resolution = query.resolution
        answer = resolution.answer
        if answer is None:
            answer = reply_to(query.message, RCode.SERVFAIL)
        self.counters[resolution.outcome or "failed"] += 1
        return encode(query.message, answer, tcp=query.tcp)

    def _refuse(self, data: bytes) -> bytes | None:
        self.counters["refused"] += 1
        error = error_for(data)
        if error is None or error[3] & 0xF == RCode.NOTIMP:
            return error  # what stands where a query has its question is not read
        try:
            query = parse(data)
        except MalformedMessage:
            return error
        return encode(query, reply_to(query, RCode.REFUSED), tcp=False)

    def _local(self, query: Message, around: Surroundings) -> Message | None:
        """Return the answer to a query that no forwarder is needed for."""
        question = query.question
        if query.edns is not None and query.edns.version != 0:
            self.counters["bad_edns_version"] += 1
            return reply_to(query, RCode.BADVERS)
        if question.qtype in (RRType.AXFR, RRType.IXFR, RRType.OPT):
            self.counters["refused"] += 1
            return reply_to(query, RCode.REFUSED)
        if around.knows(question):
            self.counters["ipv4only"] += 1
            reply = reply_to(query)
            ipv4only.answer(question, around.prefixes, reply)
            return reply
        if self.outstanding >= MOST_OUTSTANDING or self._outstanding_of[question] >= MOST_OF_A_QUESTION:
            self.counters["overload"] += 1
            return reply_to(query, RCode.SERVFAIL)
        return None
