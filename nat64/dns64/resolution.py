"""What clients ask on its way to the answer. No I/O, no clock.

The owner calls `start`, sends what `asks_to_send` returns, reports replies and failures, calls `handle_timer`
when `timer` is due, and is finished when `answer` stands, which it does by the deadline at the latest.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from nat64.config.dns64_config import Synthesis
from nat64.dns64 import answer as answers
from nat64.dns64 import extended_error, ipv4only, reverse, synthesis
from nat64.dns64.chain import answers_at_end, chain_end
from nat64.dns64.exchange import Ask, Flags
from nat64.dns64.lifetime import FAILURE
from nat64.dns64.lookup import Lookup
from nat64.dns64.message import CLASS_IN, Edns, Message, Question, RCode, RRType

if TYPE_CHECKING:
    from dnslib import DNSLabel

    from nat64.config.dns64_config import Forwarder
    from nat64.dns64.answer import Answer, Option
    from nat64.dns64.reply import Reply
    from nat64.dns64.views import Surroundings
    from nat64.dns64.wire import ClientQuery

DEADLINE_SECONDS: Final = 4.0
"""A client hears from us by then, before it gives up itself (5 seconds with dig and glibc)."""


@dataclass(slots=True)
class Resolution:
    """A question from clients that is answered with the forwarders' help."""

    query: ClientQuery
    """What the first of them asked."""
    question: Question
    """The same question."""
    around: Surroundings
    first: Forwarder | None = None
    """Whom it was put to already."""
    answer: Answer | None = None
    """The answer, once there is one. Its outcome is forwarded, synthesized, reverse or failed."""
    _main: Lookup | None = None
    _a: Lookup | None = None
    _alias_target: Question | None = None
    _sent: dict[Ask, Lookup] = field(default_factory=dict)

    def start(self, now: float) -> None:
        """Begin: an AAAA question is asked together with the A question of the same name."""
        question = self.question
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
        flags = Flags(
            recursion_desired=self.query.recursion_desired,
            checking_disabled=self.query.checking_disabled,
            dnssec_ok=self.query.dnssec_ok,
        )
        lookup = Lookup(question, flags, self.around, deadline=now + DEADLINE_SECONDS, first=self.first)
        lookup.start(now)
        return lookup

    def _may_synthesize(self) -> bool:
        """Tell whether the client and the name allow it.

        A client that sets DO and CD validates by itself, and must not be given what no zone has signed (RFC 6147
        section 5.5 item 3).
        """
        query = self.query
        if self.question.qclass != CLASS_IN or (query.checking_disabled and query.dnssec_ok):
            return False
        return not self.around.is_never(self.question.name)

    def _choice(self, reply: Message) -> Synthesis | None:
        """Return what the config says of synthesis for the name asked, or else for where its chain ends."""
        domains = self.around.domains
        return domains.synthesis(self.question.name) or domains.synthesis(chain_end(reply))

    def _reverse_target(self) -> DNSLabel | None:
        if not self._may_synthesize():
            return None
        around = self.around
        return reverse.in_addr_arpa(self.question.name, around.prefixes, stf=around.view.stf)

    def _beyond_alias(self, question: Question) -> Message | None:
        """Return what follows a reverse name's CNAME when no forwarder need say it.

        That is nothing when the CNAME itself was asked for (RFC 1034 section 3.6.2).
        """
        local = Message(0, question, is_response=True, recursion_available=True)
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
            self._finish_reverse(main.reply.message if main.reply is not None else None)
        elif self._a is None:
            self._finish(main.reply, "forwarded")
        else:
            self._conclude_aaaa(main, self._a)

    def _conclude_aaaa(self, main: Lookup, a: Lookup) -> None:
        view = self.around.view
        aaaa = main.reply.message if main.reply is not None else None
        if aaaa is not None:
            choice = self._choice(aaaa)
            if choice is Synthesis.NEVER:
                self._finish(main.reply, "forwarded")
                return
            excluded = synthesis.EVERY_ADDRESS if choice is Synthesis.ALWAYS else view.exclude
            aaaa = synthesis.without_excluded(aaaa, excluded)
        on_failure = view.synthesize_on_failure and not main.validation_failed
        if not synthesis.wants_synthesis(aaaa, synthesize_on_failure=on_failure):
            self._finish_message(aaaa, "forwarded")
        elif a.done:
            self._synthesize(aaaa, a.reply.message if a.reply is not None else None)

    def _synthesize(self, aaaa: Message | None, a: Message | None) -> None:
        """Answer from the reply to the A question, empty or failed as it may be (RFC 6147 section 5.1.6)."""
        if a is None or a.rcode != RCode.NOERROR or not answers_at_end(a, RRType.A):
            if a is not None:
                # What is authentic of A records is so of AAAA records only if that was said of them, too.
                a = replace(a, authentic_data=a.authentic_data and aaaa is not None and aaaa.authentic_data)
            self._finish_message(a, "forwarded")
            return
        if self._choice(a) is Synthesis.NEVER:
            self._finish_message(aaaa, "forwarded")
            return
        records = synthesis.synthesize(a, self.around.choice, synthesis.longest_ttl(aaaa))
        if not records:
            self._finish_message(synthesis.nothing_to_make(aaaa, a), "forwarded")
            return
        made = replace(a, answers=records, authoritative=False, authentic_data=False)
        of_aaaa = extended_error.of(aaaa.edns) if aaaa is not None else ()
        self._finish_message(made, "synthesized", (*of_aaaa, extended_error.SYNTHESIZED))

    def _finish_reverse(self, reply: Message | None) -> None:
        target = self._alias_target
        if reply is None or target is None:
            self._finish_message(reply, "reverse")
            return
        led = [reverse.alias(self.question.name, target.name), *reply.answers]
        made = replace(reply, answers=led, authoritative=False, authentic_data=False)
        self._finish_message(made, "reverse", (extended_error.SYNTHESIZED,))

    def _finish(self, reply: Reply | None, outcome: str) -> None:
        """Answer with a forwarder's reply as it is."""
        if reply is not None and reply.plain is not None:
            self.answer = answers.of_plain(reply, reply.plain, outcome)
        else:
            self._finish_message(reply.message if reply is not None else None, outcome)

    def _finish_message(self, reply: Message | None, outcome: str, errors: tuple[Option, ...] = ()) -> None:
        """Answer with what a reply was made into, and `errors` beside its own."""
        if reply is None:
            # That nobody answers is kept like any other failure (RFC 9520 section 2.3).
            self.answer = replace(answers.empty(self.query, RCode.SERVFAIL, "failed"), lifetime=FAILURE)
            return
        said = tuple(dict.fromkeys((*extended_error.of(reply.edns), *errors)))
        made = replace(
            reply,
            question=self.question,
            is_response=True,
            recursion_available=True,
            edns=Edns(0, options=said),
        )
        self.answer = answers.of_message(made, outcome)
