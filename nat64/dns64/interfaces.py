"""The networks that this host's interfaces are connected to, read from the kernel."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from pyroute2 import AsyncIPRoute, NetlinkError

if TYPE_CHECKING:
    from nat64.config.dns64_config import Interfaces, IPNetwork


class InterfacesUnreadableError(Exception):
    """The kernel does not tell the interfaces' addresses; the text is ``why; remedy``."""


async def connected_networks(interfaces: Interfaces) -> tuple[IPNetwork, ...]:
    """Return the networks of the addresses on these interfaces; one that does not exist has none.

    Raises `InterfacesUnreadableError`.
    """
    try:
        found = await _read(interfaces)
    except (NetlinkError, OSError) as error:
        raise InterfacesUnreadableError(
            f"cannot read the interfaces' networks: {error}; allow AF_NETLINK, or name them with allow-query"
        ) from error
    return tuple(sorted(found, key=_order))


async def _read(interfaces: Interfaces) -> set[IPNetwork]:
    found: set[IPNetwork] = set()
    async with AsyncIPRoute() as kernel:
        names = {link["index"]: link.get("IFLA_IFNAME") async for link in await kernel.link("dump")}
        async for address in await kernel.addr("dump"):
            if interfaces.every or names.get(address["index"]) in interfaces.names:
                # On a point-to-point link IFA_ADDRESS is the peer's, which is who may ask.
                subnet = (address.get("IFA_ADDRESS"), address["prefixlen"])
                found.add(ipaddress.ip_network(subnet, strict=False))
    return found


def _order(network: IPNetwork) -> tuple[int, bytes, int]:
    return network.version, network.network_address.packed, network.prefixlen
