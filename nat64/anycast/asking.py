"""Sending the probes of a round all at once, and waiting for what answers them in time."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

from nat64.anycast.probes import Echo, Query

if TYPE_CHECKING:
    from collections.abc import Iterable

_DNS_PORT: Final = 53
_LARGEST: Final = 4096


def answered(probes: Iterable[Echo | Query], timeout: float) -> set[Echo | Query]:
    """Return the probes that were answered within `timeout` seconds.

    Raises `OSError` where there can be no socket, as without CAP_NET_RAW. What cannot be sent is not answered.
    """
    good: set[Echo | Query] = set()
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as ready:
        for probe in probes:
            ready.register(stack.enter_context(_sent(probe)), selectors.EVENT_READ, probe)
        until = time.monotonic() + timeout
        while ready.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in ready.select(left):
                channel, probe = key.fileobj, key.data
                if isinstance(channel, socket.socket) and _is_answered(probe, channel):
                    good.add(probe)
                    ready.unregister(channel)
    return good


def _sent(probe: Echo | Query) -> socket.socket:
    if isinstance(probe, Echo):
        channel = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        address = (str(probe.target), 0)
    else:
        channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        # Which clients dns64d answers is its owner's choice; the host itself always, by this address.
        channel.bind(("::1", 0))
        address = (str(probe.server), _DNS_PORT)
    channel.setblocking(False)
    with contextlib.suppress(OSError):  # no route: the probe has failed
        channel.connect(address)
        channel.send(probe.request())
    return channel


def _is_answered(probe: Echo | Query, channel: socket.socket) -> bool:
    try:
        message, source = channel.recvfrom(_LARGEST)
    except OSError:  # an ICMP error, as where nobody listens
        return False
    if isinstance(probe, Echo):
        return probe.is_answered_by(IPv6Address(source[0].partition("%")[0]), message)
    return probe.is_answered_by(message)
