"""A question on the short way to its answer, and on the whole way where the short one does not lead. No I/O, no clock.

Most questions are for A or AAAA records, are asked of a healthy forwarder over UDP, and get plain replies. They are asked
and answered here, without an object for each record and each step. Whatever else comes up is a `Resolution`'s to judge,
which takes over what was asked and what was replied so far, as if it had been its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nat64.dns64 import answer as answers
from nat64.dns64 import synthesis, wire
from nat64.dns64.exchange import SHORTEST_ASK_SECONDS, Ask
from nat64.dns64.message import CLASS_IN, HEADER_SIZE, Question, RRType, name_of
from nat64.dns64.random_case import in_random_case
from nat64.dns64.reply import Reply
from nat64.dns64.resolution import DEADLINE_SECONDS, Resolution

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from nat64.config.dns64_config import Forwarder
    from nat64.dns64.answer import Answer
    from nat64.dns64.views import Surroundings
    from nat64.dns64.wire import ClientQuery, PlainReply

    _Taken: TypeAlias = tuple[bytes, PlainReply, float]
    """A reply, as it came and as it was read, and when."""

_QR: Final = wire.QR >> 8
_QR_OPCODE: Final = (wire.QR | wire.OPCODE) >> 8
_ONE_QUESTION: Final = b"\0\1"
_RD_CD: Final = wire.RD | wire.CD
_TYPE_A: Final = int(RRType.A)
_TYPE_AAAA: Final = int(RRType.AAAA)
_KINDS: Final = {qtype: struct.pack("!HH", qtype, CLASS_IN) for qtype in (_TYPE_A, _TYPE_AAAA)}
"""QTYPE and QCLASS of the questions that go the short way."""
_KIND_SIZE: Final = 4
_ARPA: Final = b"\x04arpa\0"


@dataclass(slots=True)
class PlainFirst:
    """Leads a question to its answer; used as a `Resolution` is."""

    query: ClientQuery
    around: Surroundings
    answer: Answer | None = None
    """The answer, once there is one."""
    timer: float = 0.0
    """When to call `handle_timer`."""
    _started: float = 0.0
    _forwarder: Forwarder | None = None
    _main: Ask | None = None
    """The question itself."""
    _a: Ask | None = None
    """The one for A records that an AAAA question may need."""
    _main_reply: _Taken | None = None
    _a_reply: _Taken | None = None
    _unsent: tuple[Ask, ...] = ()
    _whole: Resolution | None = None
    _stands_for: dict[Ask, Ask] | None = None
    """Asks of ours, and which of the `Resolution`'s they are."""

    def start(self, now: float) -> None:
        """Begin. The answer may be there at once."""
        self._started = now
        query, around = self.query, self.around
        qtype = query.qtype
        forwarder = None
        if (
            qtype in _KINDS
            and query.qclass == CLASS_IN
            and query.flags & _RD_CD == wire.RD
            and not (query.dnssec_ok or around.has_domains or is_below_arpa(query.name))
        ):
            forwarder = self._forwarder = around.plain_forwarder(now)
        if forwarder is None:
            self._go_whole(now)
            return
        self._main = self._ask(forwarder, qtype, now)
        if qtype == _TYPE_AAAA and around.prefixes:
            self._a = self._ask(forwarder, _TYPE_A, now)
            self._unsent = (self._main, self._a)
        else:
            self._unsent = (self._main,)
        patience = min(around.patience(forwarder), DEADLINE_SECONDS / len(around.view.forwarders))
        self.timer = now + max(SHORTEST_ASK_SECONDS, patience)

    def asks_to_send(self) -> Sequence[Ask]:
        """Return what is to be sent to forwarders, each once."""
        asks, self._unsent = self._unsent, ()
        return (*asks, *self._whole.asks_to_send()) if self._whole is not None else asks

    def reply_received(self, ask: Ask, data: bytes, now: float) -> bool:
        """Take bytes that came from where `ask` went; return whether they are a reply to it."""
        if self._whole is None:
            plain = _plain_reply(ask, data)
            if plain is not None:
                self.around.answered(ask.forwarder, now, now - ask.sent)
                if ask is self._main:
                    self._main_reply = data, plain, now
                else:
                    self._a_reply = data, plain, now
                self._conclude(now)
                return True
            if data[:2] != ask.data[:2]:
                return False  # forged, for all that can be seen; not worth the whole way
        whole = self._go_whole(now)
        known = self._known(ask)
        fits = known is not None and whole.reply_received(known, data, now)
        self._follow(whole)
        return fits

    def ask_failed(self, ask: Ask, now: float, *, by_us: bool = False, why: str | None = None) -> None:
        """Learn that an ask cannot be answered: refused, unreachable, closed; or we could not ask."""
        whole = self._go_whole(now)
        known = self._known(ask)
        if known is not None:
            whole.ask_failed(known, now, by_us=by_us, why=why)
        self._follow(whole)

    def handle_timer(self, now: float) -> None:
        """Let time pass: ask other forwarders, or end at the deadline."""
        if self._whole is None and now < self.timer:
            return
        whole = self._go_whole(now)
        whole.handle_timer(now)
        self._follow(whole)

    def _ask(self, forwarder: Forwarder, qtype: int, now: float) -> Ask:
        around = self.around
        name = self.query.name
        if around.randomize_case:
            name = in_random_case(name, around.random_id)
        flags = wire.RD | wire.AD if forwarder.validating else wire.RD
        data = wire.write_query(around.random_id(), flags, name + _KINDS[qtype], dnssec_ok=False)
        return Ask(forwarder, tcp=False, data=data, edns=True, sent=now)

    def _conclude(self, now: float) -> None:
        """Set the answer if the replies suffice for it, or go the whole way if they are not of that kind."""
        if self._main is None or self._main_reply is None:
            return
        data, plain, _ = self._main_reply
        if self._a is None or plain.addresses:
            if self._a is not None and synthesis.excludes(self.around.view.exclude, plain.addresses):
                self._follow(self._go_whole(now))
            else:
                reply = Reply(data, plain, self._main.forwarder.validating)
                self.answer = answers.of_plain(reply, plain, "forwarded")
        elif self._a_reply is not None:
            self.answer = synthesis.of_plain(self.query.name, plain, self._a_reply[1], self.around.choice)
            if self.answer is None:
                self._follow(self._go_whole(now))

    def _go_whole(self, now: float) -> Resolution:
        """Have a `Resolution` take over, and return it."""
        if self._whole is not None:
            return self._whole
        query = self.query
        question = Question(name_of(query.name), query.qtype, query.qclass)
        whole = self._whole = Resolution(query, question, self.around, self._forwarder)
        stands_for = self._stands_for = {}
        whole.start(self._started)
        for ask in whole.asks_to_send():
            ours = self._same(ask)
            if ours is None:
                ask.sent = now
                self._unsent = (*self._unsent, ask)
            else:
                ask.data, ask.sent = ours.data, ours.sent
                stands_for[ours] = ask
        for ours, taken in ((self._main, self._main_reply), (self._a, self._a_reply)):
            if taken is not None and ours in stands_for:
                data, _, received = taken
                whole.reply_received(stands_for[ours], data, received)
        self._follow(whole)
        return whole

    def _same(self, theirs: Ask) -> Ask | None:
        """Return the ask of ours that put the same question to the same forwarder."""
        for ask in (self._main, self._a):
            if ask is not None and ask.forwarder is theirs.forwarder and not theirs.tcp:
                end = len(ask.data) - wire.OPT_SIZE
                if ask.data[end - _KIND_SIZE : end] == theirs.data[end - _KIND_SIZE : end]:
                    return ask
        return None

    def _known(self, ask: Ask) -> Ask | None:
        """Return which ask of the `Resolution`'s it is."""
        ours = ask is self._main or ask is self._a
        return (self._stands_for or {}).get(ask) if ours else ask

    def _follow(self, whole: Resolution) -> None:
        self.answer = whole.answer
        self.timer = whole.timer


def is_below_arpa(name: bytes) -> bool:
    """Tell whether a name in wire form may be below arpa: nothing else is answered here."""
    return name[-len(_ARPA) :].lower() == _ARPA


def _plain_reply(ask: Ask, data: bytes) -> PlainReply | None:
    """Read a reply to `ask` that is plain; ``None`` for every other, and for what is none."""
    asked = ask.data
    end = len(asked) - wire.OPT_SIZE
    if len(data) < end or data[HEADER_SIZE:end] != asked[HEADER_SIZE:end] or data[:2] != asked[:2]:
        return None
    if data[2] & _QR_OPCODE != _QR or data[4:6] != _ONE_QUESTION:
        return None
    return wire.read_plain_reply(data, end)
