"""The loop between the TUN device and the translator."""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING, Final

from nat64.device.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.siit.translator import Translator

log = logging.getLogger(__name__)

BURST: Final = 64
"""Packets handled for one wake-up; then the event loop gets its turn, so that control and signals are served."""

_LARGEST_PACKET: Final = 65536
_NOT_AVAILABLE: Final = frozenset((errno.EAGAIN, errno.EINTR))

WRITE_FAILED: Final = "device_write_failed"
INTERNAL_ERROR: Final = "device_internal_error"
MEANINGS: Final = {
    WRITE_FAILED: "packets that the TUN device did not take",
    INTERNAL_ERROR: "packets dropped because of a fault in this program; the log has the first of them",
}


class Forwarding:
    """Reads packets from a TUN descriptor, and writes what the translator makes of them.

    `clock` gives seconds and does not jump. `counts` has a number for each of `MEANINGS`.
    """

    def __init__(self, tun: int, translator: Translator, clock: Callable[[], float]) -> None:
        self._tun = tun
        self._translator = translator
        self._clock = clock
        self._buffer = memoryview(bytearray(_LARGEST_PACKET))
        self._into = [self._buffer]
        self.counts = dict.fromkeys(MEANINGS, 0)

    def forward_burst(self) -> None:
        """Handle the packets that wait, up to `BURST`. Raises `DeviceError` when the device is gone."""
        now = self._clock()
        buffer = self._buffer
        for _ in range(BURST):
            try:
                length = os.readv(self._tun, self._into)
            except OSError as error:
                if error.errno in _NOT_AVAILABLE:
                    return
                raise DeviceError(
                    f"the TUN device is gone: {error.strerror}; create it again (nat64d --mktun) and restart"
                ) from None
            self._forward(buffer[:length], now)

    def _forward(self, packet: memoryview, now: float) -> None:
        try:
            for outgoing in self._translator.receive(packet, now):
                try:
                    os.writev(self._tun, outgoing)
                except OSError as error:
                    self.counts[WRITE_FAILED] += 1
                    log.debug("the TUN device did not take a packet", extra={"error": error.strerror})
        except Exception:
            self.counts[INTERNAL_ERROR] += 1
            if self.counts[INTERNAL_ERROR] == 1:
                log.exception("fault on a packet, please report it", extra={"packet": packet[:128].hex()})
