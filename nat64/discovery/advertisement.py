"""Router advertisements, and the NAT64 prefixes in them: the option PREF64 (RFC 4861 section 4.2, RFC 8781)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.addressing.prefix import Pref64

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv6Address

SOLICITATION: Final = bytes((133, 0, 0, 0, 0, 0, 0, 0))
"""A router solicitation without options (RFC 4861 section 4.1); the kernel fills in the checksum."""

_ADVERTISEMENT: Final = 134
_HEADER: Final = 16
_PREF64: Final = 38
_PREF64_UNITS: Final = 2
_ON_LINK: Final = 255
_LENGTHS: Final = (96, 64, 56, 48, 40, 32)
"""By prefix length code, RFC 8781 section 4."""


class AdvertisedPrefix(NamedTuple):
    """A prefix, and for how many seconds from now it is valid; 0 takes it back."""

    prefix: Pref64
    lifetime: int


@dataclass(frozen=True, slots=True)
class RouterAdvertisement:
    """What a router says of NAT64."""

    router: IPv6Address
    prefixes: tuple[AdvertisedPrefix, ...] = ()


def read(message: bytes, source: IPv6Address, hop_limit: int) -> RouterAdvertisement | None:
    """Return what an ICMPv6 message says if it is a router advertisement that a host accepts (RFC 4861 section 6.1.2).

    Options that are malformed or have a reserved prefix length code are ignored (RFC 8781 section 4).
    """
    is_one = len(message) >= _HEADER and message[0] == _ADVERTISEMENT and not message[1]
    if not is_one or hop_limit != _ON_LINK or not source.is_link_local:
        return None
    options = list(_options(message[_HEADER:]))
    if None in options:
        return None
    return RouterAdvertisement(source, tuple(_prefixes(option for option in options if option is not None)))


def _options(rest: bytes) -> Iterator[bytes | None]:
    """Yield each option; None where one has no length or ends behind the message, so that all of it is discarded."""
    while rest:
        octets = 8 * rest[1] if len(rest) > 1 else 0
        if not octets or octets > len(rest):
            yield None
            return
        yield rest[:octets]
        rest = rest[octets:]


def _prefixes(options: Iterator[bytes]) -> Iterator[AdvertisedPrefix]:
    for option in options:
        if option[0] != _PREF64 or option[1] != _PREF64_UNITS:
            continue
        scaled = int.from_bytes(option[2:4], "big")
        lifetime, code = scaled & ~7, scaled & 7  # 13 bits that count 8 seconds each
        if code < len(_LENGTHS):
            network = IPv6Network((option[4:16] + bytes(4), _LENGTHS[code]), strict=False)
            yield AdvertisedPrefix(Pref64(network), lifetime)
