# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""What is wrong with the variables of role anycast, given the addresses of the host. No I/O."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAST_AS = (1 << 32) - 1


def findings(settings: dict[str, Any], addresses: str) -> list[str]:
    """Return everything that stands in the way, a line each; `addresses` is what ``ip -6 -o address`` prints.

    Without peers the role does nothing, so that nothing is wrong.
    """
    if not settings["peers"]:
        return []
    return [
        *_own_findings(settings),
        *_peer_findings(settings["peers"], _connected(addresses)),
        *_prefix_findings(settings),
        *_address_findings(settings),
    ]


def _own_findings(settings: dict[str, Any]) -> Iterator[str]:
    if not 1 <= int(settings["local_as"]) <= _LAST_AS:
        yield "anycast_local_as: there is none; give this gateway's AS number, such as 64512"
    if _read(IPv4Address, settings["router_id"]) is None:
        said = f"'{settings['router_id']}' is none" if settings["router_id"] else "there is none"
        yield f"anycast_router_id: {said}; give an IPv4 address in form, such as 192.0.2.1, another on each gateway"
    if not settings["prefixes"] and not settings["dns64_addresses"]:
        yield "anycast_prefixes: there is nothing to announce; name prefixes here or addresses in anycast_dns64_addresses"
    if int(settings["interval"]) < 1:
        yield "anycast_interval: must be 1 second at least"
    if int(settings["hold"]) <= 2 * int(settings["interval"]):
        yield (
            f"anycast_hold: {settings['hold']} seconds are too few; give more than twice anycast_interval,"
            f" {settings['interval']}"
        )


def _peer_findings(peers: list[dict[str, Any]], connected: list[IPv6Network]) -> Iterator[str]:
    seen = set[IPv6Address]()
    for peer in peers:
        address = _read(IPv6Address, peer["address"])
        if address is None or address.is_link_local:
            yield f"anycast_peers: '{peer['address']}' is not an IPv6 address that can be told without an interface; give the router's global one"
            continue
        if address in seen:
            yield f"anycast_peers: {address} is there twice; name each router once"
        seen.add(address)
        if not 1 <= int(peer["asn"]) <= _LAST_AS:
            yield f"anycast_peers: {address}: {peer['asn']} is not an AS number; give the router's"
        if re.search(r"\s", peer.get("password") or ""):
            yield f"anycast_peers: {address}: the password has a blank in it, which FRR cannot take; choose another"
        if int(peer.get("multihop") or 1) < 2 and not any(address in network for network in connected):
            yield (
                f"anycast_peers: {address} is in no network of this host; correct the address,"
                " or say how far away it is, such as multihop: 2"
            )


def _prefix_findings(settings: dict[str, Any]) -> Iterator[str]:
    own = {_read(IPv6Network, each) for each in settings["nat64_prefixes"]}
    for word in settings["prefixes"]:
        network = _read(IPv6Network, word)
        if network is None or network not in own:
            yield (
                f"anycast_prefixes: '{word}' is not translated here; name one of"
                f" {', '.join(map(str, settings['nat64_prefixes']))}, or let the role nat64 have it"
            )
    if settings["prefixes"] and not settings["ping"]:
        yield (
            "anycast_ping: there is none, so that nobody could tell whether the gateway translates; give an IPv4"
            " address that always answers, such as the provider's router"
        )
    for word in settings["ping"]:
        if _read(IPv4Address, word) is None:
            yield f"anycast_ping: '{word}' is not an IPv4 address; give one, such as 192.0.2.1"


def _address_findings(settings: dict[str, Any]) -> Iterator[str]:
    listening = {_read(ip_address, each) for each in settings["dns64_listen"]}
    for word in settings["dns64_addresses"]:
        address = _read(IPv6Address, word)
        if address is None:
            yield f"anycast_dns64_addresses: '{word}' is not an IPv6 address; give one, such as 2001:db8:53::53"
        elif address not in listening:
            yield (
                f"anycast_dns64_addresses: DNS64 is not served at {address}; add it to dns64_listen,"
                f' as {{address: "{address}"}}'
            )


def _connected(addresses: str) -> list[IPv6Network]:
    """Return the networks of the host's links; ``2: lan0    inet6 2001:db8::1/64 scope global`` is one."""
    found = re.findall(r"^\d+: (\S+)\s+inet6 (\S+)", addresses, re.MULTILINE)
    return [IPv6Interface(each).network for device, each in found if device != "lo"]


def _read(kind: Any, word: object) -> Any:  # noqa: ANN401 - one of ipaddress's
    try:
        return kind(str(word))
    except ValueError:
        return None
