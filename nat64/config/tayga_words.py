"""What the words of single directives of tayga.conf mean. Each reader raises `Refused`."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface, ip_network
from pathlib import Path
from typing import Final, Literal, NamedTuple

from nat64.addressing.address_map import Hairpin
from nat64.addressing.eamt import Eam
from nat64.addressing.prefix import LENGTHS, Pref64
from nat64.addressing.special_purpose import may_translate_ipv4, may_translate_ipv6
from nat64.config.grammar import Directive, Refused, read_ipv4_network, read_ipv6_network

UdpCksumMode = Literal["drop", "fwd", "calc"]

_PREFIX: Final = "prefix ADDRESS/LENGTH [pool ADDRESS/LENGTH]"
_MAP: Final = "map IPV4[/LENGTH] IPV6[/LENGTH] [prefix ADDRESS/LENGTH]"


class Tos(NamedTuple):
    """The TOS octet and traffic class of translated packets, from 0 to 255; None: that of the packet."""

    to_ipv4: int | None = None
    to_ipv6: int | None = None


COPIED: Final = Tos()

LOG_CATEGORIES: Final = ("drop", "reject", "icmp", "self", "dyn")

_LONGEST_DEVICE_NAME: Final = 15
_LARGEST_POOL: Final = 8
_REMEMBERED_MAPS: Final = 1 << 14
_MOST_OCTET_DIGITS: Final = 3


class PrefixWords(NamedTuple):
    """A prefix, and the pool of its own if it has one."""

    prefix: Pref64
    pool: IPv4Network | None


class MapWords(NamedTuple):
    """A mapping, and the prefix that it is for; None means the first one."""

    eam: Eam
    prefix: Pref64 | None


def read_tun_device(directive: Directive) -> str:
    """Read an interface's name."""
    directive.count(1, 1, "tun-device NAME")
    name = directive.words[0]
    if len(name.encode()) > _LONGEST_DEVICE_NAME or "/" in name or name in {".", ".."}:
        remedy = f"give at most {_LONGEST_DEVICE_NAME} characters without '/', e.g.: tun-device nat64"
        raise Refused(f"'{name}' cannot name an interface", remedy)
    return name


def read_prefix(directive: Directive) -> PrefixWords:
    """Read an RFC 6052 prefix, with or without a pool."""
    directive.count(1, 3, _PREFIX)
    if len(directive.words) > 1 and (len(directive.words) != 3 or directive.words[1].lower() != "pool"):
        raise Refused(f"'{' '.join(directive.words[1:])}' cannot follow a prefix", f"write: {_PREFIX}")
    pool = _read_pool(directive.words[2], "pool") if len(directive.words) > 1 else None
    return PrefixWords(_read_pref64(directive.words[0]), pool)


def _read_pref64(word: str) -> Pref64:
    network = read_ipv6_network(word)
    if network.prefixlen not in LENGTHS:
        lengths = ", ".join(map(str, LENGTHS))
        raise Refused(
            f"a NAT64 prefix cannot have the length {network.prefixlen}", f"RFC 6052 allows {lengths}"
        )
    if not may_translate_ipv6(network.network_address.packed):
        raise Refused(f"{network} is reserved", "take 64:ff9b::/96 or one of a network of your own")
    return Pref64(network)


def read_dynamic_pool(directive: Directive) -> IPv4Network:
    """Read the pool's network."""
    directive.count(1, 1, "dynamic-pool ADDRESS/LENGTH")
    return _read_pool(directive.words[0], directive.keyword)


def _read_pool(word: str, keyword: str) -> IPv4Network:
    network = read_ipv4_network(word)
    if not _LARGEST_POOL <= network.prefixlen <= 31:
        raise Refused(
            f"a pool cannot have the length {network.prefixlen}", f"give one from {_LARGEST_POOL} to 31"
        )
    if not may_translate_ipv4(network.network_address.packed):
        raise Refused(f"{network} is reserved", f"take a private network, e.g.: {keyword} 192.168.240.0/20")
    return network


def read_map(directive: Directive) -> MapWords:
    """Read an explicit address mapping, with or without its prefix; a missing length means one address."""
    directive.count(2, 4, _MAP)
    if len(directive.words) > 2 and (len(directive.words) != 4 or directive.words[2].lower() != "prefix"):
        raise Refused(f"'{' '.join(directive.words[2:])}' cannot follow a map", f"write: {_MAP}")
    eam = _read_eam(directive.words[0], directive.words[1])
    return MapWords(eam, _read_pref64(directive.words[3]) if len(directive.words) > 2 else None)


