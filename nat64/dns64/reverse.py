"""Reverse names of synthesized addresses (RFC 6147 section 5.3.1): ip6.arpa led to in-addr.arpa."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from dnslib import CNAME, RR, DNSLabel

from nat64.dns64.message import CLASS_IN, RRType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nat64.addressing.prefix import Pref64

CNAME_TTL: Final = 600
"""Seconds. The relation is the config's, and an answer should not outlive a change of it for long."""

_6TO4: Final = b"\x20\x02"
_NIBBLES: Final = 32
_HEX: Final = frozenset(b"0123456789abcdef")


def in_addr_arpa(name: DNSLabel, prefixes: Iterable[Pref64], *, stf: bool = False) -> DNSLabel | None:
    """Return the in-addr.arpa name of the IPv4 address that the ip6.arpa name's address embeds.

    The longest of `prefixes` counts; with `stf` 6to4 addresses embed one too (RFC 3056 section 2). ``None`` when
    the name is no whole reverse name or its address embeds none.
    """
    address = address_of(name)
    if address is None:
        return None
    found = [prefix for prefix in prefixes if prefix.extract(address) is not None]
    if found:
        embedded = max(found, key=lambda prefix: prefix.network.prefixlen).extract(address)
    elif stf and address.startswith(_6TO4):
        embedded = address[2:6]
    else:
        return None
    return DNSLabel(ipaddress.IPv4Address(embedded).reverse_pointer)


def address_of(name: DNSLabel) -> bytes | None:
    """Read an ip6.arpa name of 32 nibbles, in whatever case (RFC 3596 section 2.5)."""
    labels = [label.lower() for label in name.label]
    if len(labels) != _NIBBLES + 2 or labels[_NIBBLES:] != [b"ip6", b"arpa"]:
        return None
    nibbles = labels[:_NIBBLES]
    if not all(len(nibble) == 1 and nibble[0] in _HEX for nibble in nibbles):
        return None
    return bytes.fromhex(b"".join(reversed(nibbles)).decode())


def alias(name: DNSLabel, target: DNSLabel) -> RR:
    """Make the CNAME record that leads a reverse name to its in-addr.arpa name."""
    return RR(name, RRType.CNAME, CLASS_IN, CNAME_TTL, CNAME(target))
