"""What the translator counts, by reason.

The names' beginnings are the categories of the `log` directive: ``drop_`` was thrown away, ``reject_`` was
answered with an ICMP error, ``icmp_`` was answered as ordinary traffic asks for, ``self_`` went to the
translator's own addresses.
"""

from __future__ import annotations

from typing import Final

TO_IPV4: Final = "translated_to_ipv4"
TO_IPV6: Final = "translated_to_ipv6"
TO_IPV4_TCP: Final = "translated_to_ipv4_tcp"
TO_IPV4_UDP: Final = "translated_to_ipv4_udp"
TO_IPV4_ICMP: Final = "translated_to_ipv4_icmp"
TO_IPV4_OTHER: Final = "translated_to_ipv4_other"
TO_IPV6_TCP: Final = "translated_to_ipv6_tcp"
TO_IPV6_UDP: Final = "translated_to_ipv6_udp"
TO_IPV6_ICMP: Final = "translated_to_ipv6_icmp"
TO_IPV6_OTHER: Final = "translated_to_ipv6_other"
HAIRPINNED: Final = "translated_hairpinned"
ERROR_HAIRPINNED: Final = "translated_errors_hairpinned"
FRAGMENTED: Final = "translated_in_fragments"
ERROR_TO_IPV4: Final = "translated_errors_to_ipv4"
ERROR_TO_IPV6: Final = "translated_errors_to_ipv6"
SOURCE_REPLACED: Final = "translated_error_sources_replaced"
SELF_ECHO: Final = "self_echo_replies"
SELF_OTHER: Final = "self_other"
ERROR_SENT: Final = "errors_sent"
ERROR_RATE_LIMITED: Final = "errors_rate_limited"
ERROR_UNANSWERABLE: Final = "errors_unanswerable"
HOP_LIMIT: Final = "icmp_hop_limit_exceeded"
TOO_BIG: Final = "icmp_too_big"
NO_MAPPING: Final = "reject_no_mapping"
NOT_GLOBAL: Final = "reject_not_global"
POOL_EXHAUSTED: Final = "reject_pool_exhausted"
PREFIX_EXHAUSTED: Final = "reject_prefix_exhausted"
ROUTER_POOL: Final = "reject_rfc6791_pool"
SOURCE_ROUTE: Final = "reject_source_route"
ROUTING_HEADER: Final = "reject_routing_header"
NOT_IP: Final = "drop_not_ip"
MALFORMED: Final = "drop_malformed"
NEVER_TRANSLATED: Final = "drop_special_purpose_address"
FROM_SELF: Final = "drop_from_own_address"
PROTOCOL: Final = "drop_protocol"
UDP_ZERO_CHECKSUM: Final = "drop_udp_zero_checksum"
ICMP_FRAGMENT: Final = "drop_icmp_fragment"
ICMP_TYPE: Final = "drop_icmp_type"
ICMP_CHECKSUM: Final = "drop_icmp_error_checksum"
ICMP_INNER: Final = "drop_icmp_inner_packet"
ICMP_ADDRESS: Final = "drop_icmp_error_no_mapping"
ICMP_HOP_LIMIT: Final = "drop_icmp_error_hop_limit"

MEANINGS: Final[dict[str, str]] = {
    TO_IPV4: "packets translated from IPv6 to IPv4",
    TO_IPV4_TCP: "of these, TCP",
    TO_IPV4_UDP: "of these, UDP",
    TO_IPV4_ICMP: "of these, ICMP echo",
    TO_IPV4_OTHER: "of these, other protocols",
    TO_IPV6: "packets translated from IPv4 to IPv6",
    TO_IPV6_TCP: "of these, TCP",
    TO_IPV6_UDP: "of these, UDP",
    TO_IPV6_ICMP: "of these, ICMP echo",
    TO_IPV6_OTHER: "of these, other protocols",
    HAIRPINNED: "packets from one IPv6 host to the IPv4 address of another, turned back at once",
    ERROR_HAIRPINNED: "ICMPv6 errors about packets that were turned back",
    FRAGMENTED: "IPv4 packets that became two or more IPv6 fragments",
    ERROR_TO_IPV4: "ICMPv6 errors translated to ICMPv4",
    ERROR_TO_IPV6: "ICMPv4 errors translated to ICMPv6",
    SOURCE_REPLACED: "translated ICMP errors whose source had no counterpart and became one of the translator's",
    SELF_ECHO: "echo requests to the translator's own addresses, answered",
    SELF_OTHER: "other packets to the translator's own addresses, refused",
    ERROR_SENT: "ICMP errors sent by the translator itself",
    ERROR_RATE_LIMITED: "ICMP errors not sent because of the rate limit",
    ERROR_UNANSWERABLE: "ICMP errors not sent because the packet may not be answered with one",
    HOP_LIMIT: "packets whose hop limit or time to live ended here",
    TOO_BIG: "packets larger than the MTU that may not be fragmented",
    NO_MAPPING: "packets with an address that no prefix, map or lease covers",
    NOT_GLOBAL: "packets with a non-global IPv4 address through 64:ff9b::/96",
    POOL_EXHAUSTED: "packets of new hosts while every address of the dynamic pool was in use",
    PREFIX_EXHAUSTED: "packets of new hosts whose network holds all the leases that max-hosts-per-prefix allows",
    ROUTER_POOL: "packets to an address of the rfc6791-pool, which only stands for routers",
    SOURCE_ROUTE: "IPv4 packets with an unexpired source route",
    ROUTING_HEADER: "IPv6 packets with a routing header that has segments left",
    NOT_IP: "packets that are neither IPv4 nor IPv6",
    MALFORMED: "packets cut short or with impossible lengths",
    NEVER_TRANSLATED: "packets from or to multicast, loopback, link-local and the like",
    FROM_SELF: "packets that claim to come from the translator's own addresses",
    PROTOCOL: "packets of a protocol that has no meaning, or cannot be found, on the other side",
    UDP_ZERO_CHECKSUM: "IPv4 UDP packets without a checksum",
    ICMP_FRAGMENT: "fragments of ICMP packets, which cannot be translated",
    ICMP_TYPE: "ICMP messages that have no counterpart",
    ICMP_CHECKSUM: "ICMP errors with a wrong checksum, which a fresh one would hide",
    ICMP_INNER: "ICMP errors about a packet that cannot be translated",
    ICMP_ADDRESS: "ICMP errors to an address that has no mapping",
    ICMP_HOP_LIMIT: "ICMP errors whose hop limit or time to live ended here",
}
"""Each counter's name and what it counts."""


def fresh() -> dict[str, int]:
    """Return all counters at zero."""
    return dict.fromkeys(MEANINGS, 0)
