"""The marks that FRR announces: addresses that the kernel itself removes when nobody renews them.

FRR announces by BGP the connected networks that its route-map names, and no others. A mark makes such a network: for a
prefix the first address of it on the TUN (`64:ff9b::/96`, where packets for the prefix go in any case), for an address of
DNS64 the address itself on loopback. It is deprecated from the start, so that nothing takes it for a source address
(RFC 6724 section 5, rule 3), and it lives for some seconds: when who renews it hangs or is killed, the kernel takes the
mark away, and FRR the announcement.

An address of DNS64 also gets a local route, which stays: the host takes packets for it whether it is announced or not, so
that those under way after the withdrawal are answered, and the probes too.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final

from pyroute2 import IPRoute, NetlinkError

from nat64.device.errors import DeviceError

if TYPE_CHECKING:
    from ipaddress import IPv6Network

_IPV6: Final = 10  # AF_INET6
_LOCAL_TABLE: Final = 255
_PROTOCOL: Final = 64
"""Marks the local routes as the project's (rtm_protocol, rtnetlink(7))."""
_LOOPBACK: Final = "lo"
_GONE: Final = {errno.EADDRNOTAVAIL, errno.ENODEV, errno.ESRCH}


class Marks:
    """The marks of one host, whose prefixes lead to the TUN `device`, over one netlink socket."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._netlink: Any = IPRoute()

    def close(self) -> None:
        """Close the socket; marks live on until their time is over."""
        self._netlink.close()

    def take_packets_for(self, network: IPv6Network) -> None:
        """Have the host take packets for the address of DNS64, from now on and without an end. Raises `DeviceError`."""
        self._ask(
            f"take packets for {network}",
            "route",
            "replace",
            dst=str(network),
            type="local",
            table=_LOCAL_TABLE,
            oif=self._index(_LOOPBACK),
            proto=_PROTOCOL,
        )

    def renew(self, network: IPv6Network, seconds: int) -> None:
        """Have the network announced for so many seconds more. Raises `DeviceError`."""
        self._ask(
            f"mark {network} on {self._holder(network)}",
            "addr",
            "replace",
            index=self._index(self._holder(network)),
            address=str(network.network_address),
            prefixlen=network.prefixlen,
            preferred_lft=0,
            valid_lft=seconds,
        )

    def withdraw(self, network: IPv6Network) -> None:
        """Have the network no longer announced; none that is not. Raises `DeviceError`."""
        try:
            self._ask(
                f"take the mark {network} off {self._holder(network)}",
                "addr",
                "del",
                index=self._index(self._holder(network)),
                address=str(network.network_address),
                prefixlen=network.prefixlen,
            )
        except DeviceError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _GONE:
                raise

    def _holder(self, network: IPv6Network) -> str:
        return _LOOPBACK if network.prefixlen == network.max_prefixlen else self._device

    def _index(self, name: str) -> int:
        # Asked each time: a TUN that is made anew has another number.
        found = self._netlink.link_lookup(ifname=name)
        if not found:
            raise DeviceError(f"there is no interface {name}; start nat64d") from OSError(errno.ENODEV, name)
        index: int = found[0]
        return index

    def _ask(self, doing: str, kind: str, verb: str, **words: object) -> None:
        try:
            getattr(self._netlink, kind)(verb, family=_IPV6, **words)
        except NetlinkError as error:
            cause = OSError(error.code, error.args[1])
            raise DeviceError(f"cannot {doing}: {error.args[1]}; run with CAP_NET_ADMIN") from cause
