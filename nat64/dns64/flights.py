"""The questions under way: each is asked once, for all who wait for its answer, and all together are bounded.

No I/O, no clock.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from nat64.dns64 import answer as answers
from nat64.dns64 import ipv4only
from nat64.dns64.cache import FAILURE_RECHECK, USABLE
from nat64.dns64.flight import Flight, Waiter
from nat64.dns64.message import Message, Question, RCode, name_of
from nat64.dns64.plain_first import PlainFirst, is_below_arpa

if TYPE_CHECKING:
    from nat64.dns64.answer import Answer
    from nat64.dns64.cache import Cache, Kept
    from nat64.dns64.responder import Responder

MOST_FLIGHTS: Final = 4096
"""Questions under way at most."""
MOST_FLIGHTS_OF_A_CLIENT: Final = MOST_FLIGHTS // 4
MOST_WAITING: Final = 4 * MOST_FLIGHTS
"""Queries that wait for them at most; one beyond gets SERVFAIL at once."""
MOST_WAITING_OF_A_CLIENT: Final = MOST_WAITING // 4
JOSTLED_AFTER: Final = 0.2
"""Seconds after which the oldest question makes room when there are too many, so that slow ones do not stop the rest."""


class Later:
    """What is returned when the response is delivered later."""


LATER: Final = Later()


class Flights:
    """Has questions asked, and what comes of them kept in the cache and told to those who wait."""

    def __init__(self, cache: Cache, responder: Responder) -> None:
        self.waiting = 0
        """Queries that wait for their answers."""
        self._cache = cache
        self._responder = responder
        self._statistics = responder.statistics
        self._flights: OrderedDict[bytes, Flight] = OrderedDict()
        self._to_begin: list[Flight] = []

    def __len__(self) -> int:
        return len(self._flights)

    def to_begin(self) -> list[Flight]:
        """Return what is to be pursued from here on, each once."""
        flights, self._to_begin = self._to_begin, []
        return flights

    def disown(self) -> None:
        """Keep nothing of what is under way: the config has changed. Those who wait get their answers all the same."""
        self._flights.clear()

    def join(self, key: bytes, waiter: Waiter, stale: Kept | None, now: float) -> bytes | Later:
        """Wait for the answer to a question that is under way, or set out for it."""
        if stale is not None and now < stale.recheck:
            return self._responder.stale(waiter, stale, now)
        flight = self._flights.get(key)
        if flight is not None:
            if flight.stale is not None and now >= flight.stale_at:
                return self._responder.stale(waiter, flight.stale, now)
            self._statistics.counters["joined"] += 1
            return self._wait(flight, waiter, stale, now)
        answer = _local(waiter)
        if answer is not None:
            self._cache.put(key, answer, now)
        else:
            flight = self._set_out(key, waiter, stale, now)
            if flight is not None and flight.done:
                answer = flight.resolution.answer or answers.empty(waiter.query, RCode.SERVFAIL, "failed")
        if answer is not None:  # nobody has to be asked for it
            self._statistics.counters[answer.outcome] += 1
            return self._responder.response(waiter, answer, now)
        return self._wait(flight, waiter, stale, now)

    def _wait(self, flight: Flight | None, waiter: Waiter, stale: Kept | None, now: float) -> bytes | Later:
        """Wait for a flight, if there is one and there is room."""
        client = waiter.client
        if flight is not None and self.waiting < MOST_WAITING and client.waiting < MOST_WAITING_OF_A_CLIENT:
            self.waiting += 1
            client.waiting += 1
            flight.waiters.append(waiter)
            return LATER
        self._statistics.counters["overload"] += 1
        if stale is not None:
            return self._responder.stale(waiter, stale, now)
        return self._responder.response(waiter, answers.empty(waiter.query, RCode.SERVFAIL, "overload"), now)

    def prefetch(self, key: bytes, waiter: Waiter, kept: Kept, now: float) -> None:
        """Ask anew for what is about to expire; it stands in should it expire before that fails."""
        if key in self._flights:
            return
        answer = _local(waiter)
        if answer is not None:
            self._cache.put(key, answer, now)
            return
        stale = kept if kept.stale else None
        if self._set_out(key, waiter, stale, now) is not None:
            self._statistics.counters["prefetched"] += 1

    def _set_out(self, key: bytes, waiter: Waiter, stale: Kept | None, now: float) -> Flight | None:
        """Begin a flight, if there is room for one."""
        client = waiter.client
        if client.flights >= MOST_FLIGHTS_OF_A_CLIENT or not self._make_room(now):
            return None
        flight = Flight(
            key, PlainFirst(waiter.query, client.around), client, now, self._landed, self._stale_due, stale
        )
        client.flights += 1
        self._flights[key] = flight
        flight.start(now)
        if not flight.done:
            self._to_begin.append(flight)
        return flight

    def _make_room(self, now: float) -> bool:
        """Have the oldest flight make room for another one where there are too many."""
        if len(self._flights) < MOST_FLIGHTS:
            return True
        oldest = next(iter(self._flights.values()))
        if now - oldest.started < JOSTLED_AFTER:
            return False
        self._statistics.counters["jostled"] += 1
        oldest.give_up(now)
        return True

    def _landed(self, flight: Flight, now: float) -> None:
        """Respond to all who wait for a flight's answer, and keep that."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
            current = True
        else:
            current = False  # the config has changed since
        flight.client.flights -= 1
        answer = flight.resolution.answer
        waiters = self._take_waiters(flight)
        failed = answer is None or answer.rcode not in USABLE
        stale = flight.stale
        better = stale or self._cache.get(flight.key, now) if failed else None
        if better is not None:
            better.recheck = now + FAILURE_RECHECK
        if failed and stale is not None:
            for waiter in waiters:
                waiter.deliver(self._responder.stale(waiter, stale, now))
            return
        kept = None
        if answer is not None and current and better is None:
            kept = self._cache.put(flight.key, answer, now)
        for waiter in waiters:
            said = answer if answer is not None else answers.empty(waiter.query, RCode.SERVFAIL, "failed")
            self._statistics.answered(said.outcome, now - waiter.since)
            response = self._responder.response(waiter, said, now)
            if kept is not None:
                # Names that nobody asks for again, as a flood of them has, must not displace what is asked for.
                self._responder.have_ready(waiter, response, kept, now, displaces=False)
            waiter.deliver(response)

    def _take_waiters(self, flight: Flight) -> list[Waiter]:
        """Return those who wait for a flight, and have them wait no more."""
        waiters, flight.waiters = flight.waiters, []
        self.waiting -= len(waiters)
        for waiter in waiters:
            waiter.client.waiting -= 1
        return waiters

    def _stale_due(self, flight: Flight, now: float) -> None:
        """Give those who have waited for long a stale answer; the question stays under way."""
        stale = flight.stale
        if stale is None:
            return
        for waiter in self._take_waiters(flight):
            waiter.deliver(self._responder.stale(waiter, stale, now))


def _local(waiter: Waiter) -> Answer | None:
    """Return the answer to a question that no forwarder is needed for."""
    query, around = waiter.query, waiter.client.around
    if not is_below_arpa(query.name):
        return None
    question = Question(name_of(query.name), query.qtype, query.qclass)
    if not around.knows(question):
        return None
    reply = Message(0, question, is_response=True, recursion_available=True)
    ipv4only.answer(question, around.prefixes, reply)
    return answers.of_message(reply, ipv4only.OUTCOME)
