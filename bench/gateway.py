"""The network that is measured: a client, a gateway and a server in namespaces of their own.

::

    client ─────────── gateway ─────────── server
      2001:db8:1::/64    │      203.0.113.0/24
      192.168.1.0/24     │      2001:db8:2::/64
                         └ a TUN for each translator

All subjects stand in the same gateway at once and are told apart by the destination's address; one that is not
measured is idle. IPv4 is masqueraded as on a real gateway, whoever translated it, but for a pool that the server knows the
way to; IPv6 is forwarded without conntrack.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from tests.lab.namespaces import Namespace, link, namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER4: Final = "203.0.113.80"
SERVER6: Final = "2001:db8:2::80"
SERVER4_IN_HEX: Final = "cb00:7150"

_MASQUERADE: Final = """
table ip bench {
  set routed {
    type ipv4_addr
    flags interval
  }
  chain prerouting {
    type filter hook prerouting priority raw
    ip saddr @routed notrack
    ip daddr @routed notrack
  }
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "wan0" masquerade
  }
}
"""


class BenchNetwork:
    """The three namespaces."""

    def __init__(self, client: Namespace, gateway: Namespace, server: Namespace) -> None:
        self.client = client
        self.gateway = gateway
        self.server = server

    def route_without_masquerade(self, pool: str) -> None:
        """Have the gateway forward packets from and to a pool without conntrack."""
        self.gateway.run("nft", "add", "element", "ip", "bench", "routed", f"{{ {pool} }}")
        self.server.run("ip", "route", "add", pool, "via", "203.0.113.1")

    def segmentation(self, *, on: bool) -> None:
        """Let hosts hand whole TCP segments of up to 64 KiB to the gateway, or only packets of the MTU's size.

        Off stands for a gateway whose network cards bring single packets: no TSO at the hosts, no GRO at ingress.
        """
        state = "on" if on else "off"
        for namespace, device in (
            (self.client, "lan0"),
            (self.gateway, "lan0"),
            (self.gateway, "wan0"),
            (self.server, "eth0"),
        ):
            # GRO is off on veth by default: "on" only gives hosts their TSO back.
            namespace.run("ethtool", "-K", device, "tso", state, "gro", "off")


@contextlib.contextmanager
def bench_network() -> Iterator[BenchNetwork]:
    """Make the network, and remove it whatever happens."""
    with namespaces("client", "gateway", "server") as (client, gateway, server):
        link(client, "lan0", gateway, "lan0")
        link(gateway, "wan0", server, "eth0")
        for namespace, device, address in (
            (client, "lan0", "2001:db8:1::c/64"),
            (client, "lan0", "192.168.1.2/24"),
            (gateway, "lan0", "2001:db8:1::1/64"),
            (gateway, "lan0", "192.168.1.1/24"),
            (gateway, "wan0", "203.0.113.1/24"),
            (gateway, "wan0", "2001:db8:2::1/64"),
            (server, "eth0", f"{SERVER4}/24"),
            (server, "eth0", f"{SERVER6}/64"),
        ):
            namespace.run("ip", "address", "add", address, "dev", device)
        client.run("ip", "route", "add", "default", "via", "2001:db8:1::1")
        client.run("ip", "route", "add", "default", "via", "192.168.1.1")
        server.run("ip", "route", "add", "default", "via", "2001:db8:2::1")
        gateway.sysctl(
            net__ipv4__ip_forward=1,
            net__ipv6__conf__all__forwarding=1,
            net__ipv4__conf__all__send_redirects=0,
        )
        gateway.run("nft", _MASQUERADE)
        yield BenchNetwork(client, gateway, server)
