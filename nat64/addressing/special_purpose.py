"""Addresses with a special purpose: which may never be translated, and which are not global.

Source: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Final

_NOT_GLOBAL: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private use, RFC 1918
        "100.64.0.0/10",  # shared address space, RFC 6598
        "127.0.0.0/8",  # loopback, RFC 1122
        "169.254.0.0/16",  # link local, RFC 3927
        "172.16.0.0/12",  # private use, RFC 1918
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890, but for the exceptions below
        "192.0.2.0/24",  # TEST-NET-1, RFC 5737
        "192.168.0.0/16",  # private use, RFC 1918
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # TEST-NET-2, RFC 5737
        "203.0.113.0/24",  # TEST-NET-3, RFC 5737
        "240.0.0.0/4",  # reserved, RFC 1112, with the limited broadcast address
    )
)
_GLOBAL_EXCEPTIONS: Final = frozenset(
    (
        bytes((192, 0, 0, 9)),  # Port Control Protocol anycast, RFC 7723
        bytes((192, 0, 0, 10)),  # TURN anycast, RFC 8155
    )
)
_NOT_GLOBAL_MASKED: Final = tuple(
    (int(network.netmask), int(network.network_address)) for network in _NOT_GLOBAL
)


def is_global(ipv4: bytes) -> bool:
    """Whether the registry marks `ipv4` as globally reachable (multicast is not in the registry: True)."""
    if ipv4 in _GLOBAL_EXCEPTIONS:
        return True
    number = int.from_bytes(ipv4, "big")
    return all(number & mask != network for mask, network in _NOT_GLOBAL_MASKED)


def is_nowhere_global(network: IPv4Network) -> bool:
    """Whether `is_global` holds for no address of `network`."""
    return any(map(network.subnet_of, _NOT_GLOBAL)) and not any(
        IPv4Address(exception) in network for exception in _GLOBAL_EXCEPTIONS
    )


def may_translate_ipv4(ipv4: bytes) -> bool:
    """Whether a packet from or to `ipv4` may cross a translator at all.

    Not so: 0.0.0.0/8, loopback, link local, multicast, and the limited broadcast address. The rest of
    240.0.0.0/4 may, as in TAYGA.
    """
    first = ipv4[0]
    return not (
        first in (0, 127)
        or 224 <= first <= 239
        or (first == 169 and ipv4[1] == 254)
        or ipv4 == b"\xff\xff\xff\xff"
    )


def may_translate_ipv6(ipv6: bytes) -> bool:
    """Whether a packet from or to `ipv6` may cross a translator at all.

    Not so: ::/8 (unspecified, loopback, IPv4-mapped; the NAT64 prefixes 64:ff9b::/32 are excepted), link
    local, and multicast.
    """
    first = ipv6[0]
    if first == 0:
        return ipv6.startswith(b"\x00\x64\xff\x9b")
    return first != 0xFF and not (first == 0xFE and ipv6[1] & 0xC0 == 0x80)
