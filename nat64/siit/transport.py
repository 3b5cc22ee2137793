"""Transport headers under changed IP addresses: checksums adjusted, ICMP echo types exchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nat64.siit import checksum, counters, icmp_tables, protocols
from nat64.siit.verdicts import Discard

if TYPE_CHECKING:
    from nat64.siit.address_pair import AddressPair

ECHO_HEADER = 8


def with_adjusted_checksum(protocol: int, payload: memoryview, delta: int) -> bytes | None:
    """Return the beginning of a TCP or UDP `payload` up to the end of its checksum, with that adjusted.

    None when the payload ends before. A UDP checksum of zero means that there is none, and stays.
    """
    at = protocols.CHECKSUM_AT[protocol]
    if len(payload) < at + 2:
        return None
    old = int.from_bytes(payload[at : at + 2], "big")
    if protocol == protocols.UDP and not old:
        return bytes(payload[: at + 2])
    new = checksum.adjusted(old, delta)
    if protocol == protocols.UDP and not new:
        new = 0xFFFF  # RFC 768: a computed zero is sent as all ones
    return bytes(payload[:at]) + new.to_bytes(2, "big")


def with_adjusted_sum(protocol: int, payload: memoryview, delta: int) -> bytes | None:
    """Return the same where the checksum field holds the sum of the pseudo-header, for a device to finish."""
    at = protocols.CHECKSUM_AT[protocol]
    if len(payload) < at + 2:
        return None
    number = (int.from_bytes(payload[at : at + 2], "big") + delta) % checksum.MODULUS
    return bytes(payload[:at]) + number.to_bytes(2, "big")


def udp_with_full_checksum(payload: memoryview, ipv6_addresses_sum: int) -> bytes:
    """Return the first eight octets of a UDP datagram over IPv6 that came without a checksum, with one."""
    length = len(payload)
    total = ipv6_addresses_sum + length + protocols.UDP + checksum.word_sum(payload)
    return bytes(payload[:6]) + (-total % checksum.MODULUS or 0xFFFF).to_bytes(2, "big")


def echo_to_ipv4(payload: memoryview, length: int, pair: AddressPair) -> bytes:
    """Return the first four octets of an ICMPv6 echo message as ICMPv4. `length` is the message's whole length.

    Raises `Discard` for other messages.
    """
    new_type = _echo_type(payload, icmp_tables.ECHO_TO_IPV4)
    pseudo_header = pair.original_sum + length + protocols.ICMPV6
    return _echo_start(payload, new_type, -pseudo_header)


def echo_to_ipv6(payload: memoryview, length: int, pair: AddressPair) -> bytes:
    """Return the first four octets of an ICMPv4 echo message as ICMPv6. `length` is the message's whole length.

    Raises `Discard` for other messages.
    """
    new_type = _echo_type(payload, icmp_tables.ECHO_TO_IPV6)
    pseudo_header = pair.translated_sum + length + protocols.ICMPV6
    return _echo_start(payload, new_type, pseudo_header)


def echo_reply(payload: memoryview, request: int, reply: int) -> bytes | None:
    """Return the first four octets of the answer to an echo request of type `request`; None for other messages."""
    if len(payload) < ECHO_HEADER or payload[0] != request or payload[1]:
        return None
    return _echo_start(payload, reply, 0)


def _echo_type(payload: memoryview, types: dict[int, int]) -> int:
    if len(payload) < ECHO_HEADER:
        raise Discard(counters.MALFORMED)
    new_type = types.get(payload[0])
    if new_type is None:
        raise Discard(counters.ICMP_TYPE)
    return new_type


def _echo_start(payload: memoryview, new_type: int, pseudo_header_delta: int) -> bytes:
    delta = (new_type - payload[0] << 8) + pseudo_header_delta
    new = checksum.adjusted(int.from_bytes(payload[2:4], "big"), delta)
    return bytes((new_type, payload[1])) + new.to_bytes(2, "big")
