"""One client's query on its way to the answer. No I/O, no clock.

The owner calls `start`, sends what `asks_to_send` returns, reports replies and failures, calls `handle_timer`
when `timer` is due, and is finished when `answer` stands, which it does by the deadline at the latest.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from nat64.config.dns64_config import Synthesis
from nat64.dns64 import extended_error, ipv4only, reverse, synthesis
from nat64.dns64.chain import answers_at_end, chain_end
from nat64.dns64.exchange import Ask, Flags
from nat64.dns64.lookup import Lookup
from nat64.dns64.message import CLASS_IN, Message, Question, RCode, RRType
from nat64.dns64.response import add_errors, relay, reply_to

if TYPE_CHECKING:
    from dnslib import DNSLabel

    from nat64.dns64.views import Surroundings

DEADLINE_SECONDS: Final = 4.0
"""A client hears from us by then, before it gives up itself (5 seconds with dig and glibc)."""


@dataclass(slots=True)
class Resolution:
    """A query from a client that is answered with the forwarders' help."""

    query: Message
    around: Surroundings
    answer: Message | None = None
    """The response, once there is one."""
    outcome: str = ""
    """How the answer came about, as a counter's name: forwarded, synthesized, reverse, failed."""
    _main: Lookup | None = None
    _a: Lookup | None = None
    _alias_target: Question | None = None
    _sent: dict[Ask, Lookup] = field(default_factory=dict)

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
        self._main = self._look_up(question, now)
        if question.qtype == RRType.AAAA and self.around.prefixes and self._may_synthesize():
            self._a = self._look_up(Question(question.name, RRType.A), now)
        self._conclude()

    def asks_to_send(self) -> list[Ask]:
        """Return what is to be sent to forwarders, each once."""
        asks = []
        for lookup in self._lookups():
            for ask in lookup.asks_to_send():
                self._sent[ask] = lookup
                asks.append(ask)
        return asks

    def reply_received(self, ask: Ask, data: bytes, now: float) -> bool:
        """Take bytes that came from where `ask` went; return whether they are a reply to it."""
        fits = self._sent[ask].reply_received(ask, data, now)
        self._conclude()
        return fits

    def ask_failed(self, ask: Ask, now: float, *, by_us: bool = False, why: str | None = None) -> None:
        """Learn that an ask cannot be answered: refused, unreachable, closed; or we could not ask.

        `why` is for the log, ``what is wrong; remedy``.
        """
        self._sent[ask].ask_failed(ask, now, by_us=by_us, why=why)
        self._conclude()

    @property
    def timer(self) -> float:
        """When to call `handle_timer`."""
        return min((lookup.timer for lookup in self._lookups() if not lookup.done), default=0.0)

    def handle_timer(self, now: float) -> None:
        """Let time pass: ask other forwarders, or end at the deadline."""
        for lookup in self._lookups():
            lookup.handle_timer(now)
        self._conclude()

    def _lookups(self) -> list[Lookup]:
        return [lookup for lookup in (self._main, self._a) if lookup is not None]

    def _look_up(self, question: Question, now: float) -> Lookup:
        query = self.query
        flags = Flags(
            recursion_desired=query.recursion_desired,
            checking_disabled=query.checking_disabled,
            dnssec_ok=query.dnssec_ok,
        )
        lookup = Lookup(question, flags, self.around, deadline=now + DEADLINE_SECONDS)
        lookup.start(now)
        return lookup

    def _may_synthesize(self) -> bool:
        """Tell whether the client and the name allow it.

        A client that sets DO and CD validates by itself, and must not be given what no zone has signed (RFC 6147
        section 5.5 item 3).
        """
        query = self.query
        if query.question.qclass != CLASS_IN or (query.checking_disabled and query.dnssec_ok):
            return False
        return not self.around.is_never(query.question.name)

    def _choice(self, reply: Message) -> Synthesis | None:
        """Return what the config says of synthesis for the name asked, or else for where its chain ends."""
        domains = self.around.domains
        return domains.synthesis(self.query.question.name) or domains.synthesis(chain_end(reply))

    def _reverse_target(self) -> DNSLabel | None:
        if not self._may_synthesize():
            return None
        around = self.around
        return reverse.in_addr_arpa(self.query.question.name, around.prefixes, stf=around.view.stf)

    def _beyond_alias(self, question: Question) -> Message | None:
        """Return what follows a reverse name's CNAME when no forwarder need say it.

        That is nothing when the CNAME itself was asked for (RFC 1034 section 3.6.2).
        """
        local = replace(reply_to(self.query), question=question)
        if question.qtype in (RRType.CNAME, RRType.ANY):
            return local
        if not self.around.knows(question):
            return None
        ipv4only.answer(question, self.around.prefixes, local)
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
            self._conclude_aaaa(main, self._a)

    def _conclude_aaaa(self, main: Lookup, a: Lookup) -> None:
        view = self.around.view
        aaaa = main.reply
        if aaaa is not None:
            choice = self._choice(aaaa)
            if choice is Synthesis.NEVER:
                self._finish(aaaa, "forwarded")
                return
            excluded = synthesis.EVERY_ADDRESS if choice is Synthesis.ALWAYS else view.exclude
            aaaa = synthesis.without_excluded(aaaa, excluded)
        on_failure = view.synthesize_on_failure and not main.validation_failed
        if not synthesis.wants_synthesis(aaaa, synthesize_on_failure=on_failure):
            self._finish(aaaa, "forwarded")
        elif a.done:
            self._synthesize(aaaa, a.reply)

    def _synthesize(self, aaaa: Message | None, a: Message | None) -> None:
        """Answer from the reply to the A question, empty or failed as it may be (RFC 6147 section 5.1.6)."""
        if a is None or a.rcode != RCode.NOERROR or not answers_at_end(a, RRType.A):
            if a is not None:
                # What is authentic of A records is so of AAAA records only if that was said of them, too.
                a = replace(a, authentic_data=a.authentic_data and aaaa is not None and aaaa.authentic_data)
            self._finish(a, "forwarded")
            return
        if self._choice(a) is Synthesis.NEVER:
            self._finish(aaaa, "forwarded")
            return
        records = synthesis.synthesize(a, self.around.choice, synthesis.longest_ttl(aaaa))
        if not records:
            self._finish(synthesis.nothing_to_make(aaaa, a), "forwarded")
            return
        made = replace(a, answers=records, authoritative=False, authentic_data=False)
        self._finish(made, "synthesized")
        if self.answer is not None:
            of_aaaa = extended_error.of(aaaa.edns) if aaaa is not None else ()
            add_errors(self.answer, (*of_aaaa, extended_error.SYNTHESIZED))

    def _finish_reverse(self, reply: Message | None) -> None:
        target = self._alias_target
        if reply is None or target is None:
            self._finish(reply, "reverse")
            return
        led = [reverse.alias(self.query.question.name, target.name), *reply.answers]
        self._finish(replace(reply, answers=led, authoritative=False, authentic_data=False), "reverse")
        if self.answer is not None:
            add_errors(self.answer, (extended_error.SYNTHESIZED,))

    def _finish(self, reply: Message | None, outcome: str) -> None:
        if reply is None:
            self.answer = reply_to(self.query, RCode.SERVFAIL)
            self.outcome = "failed"
        else:
            self.answer = relay(self.query, reply)
            self.outcome = outcome
