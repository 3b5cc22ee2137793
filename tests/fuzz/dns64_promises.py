"""What the two targets for DNS64 share: a service, the way of a query through it, and what every response has to be.

dnspython reads the messages, so that nothing of what is tested judges itself.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.rdatatype
import dns.wire

from nat64.config import totd
from nat64.dns64.flights import Later
from nat64.dns64.resolution import DEADLINE_SECONDS
from nat64.dns64.service import Service
from nat64.dns64.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.dns64.exchange import Ask
    from nat64.dns64.flight import Flight

    Forwarder = Callable[[Ask, Flight, float], None]
    """Does with an ask what a forwarder may do, silence included."""

CONFIGS: Final = tuple(
    totd.parse(f"forwarder 192.0.2.53\n{text}", "fuzz.conf")
    for text in (
        "prefix 2001:db8:64::/96\nallow-query 2001:db8::/32",
        "forwarder 2001:db8::53\nprefix 64:ff9b::/96\nprefix 2001:db8::/32\non-aaaa-failure servfail",
        "forwarder 192.0.2.54 port 5353\nforwarder 192.0.2.55\nprefix 3fff:64::/64\nexclude 2001:db8::/32",
        "allow-query ::/0",
        "forwarder ::1 port 5300 validating\nprefix 2001:db8:64::/96",
        (
            "prefix 2001:db8:64::/96\nprefix 3fff:64::/56 for 192.0.2.0/25\nmapped 192.0.2.0/24 198.51.100.0/24\n"
            "unmapped 192.0.2.128/25\nstf\ndomain v4.example always\ndomain b.example never\n"
            "domain example.net forward 192.0.2.54\nallow-query ::/0 0.0.0.0/0\n"
            "view lan 2001:db8::/32\nprefix none\nview some 192.0.2.0/24\nforwarder 192.0.2.55\nstf"
        ),
        (
            "prefix 2001:db8::/40\ndomain . always\ndomain example forward ::1 port 5300 validating\n"
            "domain good.example forward 192.0.2.54"
        ),
    )
)
HOSTS: Final = ("::1", "2001:db8::c", "192.0.2.9", "fe80::1%eth0")
HEADER: Final = 12
_UNDERSTOOD: Final = {
    getattr(dns.rdatatype, name) for name in ("A", "NS", "CNAME", "SOA", "PTR", "MX", "AAAA", "OPT")
}
_MOST_TURNS: Final = 200
_GOOD_NAME: Final = "good.example."
_ADDRESS: Final = bytes((192, 0, 2, 33))


class _Record(NamedTuple):
    """The head of a record."""

    rtype: int
    rclass: int
    ttl: int


def make_service(config: int) -> Service:
    """Make a service by one of `CONFIGS`."""
    ids = count(0x6400)
    service = Service(random_id=lambda: next(ids) & 0xFFFF)
    chosen = CONFIGS[config % len(CONFIGS)]
    service.configure(chosen)
    service.allow(chosen.allow_query)
    return service


def answered(
    service: Service, data: bytes, host: str, forwarder: Forwarder, *, tcp: bool, now: float
) -> bytes | None:
    """Put a client's message to the service, and return the response after having checked it."""
    responses: list[bytes] = []
    transport = Transport.TCP if tcp else Transport.UDP
    result = service.message_received(data, host, transport=transport, now=now, deliver=responses.append)
    for flight in service.flights_to_begin():
        _lead(flight, forwarder, now)
    response: bytes | None
    if isinstance(result, Later):
        (response,) = responses
    else:
        response = result
        assert not responses, "two responses to one query"
    assert service.outstanding == service.waiting == 0, "something is left under way"
    if response is None:
        assert len(data) < HEADER or data[2] & 0x80, "silence to a query"
    else:
        view = service.config.default
        known = (*view.forwarders, *(each for domain in view.domains for each in domain.forwarders))
        trusted = any(each.validating for each in known)
        _check(data, response, tcp=tcp, trusted=trusted)
    return response


def _lead(flight: Flight, forwarder: Forwarder, now: float) -> None:
    began = now
    for _ in range(_MOST_TURNS):
        if flight.done:
            assert now <= began + DEADLINE_SECONDS + 0.001, "answered after the deadline"
            return
        asks = flight.asks_to_send()
        for ask in asks:
            forwarder(ask, flight, now)
        if not asks:
            now = max(now, flight.timer)
            flight.handle_timer(now)
    raise AssertionError("no end of asking")


