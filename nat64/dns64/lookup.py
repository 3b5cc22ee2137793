"""One question led to the end of its CNAME chain, where forwarders leave that undone. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from nat64.dns64 import extended_error
from nat64.dns64.chain import unfinished_end
from nat64.dns64.exchange import Ask, Exchange, Flags
from nat64.dns64.message import Edns, Message, Question
from nat64.dns64.reply import Reply

if TYPE_CHECKING:
    from dnslib import DNSLabel

    from nat64.config.dns64_config import Forwarder
    from nat64.dns64.views import Surroundings

MOST_FURTHER_QUESTIONS: Final = 8
"""How many more questions a chain may cost."""


@dataclass(slots=True)
class Lookup:
    """Puts a question to the forwarders for its name, then asks for what its answer leads to.

    That is done when the client wants recursion. Used like an `Exchange`, of which it has one after the other.
    """

    question: Question
    flags: Flags
    around: Surroundings
    deadline: float
    first: Forwarder | None = None
    """Whom the question itself was put to already."""
    reply: Reply | None = None
    """The reply to the question with the whole chain, or the failure of the last part, or ``None``."""
    done: bool = False
    validation_failed: bool = False
    """As an `Exchange` has it, of the last part."""
    _exchange: Exchange = field(init=False)
    _parts: list[Message] = field(default_factory=list)
    """The replies so far, each of which leads to the next one."""

    def start(self, now: float) -> None:
        """Ask for the question's own name."""
        self._ask_for(self.question, now, self.first)
        self._go_on(now)

    def asks_to_send(self) -> list[Ask]:
        """Return what is to be sent, each once."""
        return self._exchange.asks_to_send()

    def reply_received(self, ask: Ask, data: bytes, now: float) -> bool:
        """Take bytes that came from where `ask` went; return whether they are a reply to it."""
        fits = self._exchange.reply_received(ask, data, now)
        self._go_on(now)
        return fits

    def ask_failed(self, ask: Ask, now: float, *, by_us: bool, why: str | None) -> None:
        """Learn that `ask` cannot be answered, or that we ourselves could not ask."""
        self._exchange.ask_failed(ask, now, by_us=by_us, why=why)
        self._go_on(now)

    @property
    def timer(self) -> float:
        """When to call `handle_timer`, if nothing comes before."""
        return self._exchange.timer

    def handle_timer(self, now: float) -> None:
        """Let time pass: ask other forwarders, or end at the deadline."""
        self._exchange.handle_timer(now)
        self._go_on(now)

    def _ask_for(self, question: Question, now: float, first: Forwarder | None = None) -> None:
        self._exchange = Exchange(
            question=question,
            flags=self.flags,
            forwarders=self.around.forwarders(question.name),
            deadline=self.deadline,
            random_id=self.around.random_id,
            randomize_case=self.around.randomize_case,
            first=first,
        )
        self._exchange.start(now)

    def _go_on(self, now: float) -> None:
        while self._exchange.done and not self.done:
            reply = self._exchange.reply
            further = self._further(reply) if reply is not None else None
            if reply is None or further is None:
                self.done = True
                self.reply = self._whole(reply) if reply is not None and self._parts else reply
                self.validation_failed = self._exchange.validation_failed
            else:
                self._parts.append(reply.message)
                self._ask_for(replace(self.question, name=further), now)

    def _further(self, reply: Reply) -> DNSLabel | None:
        """Return the name to ask for next, if there is one that was not asked for yet."""
        if (
            reply.plain is not None
            or not self.flags.recursion_desired
            or len(self._parts) >= MOST_FURTHER_QUESTIONS
        ):
            return None
        name = unfinished_end(reply.message)
        asked = [part.question.name for part in self._parts]
        return None if name in asked else name

    def _whole(self, last: Reply) -> Reply:
        """Put the parts together: the chain in the answer section, all else from the last part."""
        end = last.message
        parts = [*self._parts, end]
        errors = tuple(error for part in parts for error in extended_error.of(part.edns))
        whole: Message = replace(
            end,
            question=self.question,
            authoritative=all(part.authoritative for part in parts),
            authentic_data=all(part.authentic_data for part in parts),
            answers=[record for part in parts for record in part.answers],
            edns=Edns(0, options=errors) if errors else end.edns,
        )
        return Reply(b"", None, last.authentic, whole)
