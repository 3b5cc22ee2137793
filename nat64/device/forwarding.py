"""The loop between the TUN device and the translator."""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING, Final

from nat64.device.errors import DeviceError
from nat64.siit import offload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nat64.device.tun import OpenTun
    from nat64.siit.translator import Translator

log = logging.getLogger(__name__)

BURST: Final = 64
"""Packets handled for one wake-up; then the event loop gets its turn, so that control and signals are served."""

LARGEST_PACKET: Final = 65536
_NOT_AVAILABLE: Final = frozenset((errno.EAGAIN, errno.EINTR))

WRITE_FAILED: Final = "device_write_failed"
NOT_PASSED_ON: Final = "device_worker_not_heard"
INTERNAL_ERROR: Final = "device_internal_error"
MEANINGS: Final = {
    WRITE_FAILED: "packets that the TUN device did not take",
    NOT_PASSED_ON: "packets that a worker could not hand to the daemon, which was behind",
    INTERNAL_ERROR: "packets dropped because of a fault in this program; the log has the first of them",
}


class Forwarding:
    """Reads packets from a TUN device, and writes what the translator makes of them.

    `clock` gives seconds and does not jump. `counts` has a number for each of `MEANINGS`.
    """

    def __init__(self, tun: OpenTun, translator: Translator, clock: Callable[[], float]) -> None:
        self._tun = tun.descriptor
        self._translator = translator
        self._clock = clock
        self._buffer = memoryview(bytearray(offload.HEADER_LENGTH + LARGEST_PACKET))
        self._into = [self._buffer]
        self._handle = self._forward_offloaded if tun.offloads else self._forward
        self.counts = dict.fromkeys(MEANINGS, 0)

    def forward_burst(self, descriptor: int | None = None) -> None:
        """Handle the packets that wait, up to `BURST`, in another queue if one is given.

        Raises `DeviceError` when the device is gone.
        """
        now = self._clock()
        buffer = self._buffer
        queue = self._tun if descriptor is None else descriptor
        for _ in range(BURST):
            try:
                length = os.readv(queue, self._into)
            except OSError as error:
                if error.errno in _NOT_AVAILABLE:
                    return
                raise DeviceError(
                    f"the TUN device is gone: {error.strerror}; create it again (nat64d --mktun) and restart"
                ) from None
            self.forward(buffer[:length], now, queue)

    def forward(self, read: memoryview, now: float, queue: int) -> None:
        """Handle one packet as it was read: with the header before it, if the device has offloads.

        What becomes of it is written to the same `queue`: the kernel then gives the answers to that one, too.
        """
        try:
            self._handle(read, now, queue)
        except Exception:
            self.counts[INTERNAL_ERROR] += 1
            if self.counts[INTERNAL_ERROR] == 1:
                log.exception("fault on a packet, please report it", extra={"packet": read[:128].hex()})

    def _forward(self, packet: memoryview, now: float, queue: int) -> None:
        for sent in self._translator.receive(packet, now):
            self._write(queue, sent)

    def _forward_offloaded(self, read: memoryview, now: float, queue: int) -> None:
        packet = read[offload.HEADER_LENGTH :]
        left = offload.left_by(read)
        if left is None:
            header, packets = offload.NOTHING_LEFT, self._translator.receive(packet, now)
        else:
            header, packets = self._translator.receive_offloaded(packet, left, now)
        for sent in packets:
            self._write(queue, (header, *sent))

    def _write(self, queue: int, parts: Sequence[bytes | memoryview]) -> None:
        try:
            os.writev(queue, parts)
        except OSError as error:
            self.counts[WRITE_FAILED] += 1
            log.debug("the TUN device did not take a packet", extra={"error": error.strerror})