def _check(query: bytes, response: bytes, *, tcp: bool, trusted: bool) -> None:
    assert len(query) >= HEADER, "a response to what has no header"
    assert not query[2] & 0x80, "a response to a response"
    assert response[:2] == query[:2], "another ID"
    assert response[2] & 0xF8 == query[2] & 0x78 | 0x80, "not a response of that opcode"
    read = readable(response)
    asked = None
    with suppress(dns.exception.DNSException):
        # Bytes behind the message are not read, nor is RDATA that concerns nobody here.
        asked = dns.message.from_wire(query, ignore_trailing=True, continue_on_error=True)
    opt = _opt_of(query)
    wants_ad = query[3] & dns.flags.AD or (opt is not None and opt.ttl & dns.flags.DO)
    assert trusted or not read.flags & dns.flags.AD, "AD, though no forwarder is trusted to validate"
    assert wants_ad or not read.flags & dns.flags.AD, "AD to a client that did not ask for it"
    if read.question:
        assert asked is not None, "an answer to what cannot be read"
        assert [rrset.to_text() for rrset in read.question] == [rrset.to_text() for rrset in asked.question]
        assert read.edns < 0 or opt is not None, "an OPT record that nobody asked for"
    else:
        assert len(response) == HEADER
    if not tcp:
        offered = opt.rclass if opt is not None else 0
        assert len(response) <= max(512, min(offered, 1232)), "more than the client takes"


def readable(response: bytes) -> dns.message.Message:
    """Read a response. What a forwarder wrote wrongly inside a record's data is its own fault; all else is ours."""
    try:
        records, behind = _walk(response)
    except dns.exception.DNSException as error:
        raise AssertionError("records that do not end where they should") from error
    assert behind == 0, "bytes behind the records"
    read = dns.message.from_wire(response, continue_on_error=True)
    others = [record for record in records if record.rtype not in _UNDERSTOOD]
    assert len(read.errors) <= len(others), f"unreadable: {read.errors[0].exception!r}"
    return read


def _opt_of(query: bytes) -> _Record | None:
    """Return the OPT record of a query, also one with options that dnspython takes for malformed."""
    with suppress(dns.exception.DNSException):
        return next((record for record in _walk(query)[0] if record.rtype == dns.rdatatype.OPT), None)
    return None


def _walk(message: bytes) -> tuple[list[_Record], int]:
    """Return what stands at the head of each record of a message, and how many bytes are behind them."""
    questions, *counts = struct.unpack_from("!4H", message, 4)
    parser = dns.wire.Parser(message, HEADER)
    for _ in range(questions):
        parser.get_name(decompress=True)
        parser.get_bytes(4)
    records = []
    for _ in range(sum(counts)):
        parser.get_name(decompress=True)
        rtype, rclass, ttl, length = parser.get_struct("!HHIH")
        parser.get_bytes(length)
        records.append(_Record(rtype, rclass, ttl))
    return records, parser.remaining()


def serves_on(service: Service, now: float) -> None:
    """Ask a good question, and see it answered as ever."""
    query = dns.message.make_query(_GOOD_NAME, "AAAA", id=1)
    response = answered(service, query.to_wire(), "::1", _answer_well, tcp=False, now=now)
    assert response is not None
    read = dns.message.from_wire(response)
    assert query.is_response(read)
    found = [rrset.rdtype for rrset in read.answer]
    assert found == ([dns.rdatatype.AAAA] if service.config.default.prefixes else [])


def _answer_well(ask: Ask, flight: Flight, now: float) -> None:
    is_a = question_of(ask.data)[-4:-2] == b"\0\1"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + _ADDRESS if is_a else b""
    assert flight.reply_received(ask, reply_with(ask.data, 0x8180, (is_a, 0, 0), record), now)


def question_of(message: bytes) -> bytes:
    """Return the bytes of the question in a message of our own, where no name is compressed before it."""
    end = HEADER
    while message[end]:
        end += 1 + message[end]
    return message[HEADER : end + 5]


def reply_with(ask: bytes, flags: int, counts: tuple[int, int, int], records: bytes) -> bytes:
    """Build a reply to an ask from its parts."""
    numbers = (flags, 1, *counts)
    return ask[:2] + b"".join(number.to_bytes(2, "big") for number in numbers) + question_of(ask) + records
