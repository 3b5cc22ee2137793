"""Who is answered. No I/O."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nat64.config.dns64_config import IPAddress, IPNetwork

LOOPBACK: Final = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))


class AllowQuery:
    """The networks whose hosts are answered; loopback always is."""

    def __init__(self, networks: Iterable[IPNetwork]) -> None:
        self.networks: tuple[IPNetwork, ...] = tuple(dict.fromkeys((*LOOPBACK, *networks)))

    def allows(self, client: IPAddress) -> bool:
        """Tell whether the client is answered."""
        return any(client in network for network in self.networks)


def client_address(host: str) -> IPAddress:
    """Read a client's address as the kernel writes it, perhaps with ``%zone``."""
    return ipaddress.ip_address(host.partition("%")[0])
