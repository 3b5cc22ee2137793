"""What is sent to see whether the gateway serves, and what counts as an answer. No I/O.

Both go the way of a client's: an echo request into the prefix is translated, and so is its reply; a query comes to the
address that is announced.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

from dnslib import QTYPE, RCODE, DNSError, DNSRecord

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv6Network

_ECHO_REQUEST: Final = 128
_ECHO_REPLY: Final = 129


@dataclass(frozen=True, slots=True)
class Echo:
    """An echo request (RFC 4443 section 4.1) to an IPv4 address in a prefix."""

    target: IPv6Address
    identifier: int
    sequence: int

    def request(self) -> bytes:
        """Return the ICMPv6 message; the kernel computes the checksum (RFC 3542 section 3.1)."""
        return struct.pack("!BBHHH", _ECHO_REQUEST, 0, 0, self.identifier, self.sequence) + b"anycast."

    def is_answered_by(self, source: IPv6Address, message: bytes) -> bool:
        """Tell whether an ICMPv6 message is the reply to it."""
        request = self.request()
        return source == self.target and message[:1] == bytes([_ECHO_REPLY]) and message[4:] == request[4:]


@dataclass(frozen=True, slots=True)
class Query:
    """A query for the AAAA records of a name, at an address that DNS64 is served at."""

    server: IPv6Address
    name: str
    identifier: int
    within: Sequence[IPv6Network]
    """The prefixes, in one of which each address in the answer must lie."""

    def request(self) -> bytes:
        """Return the message (RFC 1035 section 4.1)."""
        question = DNSRecord.question(self.name, "AAAA")
        question.header.id = self.identifier
        packed: bytes = question.pack()
        return packed

    def is_answered_by(self, message: bytes) -> bool:
        """Tell whether a message answers it with AAAA records, all of them synthesized."""
        try:
            response = DNSRecord.parse(message)
            found = [IPv6Address(str(each.rdata)) for each in response.rr if each.rtype == QTYPE.AAAA]
        except (DNSError, ValueError, RecursionError):
            return False
        return (
            response.header.id == self.identifier
            and response.header.qr == 1
            and response.header.rcode == RCODE.NOERROR
            and bool(found)
            and all(any(address in network for network in self.within) for address in found)
        )
