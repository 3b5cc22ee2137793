"""One question put to the forwarders until one of them gives a usable reply. No I/O, no clock.

The owner sends what `asks_to_send` returns, reports what comes back with `reply_received` and `ask_failed`,
and calls `handle_timer` when `timer` is due, until `done`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nat64.dns64 import extended_error, wire
from nat64.dns64.message import RCode, wire_name
from nat64.dns64.random_case import in_random_case
from nat64.dns64.reply import CaseMismatch, Reply, read_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.config.dns64_config import Forwarder
    from nat64.dns64.forwarders import Forwarders
    from nat64.dns64.message import Question

ASK_SECONDS: Final = 1.0
"""How long one forwarder may stay silent before the next is asked too."""
SHORTEST_ASK_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Flags:
    """What of a client's query goes on to the forwarders."""

    recursion_desired: bool = True
    checking_disabled: bool = False
    dnssec_ok: bool = False


@dataclass(slots=True, eq=False)
class Ask:
    """One message to one forwarder, over UDP or TCP, or over TLS or HTTPS where the forwarder is encrypted."""

    forwarder: Forwarder
    tcp: bool
    data: bytes
    """The message."""
    edns: bool
    """Whether it has an OPT record."""
    sent: float
    """When it was handed out to be sent."""


@dataclass(slots=True)
class Exchange:
    """Asks the forwarders in order, each for a moment, around and around until the deadline.

    A forwarder that was passed on is still listened to: a late reply counts, and shows that it lives.
    """

    question: Question
    flags: Flags
    forwarders: Forwarders
    deadline: float
    random_id: Callable[[], int]
    """Returns an ID from 0 to 65535 that nobody can foresee (RFC 5452 section 9.2)."""
    randomize_case: bool = False
    first: Forwarder | None = None
    """The one that was asked already, before it came to an exchange."""

    reply: Reply | None = None
    """The reply, or at the end the best of the failures; ``None`` when nobody answered."""
    done: bool = False
    validation_failed: bool = False
    """Whether a validating forwarder was to say that the answer is authentic, and did not.

    It failed, or nobody answered. Never so with CD, which asks for answers that are not validated.
    """
    timer: float = 0.0
    """When to call `handle_timer`, if nothing comes before."""
    _queue: list[Forwarder] = field(default_factory=list)
    _useless: set[Forwarder] = field(default_factory=set)
    _unsent: list[Ask] = field(default_factory=list)
    _open: list[Ask] = field(default_factory=list)
    _latest: Ask | None = None
    _latest_sent: float = 0.0
    _question: bytes = b""

    def start(self, now: float) -> None:
        """Ask the first forwarder."""
        question = self.question
        self._question = wire_name(question.name) + struct.pack("!HH", question.qtype, question.qclass)
        self._queue = self.forwarders.in_order(now, self.first)
        self._ask_next(now)

    def asks_to_send(self) -> list[Ask]:
        """Return what is to be sent, each once."""
        asks, self._unsent = self._unsent, []
        return asks

    def reply_received(self, ask: Ask, data: bytes, now: float) -> bool:
        """Take bytes that came from where `ask` went; return whether they are a reply to it.

        Bytes that are none change nothing: they may be forged, and the true reply may follow.
        """
        if self.done or ask not in self._open:
            return False
        try:
            # What does not validate may set AD because it heard so from others (RFC 6840 section 5.7).
            reply = read_reply(
                *(data, ask.data, self._question),
                exact=self.randomize_case and not ask.tcp,
                authentic=ask.forwarder.validating,
            )
        except CaseMismatch:
            # Forged, or of a server that does not keep the case: TCP makes up for it.
            self._open.remove(ask)
            self._send(ask.forwarder, now, tcp=True, edns=ask.edns)
            return True
        if reply is None:
            return False
        self._open.remove(ask)
        # Over a connection it may have waited for another question's answer.
        self.forwarders.health.answered(ask.forwarder, now, None if ask.tcp else now - ask.sent)
        self._judge(ask, reply, now)
        return True

    def ask_failed(self, ask: Ask, now: float, *, by_us: bool = False, why: str | None = None) -> None:
        """Learn that `ask` cannot be answered: refused, unreachable, closed; or we ourselves could not ask.

        `why` is for the log, ``what is wrong; remedy``.
        """
        if self.done or ask not in self._open:
            return
        self._open.remove(ask)
        if _shows_health(ask) and not by_us:
            self.forwarders.health.failed(ask.forwarder, now, why or "it cannot be reached")
        self._pass_over(ask, now)

    def handle_timer(self, now: float) -> None:
        """Go on to the next forwarder, or give up at the deadline."""
        if self.done or now < self.timer:
            return
        latest, sent = self._latest, self._latest_sent
        # One that the deadline left no time for has not failed, and whom we stopped listening to is not silent.
        had_time = now - sent >= SHORTEST_ASK_SECONDS
        if latest is not None and latest in self._open and had_time and _shows_health(latest):
            self.forwarders.health.silent(latest.forwarder, sent, now)
        if not self._queue:
            self._queue = [
                forwarder for forwarder in self.forwarders.in_order(now) if forwarder not in self._useless
            ]
        self._ask_next(now)

    def _judge(self, ask: Ask, reply: Reply, now: float) -> None:
        if reply.truncated and not ask.tcp:
            self._send(ask.forwarder, now, tcp=True, edns=ask.edns)
        elif reply.rcode in (RCode.FORMERR, RCode.NOTIMP, RCode.BADVERS) and ask.edns:
            # A server of before EDNS (RFC 6891 section 6.2.2): ask once more, without.
            self._send(ask.forwarder, now, tcp=ask.tcp, edns=False)
        elif reply.rcode in (RCode.NOERROR, RCode.NXDOMAIN) and not reply.truncated:
            self.reply = reply
            self.done = True
            self.validation_failed = False
        else:
            if self._is_verdict(ask, reply):
                self._trust_only_validating()
                self.reply = reply
            if self.reply is None and not reply.truncated:
                self.reply = reply
            self._pass_over(ask, now)

    def _is_verdict(self, ask: Ask, reply: Reply) -> bool:
        """Tell whether a failure may mean, or does mean, that the answer is bogus (RFC 4035 section 5.5)."""
        if reply.rcode != RCode.SERVFAIL or self.flags.checking_disabled or self.validation_failed:
            return False
        return ask.forwarder.validating or extended_error.is_bogus(reply.edns)

    def _trust_only_validating(self) -> None:
        """Let no forwarder that does not validate say otherwise; another one that does may."""
        self.validation_failed = True
        self._useless.update(each for each in self.forwarders.all if not each.validating)
        self._queue = [each for each in self._queue if each.validating]
        self._open = [ask for ask in self._open if ask.forwarder.validating]

    def _pass_over(self, ask: Ask, now: float) -> None:
        """Leave a forwarder that cannot help out of the later rounds."""
        self._useless.add(ask.forwarder)
        if ask is self._latest or not self._open:
            self._ask_next(now)

    def _ask_next(self, now: float) -> None:
        if self.reply is not None:
            # With one forwarder's failure in hand, only a healthy one is worth the client's time.
            self._queue = [forwarder for forwarder in self._queue if self._is_healthy(forwarder, now)]
            self._open = [ask for ask in self._open if self._is_healthy(ask.forwarder, now)]
        if now >= self.deadline or not (self._queue or self._open):
            self.done = True
            if self.reply is None and not self.flags.checking_disabled:
                self.validation_failed = any(each.validating for each in self.forwarders.all)
        elif self._queue:
            self._send(self._queue.pop(0), now, tcp=False, edns=True)
        else:
            self._latest = None
            self.timer = min(self.deadline, now + ASK_SECONDS)

    def _is_healthy(self, forwarder: Forwarder, now: float) -> bool:
        return self.forwarders.health.failed_until(forwarder, now) is None

    def _send(self, forwarder: Forwarder, now: float, *, tcp: bool, edns: bool) -> None:
        question = self._question
        if self.randomize_case and not forwarder.is_encrypted:
            question = in_random_case(question[:-4], self.random_id) + question[-4:]
        flags = self.flags
        bits = wire.RD if flags.recursion_desired else 0
        bits |= wire.CD if flags.checking_disabled else 0
        bits |= wire.AD if forwarder.validating else 0
        dnssec_ok = flags.dnssec_ok if edns else None
        data = wire.write_query(self.random_id(), bits, question, dnssec_ok=dnssec_ok)
        ask = Ask(forwarder, tcp or forwarder.is_encrypted, data, edns, now)
        self._unsent.append(ask)
        self._open.append(ask)
        self._latest, self._latest_sent = ask, now
        share = (self.deadline - now) / (len(self._queue) + 1)
        patience = min(self.forwarders.health.patience(forwarder), share)
        self.timer = min(self.deadline, now + max(SHORTEST_ASK_SECONDS, patience))


def _shows_health(ask: Ask) -> bool:
    """Tell whether a failure is the forwarder's; one that stalls over TCP only still answers over UDP."""
    return not ask.tcp or ask.forwarder.is_encrypted