@lru_cache(_REMEMBERED_MAPS)  # most of a reload's time went here, for maps that are as they were
def _read_eam(word4: str, word6: str) -> Eam:
    ipv4 = read_ipv4_network(_with_length(word4, 32))
    ipv6 = read_ipv6_network(_with_length(word6, 128))
    longest = 96 + ipv4.prefixlen
    if ipv6.prefixlen > longest:
        raise Refused(
            f"{ipv6} is too small for the addresses of {ipv4}",
            f"write the IPv6 network with /{longest}, or with a shorter length",
        )
    if not may_translate_ipv4(ipv4.network_address.packed):
        raise Refused(f"{ipv4} is reserved", "map another IPv4 address")
    if not may_translate_ipv6(ipv6.network_address.packed):
        raise Refused(f"{ipv6} is reserved", "map another IPv6 address")
    return Eam(ipv4, ipv6)


def read_log(directive: Directive) -> frozenset[str]:
    """Read which of `LOG_CATEGORIES` to log."""
    chosen = frozenset(word.lower() for word in directive.words)
    for word in sorted(chosen.difference(LOG_CATEGORIES)):
        raise Refused(f"'{word}' cannot be logged", f"choose from: {' '.join(LOG_CATEGORIES)}")
    return chosen


def read_udp_cksum_mode(directive: Directive) -> UdpCksumMode:
    """Read the mode, in any of TAYGA's spellings."""
    directive.count(1, 1, "udp-cksum-mode drop|fwd|calc")
    word = directive.words[0].lower()
    if word.startswith("dr"):
        return "drop"
    if word.startswith("calc"):
        return "calc"
    if word.startswith(("forw", "fwd")):
        return "fwd"
    raise Refused(f"'{directive.words[0]}' is no udp-cksum-mode", "write: udp-cksum-mode drop|fwd|calc")


def read_hairpin(directive: Directive) -> Hairpin:
    """Read how hosts reach one another."""
    directive.count(1, 1, "hairpin off|simple|intrinsic")
    try:
        return Hairpin(directive.words[0].lower())
    except ValueError:
        raise Refused(
            f"'{directive.words[0]}' is no way to hairpin", "write: hairpin off|simple|intrinsic"
        ) from None


def read_tos(directive: Directive) -> Tos:
    """Read what becomes of the TOS octet and the traffic class; one word is for both directions."""
    directive.count(1, 2, "tos copy|TO_IPV4 [copy|TO_IPV6], e.g.: tos 0")
    values = [None if word.lower() == "copy" else _octet(word) for word in directive.words]
    return Tos(values[0], values[-1])


def read_tun_ip(directive: Directive) -> IPv4Interface | IPv6Interface:
    """Read an address with or without the length of its network."""
    directive.count(1, 1, "tun-ip ADDRESS[/LENGTH]")
    try:
        return ip_interface(_without_zone(directive.words[0]))
    except ValueError:
        raise Refused(
            f"'{directive.words[0]}' is not an address", "write it as 192.0.2.1/24 or 2001:db8::1/64"
        ) from None


def read_tun_route(directive: Directive) -> IPv4Network | IPv6Network:
    """Read a destination with or without its length."""
    directive.count(1, 1, "tun-route DESTINATION[/LENGTH]")
    word = _without_zone(directive.words[0])
    try:
        route = ip_network(word, strict=False)
    except ValueError:
        raise Refused(f"'{word}' is not a network", "write it as 192.0.2.0/24 or 2001:db8::/64") from None
    if str(route.network_address) != str(ip_interface(word).ip):
        raise Refused(f"'{word}' has bits set after its length", f"did you mean {route}?")
    return route


def read_path(directive: Directive) -> Path:
    """Read one absolute path."""
    directive.count(1, 1, f"{directive.keyword} PATH")
    word = directive.words[0]
    if not word.startswith("/") or "\0" in word:
        raise Refused(f"'{word}' is not an absolute path", f"write: {directive.keyword} /PATH")
    return Path(word)


def _octet(word: str) -> int:
    """Read a decimal or hexadecimal number of eight bits."""
    digits = word.lower().removeprefix("0x")
    try:
        value = int(digits, 10 if digits == word else 16) if digits.isascii() and digits.isalnum() else -1
    except ValueError:
        value = -1
    if len(digits) > _MOST_OCTET_DIGITS or not 0 <= value <= 0xFF:
        raise Refused(f"'{word}' is not a valid tos", "write copy, or a number from 0 to 255 or 0x00 to 0xff")
    return value


def _without_zone(word: str) -> str:
    if "%" in word:
        raise Refused(f"'{word}' names an interface", "leave out what follows '%', the TUN device is meant")
    return word


def _with_length(word: str, length: int) -> str:
    return word if "/" in word else f"{word}/{length}"
