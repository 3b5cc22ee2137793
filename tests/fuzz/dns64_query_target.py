"""Fuzz target: any bytes as a client's message to DNS64, and forwarders that do to it what the rest of the input says.

An input is: which config, whether over TCP, and from which host (one octet); the length of the message (two octets); the
message; and then, for each ask in turn, one octet that says what its forwarder does (`DEEDS`) with what that needs behind it.
When the input ends, the forwarders fall silent. Whatever comes, nothing raises, the client has its response by the deadline,
and the next query is answered as ever.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from tests.fuzz.dns64_promises import (
    HOSTS,
    answered,
    make_service,
    question_of,
    reply_with,
    serves_on,
)

if TYPE_CHECKING:
    from nat64.dns64.exchange import Ask
    from nat64.dns64.flight import Flight

HEAD: Final = struct.Struct("!BH")
CONFIG: Final = 0x07
TCP: Final = 0x08
HOST_SHIFT: Final = 4
"""What is where in the first octet."""
NOW: Final = 1000.0

SILENT, FAIL, FAIL_BY_US, BYTES, EMPTY, RCODE, TRUNCATED, RECORDS, AGAIN = range(9)
DEEDS: Final = 9

_ANSWER: Final = 0x8180


def encode(config: int, host: int, message: bytes, script: bytes, *, tcp: bool = False) -> bytes:
    """Build an input."""
    return HEAD.pack(config | TCP * tcp | host << HOST_SHIFT, len(message)) + message + script


def run(data: bytes) -> None:
    """Run one input. Raises `AssertionError` for what may not be."""
    if len(data) < HEAD.size:
        return
    chosen, length = HEAD.unpack_from(data)
    message, script = data[HEAD.size : HEAD.size + length], data[HEAD.size + length :]
    service = make_service(chosen & CONFIG)
    host = HOSTS[(chosen >> HOST_SHIFT) % len(HOSTS)]
    answered(service, message, host, _Script(script), tcp=bool(chosen & TCP), now=NOW)
    serves_on(service, NOW + 10)


class _Script:
    """Forwarders that do what the input says."""

    def __init__(self, script: bytes) -> None:
        self._script = script
        self._first: tuple[Ask, bytes] | None = None

    def __call__(self, ask: Ask, flight: Flight, now: float) -> None:
        resolution = flight
        deed = self._octet() % DEEDS
        if deed in (FAIL, FAIL_BY_US):
            resolution.ask_failed(ask, now, by_us=deed == FAIL_BY_US)
            return
        if deed == AGAIN and self._first is not None:
            resolution.reply_received(*self._first, now)  # late, or a second time
            return
        reply = self._reply(deed, ask.data)
        if reply is not None:
            self._first = self._first or (ask, reply)
            resolution.reply_received(ask, reply, now)

    def _reply(self, deed: int, ask: bytes) -> bytes | None:
        if deed == BYTES:
            return ask[:2] + self._some()
        if deed == EMPTY:
            return reply_with(ask, _ANSWER, (0, 0, 0), b"")
        if deed == RCODE:
            return reply_with(ask, _ANSWER | self._octet() & 0xF, (0, 0, 0), b"")
        if deed == TRUNCATED:
            return reply_with(ask, _ANSWER | 0x0200, (0, 0, 0), b"")
        if deed == RECORDS:
            # Of type A in an answer to A, and so on: what a table of seeds could not know of an unknown ask.
            counts = self._octet()
            records = self._some().replace(b"\0\0ME", question_of(ask)[-4:])
            return reply_with(ask, _ANSWER, (counts & 7, counts >> 3 & 3, counts >> 5), records)
        return None

    def _octet(self) -> int:
        octet = self._script[:1]
        self._script = self._script[1:]
        return octet[0] if octet else SILENT

    def _some(self) -> bytes:
        length = int.from_bytes(self._script[:2], "big")
        some = self._script[2 : 2 + length]
        self._script = self._script[2 + length :]
        return some
