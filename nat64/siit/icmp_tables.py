"""ICMPv4 and ICMPv6 types, codes, pointers and MTUs, and what each becomes: RFC 7915 sections 4.2 and 5.2."""

from __future__ import annotations

from typing import Final

from nat64.siit import ipv6_header

# ICMPv4, RFC 792
ECHO_REPLY: Final = 0
UNREACHABLE: Final = 3
SOURCE_QUENCH: Final = 4
REDIRECT: Final = 5
ECHO_REQUEST: Final = 8
TIME_EXCEEDED: Final = 11
PARAMETER_PROBLEM: Final = 12
ERRORS: Final = frozenset((UNREACHABLE, SOURCE_QUENCH, REDIRECT, TIME_EXCEEDED, PARAMETER_PROBLEM))
HOST_UNREACHABLE: Final = 1
PROTOCOL_UNREACHABLE: Final = 2
FRAGMENTATION_NEEDED: Final = 4
SOURCE_ROUTE_FAILED: Final = 5
ADMINISTRATIVELY_PROHIBITED: Final = 13

# ICMPv6, RFC 4443: types below 128 are errors
V6_UNREACHABLE: Final = 1
V6_TOO_BIG: Final = 2
V6_TIME_EXCEEDED: Final = 3
V6_PARAMETER_PROBLEM: Final = 4
V6_ECHO_REQUEST: Final = 128
V6_ECHO_REPLY: Final = 129
V6_REDIRECT: Final = 137
V6_FIRST_INFORMATIONAL: Final = 128
V6_PROHIBITED: Final = 1
V6_ADDRESS_UNREACHABLE: Final = 3
V6_PROTOCOL_UNKNOWN: Final = (V6_PARAMETER_PROBLEM, 1, 6)
"""Type, code and pointer for a protocol that is not known: the Next Header field stands at 6."""

ECHO_TO_IPV4: Final = {V6_ECHO_REQUEST: ECHO_REQUEST, V6_ECHO_REPLY: ECHO_REPLY}
ECHO_TO_IPV6: Final = {ECHO_REQUEST: V6_ECHO_REQUEST, ECHO_REPLY: V6_ECHO_REPLY}

_PLATEAUS: Final = (65535, 32000, 17914, 8166, 4352, 2002, 1492)
"""Likely MTUs, RFC 1191 section 7, down to the last that IPv6's minimum MTU does not exceed."""

_IPV4_MINIMUM_MTU: Final = 68

_UNREACHABLE_TO_IPV6: Final = {
    0: (V6_UNREACHABLE, 0),
    1: (V6_UNREACHABLE, 0),
    3: (V6_UNREACHABLE, 4),
    5: (V6_UNREACHABLE, 0),
    6: (V6_UNREACHABLE, 0),
    7: (V6_UNREACHABLE, 0),
    8: (V6_UNREACHABLE, 0),
    9: (V6_UNREACHABLE, 1),
    10: (V6_UNREACHABLE, 1),
    11: (V6_UNREACHABLE, 0),
    12: (V6_UNREACHABLE, 0),
    13: (V6_UNREACHABLE, 1),
    15: (V6_UNREACHABLE, 1),
}
_UNREACHABLE_TO_IPV4: Final = {0: 1, 1: 10, 2: 1, 3: 1, 4: 3}

# RFC 7915 figures 3 and 6: which field a parameter problem points at. Missing: there is no such field.
_POINTER_TO_IPV6: Final = (
    {0: 0, 1: 1, 2: 4, 3: 4, 8: 7, 9: 6} | dict.fromkeys(range(12, 16), 8) | dict.fromkeys(range(16, 20), 24)
)
_POINTER_TO_IPV4: Final = (
    {0: 0, 1: 1, 4: 2, 5: 2, 6: 9, 7: 8} | dict.fromkeys(range(8, 24), 12) | dict.fromkeys(range(24, 40), 16)
)


def is_ipv6_error(icmp_type: int) -> bool:
    """Whether the ICMPv6 type is an error message (RFC 4443 section 2.1)."""
    return icmp_type < V6_FIRST_INFORMATIONAL


def error_to_ipv6(
    icmp_type: int, code: int, rest: int, *, inner_total_length: int, mtu: int
) -> tuple[int, int, int] | None:
    """Return type, code and second word of the ICMPv6 error for an ICMPv4 error, or None if there is none.

    `rest` is the ICMPv4 error's second word, `inner_total_length` the Total Length of the packet inside it,
    `mtu` that of the link that both families share here. RFC 7915 section 4.2.
    """
    if icmp_type == TIME_EXCEEDED:
        return V6_TIME_EXCEEDED, code, 0
    if icmp_type == PARAMETER_PROBLEM:
        pointer = _POINTER_TO_IPV6.get(rest >> 24)
        return (V6_PARAMETER_PROBLEM, 0, pointer) if code in {0, 2} and pointer is not None else None
    if icmp_type != UNREACHABLE:
        return None
    if code == PROTOCOL_UNREACHABLE:
        return V6_PROTOCOL_UNKNOWN
    if code == FRAGMENTATION_NEEDED:
        return V6_TOO_BIG, 0, _mtu_to_ipv6(rest & 0xFFFF, inner_total_length, mtu)
    type_code = _UNREACHABLE_TO_IPV6.get(code)
    return (*type_code, 0) if type_code is not None else None


def error_to_ipv4(
    icmp_type: int, code: int, rest: int, *, inner_has_fragment_header: bool, mtu: int
) -> tuple[int, int, int] | None:
    """Return type, code and second word of the ICMPv4 error for an ICMPv6 error, or None if there is none.

    `rest` is the ICMPv6 error's second word and `mtu` that of the link that both families share here.
    RFC 7915 section 5.2.
    """
    if icmp_type == V6_UNREACHABLE:
        new_code = _UNREACHABLE_TO_IPV4.get(code)
        return (UNREACHABLE, new_code, 0) if new_code is not None else None
    if icmp_type == V6_TOO_BIG:
        smaller_by = 28 if inner_has_fragment_header else 20
        return UNREACHABLE, FRAGMENTATION_NEEDED, max(_IPV4_MINIMUM_MTU, min(rest - smaller_by, mtu - 20))
    if icmp_type == V6_TIME_EXCEEDED:
        return TIME_EXCEEDED, code, 0
    if icmp_type == V6_PARAMETER_PROBLEM and code == 1:
        return UNREACHABLE, PROTOCOL_UNREACHABLE, 0
    if icmp_type == V6_PARAMETER_PROBLEM and code == 0:
        pointer = _POINTER_TO_IPV4.get(rest)
        return (PARAMETER_PROBLEM, 0, pointer << 24) if pointer is not None else None
    return None


def _mtu_to_ipv6(reported: int, inner_total_length: int, mtu: int) -> int:
    """Return the MTU for a Packet Too Big; a router of before RFC 1191 reports none, so one is guessed."""
    if not reported:
        likely = (plateau for plateau in _PLATEAUS if plateau < inner_total_length)
        reported = next(likely, 0)
    return max(ipv6_header.MINIMUM_MTU, min(reported + 20, mtu))
