"""Where gateways tell each other their leases: words of `lease-listen` and `lease-peer`. Each reader raises `Refused`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nat64.config.dns64_config import Endpoint
from nat64.config.grammar import Refused
from nat64.config.totd_endpoints import read_address, read_options, read_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nat64.config.grammar import Directive, Findings, Placed

LEASE_PORT: Final = 6464


def read_endpoint(directive: Directive) -> Endpoint:
    """Read ``ADDRESS [port NUMBER]``."""
    usage = f"{directive.keyword} ADDRESS [port NUMBER]"
    directive.count(1, 3, usage)
    address = read_address(directive.words[0])
    if address.is_unspecified or address.is_multicast:
        raise Refused(f"{address} is no address of one gateway", "give that of the link between the gateways")
    options = read_options(directive.words[1:], {"port"}, usage)
    return Endpoint(address, read_port(options["port"][0]) if "port" in options else LEASE_PORT)


def check_link(
    findings: Findings, listen: Placed[Endpoint] | None, peers: Sequence[Placed[Endpoint]]
) -> None:
    """Refuse a gateway that nobody may ask, one that follows itself, and a peer that stands there twice."""
    if listen is not None and not peers:
        findings.refuse(
            listen.place,
            "lease-listen, and no lease-peer that may ask",
            "name the other gateway: lease-peer ADDRESS",
        )
    seen: dict[Endpoint, Placed[Endpoint]] = {}
    for peer in peers:
        if listen is not None and peer.value.address == listen.value.address:
            problem = f"lease-peer {peer.value.address} is this gateway's own lease-listen"
            findings.refuse(peer.place, problem, "give the address of the other gateway")
        if peer.value in seen:
            problem = f"lease-peer {peer.value} already stands at {seen[peer.value].place}"
            findings.refuse(peer.place, problem, "keep one of the two")
        seen.setdefault(peer.value, peer)
