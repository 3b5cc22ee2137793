"""One client's query on its way to the answer. No I/O, no clock.

The owner calls `start`, sends what `asks_to_send` returns, reports replies and failures, calls `handle_timer`
when `timer` is due, and is finished when `answer` stands, which it does by the deadline at the latest.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from nat64.dns64 import ipv4only, reverse, synthesis
from nat64.dns64.exchange import Ask, Exchange, Flags
from nat64.dns64.message import CLASS_IN, Message, Question, RCode, RRType
from nat64.dns64.response import relay, reply_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from dnslib import DNSLabel

    from nat64.addressing.prefix import Pref64
    from nat64.config.dns64_config import View
    from nat64.dns64.forwarders import Forwarders

DEADLINE_SECONDS: Final = 4.0
"""A client hears from us by then, before it gives up itself (5 seconds with dig and glibc)."""


@dataclass(slots=True)
class Surroundings:
    """What all resolutions for the clients of one view share."""

    view: View
    forwarders: Forwarders
    rotation: synthesis.PrefixRotation
    random_id: Callable[[], int]
    """Returns an ID from 0 to 65535 that nobody can foresee."""

    @property
    def prefixes(self) -> tuple[Pref64, ...]:
        """All prefixes that addresses may be in."""
        return tuple(each.prefix for each in self.view.prefixes)


@dataclass(slots=True)
class Resolution:
    """A query from a client that is answered with the forwarders' help."""

    query: Message
    around: Surroundings
    answer: Message | None = None
    """The response, once there is one."""
    outcome: str = ""
    """How the answer came about, as a counter's name: forwarded, synthesized, reverse, failed."""
    _main: Exchange | None = None
    _a: Exchange | None = None
    _alias_target: Question | None = None
    _sent: dict[Ask, Exchange] = field(default_factory=dict)

    def start(self, now: float) -> None:
        """Begin: an AAAA question is asked together with the A question of the same name."""
        question = self.query.question
        target = self._reverse_target()
        if target is not None:
            self._alias_target = question = Question(target, question.qtype, question.qclass)
            local = self._beyond_alias(question)
            if local is not None:
                self._finish_reverse(local)
                return
        self._main = self._exchange(question, now)
        if question.qtype == RRType.AAAA and self._may_synthesize():
            self._a = self._exchange(Question(question.name, RRType.A), now)
        self._conclude()

    def asks_to_send(self) -> list[Ask]:
        """Return what is to be sent to forwarders, each once."""
        asks = []
        for exchange in self._exchanges():
            for ask in exchange.asks_to_send():
                self._sent[ask] = exchange
                asks.append(ask)
        return asks

    def reply_received(self, ask: Ask, data: bytes, now: float) -> bool:
        """Take bytes that came from where `ask` went; return whether they are a reply to it."""
        fits = self._sent[ask].reply_received(ask, data, now)
        self._conclude()
        return fits

    def ask_failed(self, ask: Ask, now: float, *, by_us: bool = False) -> None:
        """Learn that an ask cannot be answered: refused, unreachable, closed; or we could not ask."""
        self._sent[ask].ask_failed(ask, now, by_us=by_us)
        self._conclude()

    @property
    def timer(self) -> float:
        """When to call `handle_timer`."""
        return min((exchange.timer for exchange in self._exchanges() if not exchange.done), default=0.0)

    def handle_timer(self, now: float) -> None:
        """Let time pass: ask other forwarders, or end at the deadline."""
        for exchange in self._exchanges():
            exchange.handle_timer(now)
        self._conclude()

    def _exchanges(self) -> list[Exchange]:
        return [exchange for exchange in (self._main, self._a) if exchange is not None]

    def _exchange(self, question: Question, now: float) -> Exchange:
        query = self.query
        exchange = Exchange(
            question=question,
            flags=Flags(
                recursion_desired=query.recursion_desired,
                checking_disabled=query.checking_disabled,
                dnssec_ok=query.edns is not None and query.edns.dnssec_ok,
            ),
            forwarders=self.around.forwarders,
            deadline=now + DEADLINE_SECONDS,
            random_id=self.around.random_id,
        )
        exchange.start(now)
        return exchange

    def _may_synthesize(self) -> bool:
        """Tell whether the client wants synthesis: not one that validates by itself (RFC 6147 section 3)."""
        query = self.query
        validates = query.checking_disabled and query.edns is not None and query.edns.dnssec_ok
        in_class = query.question.qclass == CLASS_IN
        return bool(self.around.prefixes) and in_class and not validates

    def _reverse_target(self) -> DNSLabel | None:
        if not self._may_synthesize():
            return None
        return reverse.in_addr_arpa(self.query.question.name, self.around.prefixes)

    def _beyond_alias(self, question: Question) -> Message | None:
        """Return what follows a reverse name's CNAME when no forwarder need say it.

        That is nothing when the CNAME itself was asked for (RFC 1034 section 3.6.2).
        """
        local = replace(self.query, question=question, is_response=True)
        if question.qtype in (RRType.CNAME, RRType.ANY):
            return local
        prefixes = self.around.prefixes
        if not ipv4only.is_local(question, prefixes):
            return None
        ipv4only.answer(question, prefixes, local)
        return local

    def _conclude(self) -> None:
        """Set the answer if what is known suffices for it."""
        main = self._main
        if self.answer is not None or main is None or not main.done:
            return
        if self._alias_target is not None:
            self._finish_reverse(main.reply)
        elif self._a is None:
            self._finish(main.reply, "forwarded")
        else:
            self._conclude_aaaa(main.reply, self._a)

    def _conclude_aaaa(self, aaaa: Message | None, a: Exchange) -> None:
        view = self.around.view
        if aaaa is not None:
            aaaa = synthesis.without_excluded(aaaa, view.exclude)
        if not synthesis.wants_synthesis(aaaa, synthesize_on_failure=view.synthesize_on_failure):
            self._finish(aaaa, "forwarded")
        elif a.done:
            self._synthesize(aaaa, a.reply)

    def _synthesize(self, aaaa: Message | None, a: Message | None) -> None:
        """Answer from the reply to the A question, empty or failed as it may be (RFC 6147 section 5.1.6)."""
        if a is None or a.rcode != RCode.NOERROR or not synthesis.answers_at_end(a, RRType.A):
            self._finish(a, "forwarded")
            return
        records = synthesis.synthesize(a, self.around.rotation.next(), synthesis.longest_ttl(aaaa))
        if not records:
            # Only addresses that no prefix may carry: there is no AAAA record, and the AAAA reply says so.
            empty = aaaa if aaaa is not None and aaaa.rcode == RCode.NOERROR else replace(a, answers=[])
            self._finish(empty, "forwarded")
            return
        self._finish(replace(a, answers=records), "synthesized")
        if self.answer is not None:
            self.answer.authoritative = False

    def _finish_reverse(self, reply: Message | None) -> None:
        self._finish(reply, "reverse")
        target = self._alias_target
        if reply is not None and self.answer is not None and target is not None:
            self.answer.authoritative = False
            self.answer.answers = [
                reverse.alias(self.query.question.name, target.name),
                *self.answer.answers,
            ]

    def _finish(self, reply: Message | None, outcome: str) -> None:
        if reply is None:
            self.answer = reply_to(self.query, RCode.SERVFAIL)
            self.outcome = "failed"
        else:
            self.answer = relay(self.query, reply)
            self.outcome = outcome
