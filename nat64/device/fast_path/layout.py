"""The maps' keys and values as octets: the same as map_layout.h, which says what each field means.

Addresses are in network byte order, all other numbers in the machine's. `LAYOUT` grows with that of the header.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from struct import Struct
from typing import Final, NamedTuple

LAYOUT: Final = 2
MOST_PREFIXES: Final = 16
ANY_PREFIX: Final = 0xFFFFFFFF
NOT_LEASED: Final = 0
BUDGETS: Final = 2 + 1024

SETTINGS: Final = Struct("=4I4B4s4s4s2IQ16s")
PREFIXES_AT: Final = 11
"""Where in what `SETTINGS` unpacks to their number stands."""
PREFIX: Final = Struct("=16s16sII4s4s")
HOST6_KEY: Final = Struct("=16sQ")
HOST6: Final = Struct("=4sII")
HOST4: Final = Struct("=16sII")
MAP6_KEY: Final = Struct("=II16s")
MAP4_KEY: Final = Struct("=I4s")
NETWORK_MAP: Final = Struct("=16s4sIII")
INDEX: Final = Struct("=I")
NANOSECONDS: Final = Struct("=Q")
IPV4: Final = Struct("=4s")
SUMMED: Final = Struct("=512s")


class SettingsFlag(IntFlag):
    """Which kinds of fixed maps there are, how a host reaches another one by its IPv4 address, and UDP without a checksum."""

    EXACT_MAPS = 1
    NETWORK_MAPS = 2
    HAIRPIN_INTRINSIC = 4
    HAIRPIN_SIMPLE = 8
    UDP_ZERO_FORWARD = 16
    UDP_ZERO_CALCULATE = 32


class Outcome(IntEnum):
    """What became of a packet, and the key of its count. Those that begin with `PASSED` went on to the daemon."""

    TO_IPV4_TCP = 0
    TO_IPV4_UDP = 1
    TO_IPV4_ICMP = 2
    TO_IPV6_TCP = 3
    TO_IPV6_UDP = 4
    TO_IPV6_ICMP = 5
    TURNED_BACK = 6
    ERROR_TO_IPV6 = 7
    PASSED_NO_HEARTBEAT = 8
    PASSED_NOT_IP = 9
    PASSED_LENGTH = 10
    PASSED_PROTOCOL = 11
    PASSED_OPTIONS = 12
    PASSED_FRAGMENT = 13
    PASSED_HOP_LIMIT = 14
    PASSED_TOO_BIG = 15
    PASSED_OWN_ADDRESS = 16
    PASSED_SPECIAL_ADDRESS = 17
    PASSED_UNKNOWN_ADDRESS = 18
    PASSED_DORMANT_LEASE = 19
    PASSED_HAIRPIN = 20
    PASSED_UDP_WITHOUT_CHECKSUM = 21
    PASSED_ICMP_NOT_ECHO = 22
    PASSED_CHECKSUM_UNFINISHED = 23
    PASSED_KERNEL_REFUSED = 24
    LOST = 25
    OVER_BUDGET = 26

    @property
    def is_translated(self) -> bool:
        """Whether the packet went on with other addresses."""
        return self <= Outcome.ERROR_TO_IPV6


MEANINGS: Final = {
    Outcome.TO_IPV4_TCP: "TCP, from IPv6 to IPv4",
    Outcome.TO_IPV4_UDP: "UDP, from IPv6 to IPv4",
    Outcome.TO_IPV4_ICMP: "echo requests and replies, from IPv6 to IPv4",
    Outcome.TO_IPV6_TCP: "TCP, from IPv4 to IPv6",
    Outcome.TO_IPV6_UDP: "UDP, from IPv4 to IPv6",
    Outcome.TO_IPV6_ICMP: "echo requests and replies, from IPv4 to IPv6",
    Outcome.TURNED_BACK: "from one host here to another, by its IPv4 address",
    Outcome.ERROR_TO_IPV6: "ICMP errors, from IPv4 to IPv6",
    Outcome.PASSED_NO_HEARTBEAT: "the daemon has stopped, or is changing the maps",
    Outcome.PASSED_NOT_IP: "neither IPv4 nor IPv6",
    Outcome.PASSED_LENGTH: "cut short, or longer than its header says",
    Outcome.PASSED_PROTOCOL: "neither TCP nor UDP nor ICMP, or behind IPv6 extension headers",
    Outcome.PASSED_OPTIONS: "IPv4 options",
    Outcome.PASSED_FRAGMENT: "a fragment of anything but TCP and UDP",
    Outcome.PASSED_HOP_LIMIT: "its TTL or hop limit ends here",
    Outcome.PASSED_TOO_BIG: "too big for the MTU, or to be fragmented",
    Outcome.PASSED_OWN_ADDRESS: "from or to the translator itself",
    Outcome.PASSED_SPECIAL_ADDRESS: "an address that is not translated, or stands for routers (RFC 6791)",
    Outcome.PASSED_UNKNOWN_ADDRESS: "a new host, or an address without a mapping",
    Outcome.PASSED_DORMANT_LEASE: "from IPv4, for a host that has been silent for long",
    Outcome.PASSED_HAIRPIN: "from one host here to another that is unknown, or silent for long",
    Outcome.PASSED_UDP_WITHOUT_CHECKSUM: "UDP without a checksum, to be dropped, or too long to be given one",
    Outcome.PASSED_ICMP_NOT_ECHO: "ICMP errors from IPv6, rare or damaged ones from IPv4, and other messages that are no echo",
    Outcome.PASSED_CHECKSUM_UNFINISHED: "a checksum left to a device: of an echo message, or inside of a tunnel",
    Outcome.PASSED_KERNEL_REFUSED: "the kernel would not change the packet",
    Outcome.LOST: "dropped, because the kernel ran out of memory halfway",
    Outcome.OVER_BUDGET: "dropped, with an address that is not known while there are more such packets than new-hosts allows",
}


class Kind(NamedTuple):
    """A map's key and value, and whether the loader sets how many entries it has."""

    key: Struct
    value: Struct
    is_sized: bool = False


MAPS: Final = {
    "settings": Kind(INDEX, SETTINGS),
    "prefixes": Kind(INDEX, PREFIX),
    "heartbeat": Kind(INDEX, NANOSECONDS),
    "hosts6": Kind(HOST6_KEY, HOST6, is_sized=True),
    "hosts4": Kind(IPV4, HOST4, is_sized=True),
    "maps6": Kind(MAP6_KEY, NETWORK_MAP, is_sized=True),
    "maps4": Kind(MAP4_KEY, NETWORK_MAP, is_sized=True),
    "last_used": Kind(INDEX, NANOSECONDS, is_sized=True),
    "outcomes": Kind(INDEX, NANOSECONDS),
    "summed": Kind(INDEX, SUMMED),
    "identification": Kind(INDEX, INDEX),
    "budgets": Kind(INDEX, NANOSECONDS),
}
