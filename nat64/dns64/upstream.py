"""Carries questions to the forwarders and the replies back: the asyncio adapter.

Forwarders with a `tls_name` or `pins` are asked over TLS only, those with an `https_path` over HTTPS only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from typing import TYPE_CHECKING, Protocol

from nat64.dns64.asker import OUR_SHORTAGES, ForwarderError
from nat64.dns64.source_ports import UdpForwarders, Waiting
from nat64.dns64.statistics import Statistics
from nat64.dns64.streams import StreamForwarders
from nat64.dns64.timers import Timers
from nat64.dns64.tls import TlsContexts
from nat64.dns64.views import forwarders_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nat64.config.dns64_config import Dns64Config
    from nat64.dns64.exchange import Ask
    from nat64.dns64.https import HttpsForwarders

log = logging.getLogger(__name__)


class Pursuit(Protocol):
    """What has questions for forwarders until it is done. It decides, and does no I/O."""

    @property
    def done(self) -> bool:
        """Whether it needs nothing more."""

    @property
    def timer(self) -> float:
        """When to call `handle_timer`, if nothing comes before."""

    def asks_to_send(self) -> Sequence[Ask]:
        """Return what is to be sent, each once."""

    def reply_received(self, ask: Ask, data: bytes, now: float) -> bool:
        """Take bytes that came from where `ask` went; return whether they are a reply to it."""

    def ask_failed(self, ask: Ask, now: float, *, by_us: bool = False, why: str | None = None) -> None:
        """Learn that `ask` cannot be answered, or that we ourselves could not ask."""

    def handle_timer(self, now: float) -> None:
        """Let time pass."""


class _Waiting(Protocol):
    """A question that is on its way."""

    def give_up(self) -> None:
        """Want no reply any more."""


class Upstream:
    """The way to the forwarders. Events that it counts go to `statistics`."""

    def __init__(self, statistics: Statistics | None = None) -> None:
        self.statistics = statistics or Statistics()
        self._contexts = TlsContexts()
        self._streams = StreamForwarders(self._contexts)
        self._https: HttpsForwarders | None = None
        self._udp: UdpForwarders | None = None
        self._timers: Timers[_Chase] = Timers()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf

    def prepare(self, config: Dns64Config) -> None:
        """Read what the forwarders of `config` need, while all files can be reached."""
        forwarders = forwarders_of(config)
        self._contexts.prepare(forwarders)
        if self._https is not None:
            self._https.renew()
        elif any(forwarder.https_path is not None for forwarder in forwarders):
            with contextlib.suppress(ForwarderError):  # it is told when the forwarder is to be asked
                self._https = self._load_https()

    def close(self) -> None:
        """Close all sockets at once; what is under way is never done."""
        self._streams.close()
        if self._https is not None:
            self._https.close()
        if self._udp is not None:
            self._udp.close()
            self._udp = None
        if self._alarm is not None:
            self._alarm.cancel()

    def begin(self, pursuit: Pursuit) -> None:
        """Lead a started pursuit until it is done."""
        _Chase(self, pursuit).go_on(asyncio.get_running_loop().time())

    def send(self, ask: Ask, chase: _Chase, now: float) -> _Waiting:
        """Put a question to its forwarder. Raises `ForwarderError` and `OSError` when that cannot be done."""
        if not ask.tcp:
            if self._udp is None:
                self._udp = UdpForwarders(self.statistics.counters)
            waiting = Waiting(ask, chase)
            self._udp.send(waiting, now)
            return waiting
        if ask.forwarder.https_path is None:
            return self._streams.send(ask, chase)
        if self._https is None:
            self._https = self._load_https()
        self.statistics.counters["asked_https"] += 1
        return self._https.send(ask, chase)

    def _load_https(self) -> HttpsForwarders:
        try:
            from nat64.dns64.https import HttpsForwarders  # noqa: PLC0415 - costs some tenths of a second
        except ImportError as error:
            raise ForwarderError(f"no HTTPS here: {error}; start again, outside of the chroot") from error
        return HttpsForwarders(self._contexts)

    def wake(self, chase: _Chase, when: float) -> None:
        """Have a chase look at the time at `when`, or before."""
        self._timers.wake(chase, when)
        if when < self._alarm_at:
            self._set_alarm()

    def sleep(self, chase: _Chase) -> None:
        """Let a chase look at the time no more."""
        self._timers.drop(chase)

    def _set_alarm(self) -> None:
        """Have one timer for all: each of asyncio's costs more than a question over UDP."""
        if self._alarm is not None:
            self._alarm.cancel()
        when = self._timers.next
        self._alarm_at = math.inf if when is None else when
        self._alarm = asyncio.get_running_loop().call_at(when, self._ring) if when is not None else None

    def _ring(self) -> None:
        try:
            if self._udp is not None:
                self._udp.take_replies()  # who is behind with reading must not take that for the forwarders' silence
        except Exception:
            log.exception("replies of the forwarders were not taken by a fault of ours")
        now = asyncio.get_running_loop().time()
        for chase in self._timers.due(now):
            try:
                chase.look_at_time(now)
            except Exception:
                # One that fails must not keep the others waiting.
                log.exception("a question to the forwarders failed by a fault of ours")
                chase.end()
        self._set_alarm()


class _Chase:
    """One pursuit under way, and its questions that are open."""

    __slots__ = ("_looks_at", "_open", "_pursuit", "_upstream")

    def __init__(self, upstream: Upstream, pursuit: Pursuit) -> None:
        self._upstream = upstream
        self._pursuit = pursuit
        self._open: list[_Waiting] = []
        self._looks_at = math.inf

    def reply_received(self, ask: Ask, data: bytes, now: float) -> bool:
        """Take what may be the reply to `ask`; return whether it is."""
        fits = self._pursuit.reply_received(ask, data, now)
        if fits:
            self.go_on(now)
        return fits

    def ask_failed(self, ask: Ask, now: float, *, by_us: bool = False, why: str | None = None) -> None:
        """Learn that there will be no reply to `ask`."""
        self._pursuit.ask_failed(ask, now, by_us=by_us, why=why)
        self.go_on(now)

    def look_at_time(self, now: float) -> None:
        """Let time pass."""
        self._looks_at = math.inf
        if not self._pursuit.done:  # else others have ended it
            self._pursuit.handle_timer(now)
        self.go_on(now)

    def go_on(self, now: float) -> None:
        """Send what is to be sent; end if nothing more is."""
        pursuit = self._pursuit
        while not pursuit.done:
            sent = [self._send(ask, now) for ask in pursuit.asks_to_send()]
            if all(sent):  # else what could not be sent may bring about others
                when = pursuit.timer
                if when < self._looks_at:  # a later time is seen when this one has come
                    self._looks_at = when
                    self._upstream.wake(self, when)
                return
        self.end()

    def end(self) -> None:
        """Want nothing more."""
        self._upstream.sleep(self)
        for question in self._open:
            question.give_up()
        self._open.clear()

    def _send(self, ask: Ask, now: float) -> bool:
        """Send a question; return whether it is on its way."""
        try:
            self._open.append(self._upstream.send(ask, self, now))
        except ForwarderError as error:
            self._pursuit.ask_failed(ask, now, why=str(error))
        except OSError as error:
            self._pursuit.ask_failed(ask, now, by_us=error.errno in OUR_SHORTAGES)
        except Exception as error:
            # Whoever waits for it, and those behind it in the same turn, must not wait for ever.
            log.exception("a question to the forwarders failed by a fault of ours")
            self._pursuit.ask_failed(ask, now, why=f"{error}; see the log")
        else:
            return True
        return False
