"""IP protocol numbers that translation treats specially (IANA Assigned Internet Protocol Numbers)."""

from __future__ import annotations

from typing import Final

HOP_BY_HOP: Final = 0
ICMP: Final = 1
IGMP: Final = 2
TCP: Final = 6
UDP: Final = 17
ROUTING: Final = 43
FRAGMENT: Final = 44
ICMPV6: Final = 58
AUTHENTICATION: Final = 51
DESTINATION_OPTIONS: Final = 60
MOBILITY: Final = 135
HIP: Final = 139
SHIM6: Final = 140

CHECKSUM_AT: Final = {TCP: 16, UDP: 6}
"""Where the checksum stands in the transport header, for those whose checksum covers the IP addresses."""

NOT_FROM_IPV4: Final = frozenset((HOP_BY_HOP, IGMP, ROUTING, FRAGMENT, ICMPV6, DESTINATION_OPTIONS))
"""Numbers that in an IPv4 header mean nothing, and in an IPv6 header would be read as extension headers; and IGMP, which
routers speak with their neighbours only (RFC 7915 section 4.2)."""

NOT_BEHIND_FRAGMENT: Final = frozenset((AUTHENTICATION, MOBILITY, HIP, SHIM6))
"""Extension headers that are passed as transports, but not behind a fragment header (RFC 7915 section 5.1.1)."""
