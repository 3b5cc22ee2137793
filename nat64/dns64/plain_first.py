"""A question on the short way to its answer, and on the whole way where the short one does not lead. No I/O, no clock.

Most questions are for A or AAAA records, are asked of a healthy forwarder over UDP, and get plain replies. They are asked
and answered here, without an object for each record and each step. Whatever else comes up is a `Resolution`'s to judge,
which takes over what was asked and what was replied so far, as if it had been its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nat64.dns64 import answer as answers
from nat64.dns64 import synthesis, wire
from nat64.dns64.exchange import SHORTEST_ASK_SECONDS, Ask
from nat64.dns64.message import CLASS_IN, HEADER_SIZE, UNFRAGMENTED_SIZE, Question, RRType, name_of
from nat64.dns64.random_case import in_random_case
from nat64.dns64.reply import Reply
from nat64.dns64.resolution import DEADLINE_SECONDS, Resolution

if TYPE_CHECKING:
    from nat64.config.dns64_config import Forwarder
    from nat64.dns64.answer import Answer
    from nat64.dns64.views import Surroundings
    from nat64.dns64.wire import ClientQuery, PlainReply

_KIND: Final = struct.Struct("!HH")
_HEAD: Final = struct.Struct("!HHH")
_SHORT_WAY: Final = frozenset((RRType.A, RRType.AAAA))
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
    _asks: list[Ask] = field(default_factory=list)
    """The question itself, and after it the one for A records that an AAAA question may need."""
    _unsent: list[Ask] = field(default_factory=list)
    _replies: list[tuple[bytes, PlainReply, float] | None] = field(default_factory=list)
    """What came for each, and when."""
    _whole: Resolution | None = None
    _stands_for: dict[Ask, Ask] = field(default_factory=dict)
    """Asks of ours, and which of the `Resolution`'s they are."""

    def start(self, now: float) -> None:
        """Begin. The answer may be there at once."""
        self._started = now
        query, around = self.query, self.around
        if (
            query.qtype in _SHORT_WAY
            and query.qclass == CLASS_IN
            and query.flags & (wire.RD | wire.CD) == wire.RD
            and not (query.dnssec_ok or around.has_domains or is_below_arpa(query.name))
        ):
            self._forwarder = around.plain_forwarder(now)
        if self._forwarder is None:
            self._go_whole(now)
            return
        self._ask(self._forwarder, query.qtype, now)
        if query.qtype == RRType.AAAA and around.prefixes:
            self._ask(self._forwarder, RRType.A, now)
        patience = min(around.patience(self._forwarder), DEADLINE_SECONDS / len(around.view.forwarders))
        self.timer = now + max(SHORTEST_ASK_SECONDS, patience)

    def asks_to_send(self) -> list[Ask]:
        """Return what is to be sent to forwarders, each once."""
        asks, self._unsent = self._unsent, []
        return asks + self._whole.asks_to_send() if self._whole is not None else asks

    def reply_received(self, ask: Ask, data: bytes, now: float) -> bool:
        """Take bytes that came from where `ask` went; return whether they are a reply to it."""
        if self._whole is None:
            plain = _plain_reply(ask, data)
            if plain is not None:
                self.around.answered(ask.forwarder, now, now - ask.sent)
                self._replies[self._asks.index(ask)] = (data, plain, now)
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

    def _ask(self, forwarder: Forwarder, qtype: int, now: float) -> None:
        around = self.around
        name = self.query.name
        if around.randomize_case:
            name = in_random_case(name, around.random_id)
        flags = wire.RD | wire.AD if forwarder.validating else wire.RD
        question = name + _KIND.pack(qtype, CLASS_IN)
        data = wire.write_query(around.random_id(), flags, question, (UNFRAGMENTED_SIZE, False))
        ask = Ask(forwarder, tcp=False, data=data, edns=True, sent=now)
        self._asks.append(ask)
        self._unsent.append(ask)
        self._replies.append(None)

    def _conclude(self, now: float) -> None:
        """Set the answer if the replies suffice for it, or go the whole way if they are not of that kind."""
        first = self._replies[0]
        if first is None:
            return
        data, plain, _ = first
        if len(self._asks) == 1 or plain.addresses:
            if len(self._asks) > 1 and synthesis.excludes(self.around.view.exclude, plain.addresses):
                self._follow(self._go_whole(now))
            else:
                reply = Reply(data, plain, self._asks[0].forwarder.validating)
                self.answer = answers.of_plain(reply, plain, "forwarded")
        elif self._replies[1] is not None:
            self._synthesize(plain, self._replies[1][1], now)

    def _synthesize(self, aaaa: PlainReply, a: PlainReply, now: float) -> None:
        self.answer = synthesis.of_plain(self.query.name, aaaa, a, self.around.choice)
        if self.answer is None:
            self._follow(self._go_whole(now))

    def _go_whole(self, now: float) -> Resolution:
        """Have a `Resolution` take over, and return it."""
        if self._whole is not None:
            return self._whole
        query = self.query
        question = Question(name_of(query.name), query.qtype, query.qclass)
        whole = self._whole = Resolution(query, question, self.around, self._forwarder)
        whole.start(self._started)
        for ask in whole.asks_to_send():
            ours = self._same(ask)
            if ours is None:
                ask.sent = now
                self._unsent.append(ask)
            else:
                ask.data, ask.sent = ours.data, ours.sent
                self._stands_for[ours] = ask
        for ask, reply in zip(self._asks, self._replies, strict=True):
            known = self._known(ask)
            if reply is not None and known is not None:
                data, _, received = reply
                whole.reply_received(known, data, received)
        self._follow(whole)
        return whole

    def _same(self, theirs: Ask) -> Ask | None:
        """Return the ask of ours that put the same question to the same forwarder."""
        for ask in self._asks:
            end = len(ask.data) - wire.OPT_SIZE
            if ask.forwarder is theirs.forwarder and not theirs.tcp:
                kind, other = ask.data[end - _KIND.size : end], theirs.data[end - _KIND.size : end]
                if kind == other:
                    return ask
        return None

    def _known(self, ask: Ask) -> Ask | None:
        """Return which ask of the `Resolution`'s it is."""
        return self._stands_for.get(ask, None if ask in self._asks else ask)

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
    _, flags, questions = _HEAD.unpack_from(data)
    if flags & (wire.QR | wire.OPCODE) != wire.QR or questions != 1:
        return None
    return wire.read_plain_reply(data, end)
