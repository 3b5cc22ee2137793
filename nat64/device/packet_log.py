"""Log lines about packets that did not go on, as the `log` directive asks, and never more than a log can bear."""

from __future__ import annotations

import logging
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from nat64.siit import counters
from nat64.siit.rate_limit import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_LINES_PER_SECOND: Final = 20
_LINES_AT_ONCE: Final = 100
_SECONDS_BETWEEN_WARNINGS: Final = 10


_WARNINGS: Final = {
    counters.POOL_EXHAUSTED: "the dynamic pool is exhausted, new hosts are refused; give it a larger network",
    counters.PREFIX_EXHAUSTED: (
        "a network holds all the leases that it may, its new hosts are refused; raise max-hosts-per-prefix if they are"
        " hosts of their own"
    ),
}


class PacketLog:
    """Logs packets of the chosen `categories`; that new hosts are refused is told always. `clock` gives seconds."""

    def __init__(self, categories: frozenset[str], clock: Callable[[], float]) -> None:
        self._categories = categories
        self._clock = clock
        self._lines = TokenBucket(_LINES_PER_SECOND, _LINES_AT_ONCE)
        self._warnings = TokenBucket(1 / _SECONDS_BETWEEN_WARNINGS, 1)
        self._left_out = 0

    def observe(self, counter: str, packet: memoryview) -> None:
        """Take note of a packet that was counted as `counter`."""
        if counter in _WARNINGS and self._warnings.take(self._clock()):
            log.warning(_WARNINGS[counter], extra=_addresses(packet))
        category = counter.partition("_")[0]
        if category not in self._categories:
            return
        if not self._lines.take(self._clock()):
            self._left_out += 1
            return
        extra: dict[str, object] = {"reason": counter, **_addresses(packet)}
        if counter == counters.UDP_ZERO_CHECKSUM:
            extra |= _udp_ports(packet)
        if self._left_out:
            extra["left_out"] = self._left_out
            self._left_out = 0
        log.info(counters.MEANINGS[counter], extra=extra)


def _udp_ports(packet: memoryview) -> dict[str, object]:
    """Return the ports of an IPv4 UDP packet, which RFC 7915 section 4.5 asks to be told."""
    at = (packet[0] & 15) * 4
    ports = (int.from_bytes(packet[at : at + 2], "big"), int.from_bytes(packet[at + 2 : at + 4], "big"))
    return {"source_port": ports[0], "destination_port": ports[1]}


def _addresses(packet: memoryview) -> dict[str, object]:
    """Return source and destination as far as the packet shows them."""
    version = packet[0] >> 4 if packet else 0
    if version == 6 and len(packet) >= 40:
        source, destination = packet[8:24], packet[24:40]
    elif version == 4 and len(packet) >= 20:
        source, destination = packet[12:16], packet[16:20]
    else:
        return {"packet": packet[:40].hex()}
    return {"source": str(ip_address(bytes(source))), "destination": str(ip_address(bytes(destination)))}
