"""A worker: a process that serves one queue of the TUN device, and asks the daemon about what it does not know.

The daemon alone has leases, maps and counters. A packet that is not plain, or of a pair not heard of, goes to the
daemon as it was read, which sends what becomes of it and tells the pair.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
from typing import TYPE_CHECKING, Final

from nat64.device import worker_messages
from nat64.device.forwarding import BURST, LARGEST_PACKET
from nat64.siit import offload
from nat64.siit.known_pairs import KnownPairs

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from nat64.device.tun import OpenTun
    from nat64.siit.settings import Settings

TELLS_EVERY: Final = 1.0
"""Seconds from one account of what was used to the next."""

_TRY_LATER: Final = frozenset((errno.EAGAIN, errno.EINTR, errno.ENOBUFS))


class TunWorker:
    """Serves the queue `tun` until the daemon's end of `channel` is closed. `clock` gives seconds and does not jump."""

    def __init__(
        self, tun: OpenTun, channel: socket.socket, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self._tun = tun.descriptor
        self._packet_at = offload.HEADER_LENGTH if tun.offloads else 0
        self._channel = channel
        self._clock = clock
        self._known = KnownPairs(settings)
        self._buffer = memoryview(bytearray(offload.HEADER_LENGTH + LARGEST_PACKET))
        self._told_at = clock()
        self._write_failed = 0
        self._not_passed_on = 0

    def run(self) -> None:
        """Serve. Returns when the daemon, or the device, is gone."""
        ready = select.poll()
        ready.register(self._tun, select.POLLIN)
        ready.register(self._channel, select.POLLIN)
        while True:
            for descriptor, _ in ready.poll(TELLS_EVERY * 1000):
                goes_on = self._serve_queue() if descriptor == self._tun else self._listen()
                if not goes_on:
                    return
            now = self._clock()
            if now - self._told_at >= TELLS_EVERY:
                self._tell_used(now)

    def _serve_queue(self) -> bool:
        """Handle the packets that wait; False when the device is gone."""
        now = self._clock()
        for _ in range(BURST):
            try:
                length = os.readv(self._tun, (self._buffer,))
            except OSError as error:
                return error.errno in _TRY_LATER
            if not length:
                return False
            self._forward(self._buffer[:length], now)
        return True

    def _forward(self, read: memoryview, now: float) -> None:
        packet = read[self._packet_at :]
        left = offload.left_by(read) if self._packet_at else None
        done = self._known.translate(packet, now, left)
        if done is None:
            self._ask(read)
            return
        header, packets = done
        for sent in packets:
            try:
                os.writev(self._tun, (header, *sent) if self._packet_at else sent)
            except OSError:
                self._write_failed += 1

    def _ask(self, read: memoryview) -> None:
        try:
            self._channel.sendmsg((worker_messages.PACKET, read))
        except OSError:  # the daemon is behind by as many packets as the channel holds
            self._not_passed_on += 1

    def _listen(self) -> bool:
        """Take what the daemon says; False when it is gone."""
        for _ in range(BURST):
            try:
                message = self._channel.recv(worker_messages.LARGEST)
            except OSError as error:
                return error.errno in _TRY_LATER
            if not message:
                return False
            if message[:1] == worker_messages.PAIR:
                self._known.learn(*worker_messages.read_pair(message[1:]), self._clock())
            else:
                self._known.reset(worker_messages.read_settings(message[1:]))
        return True

    def _tell_used(self, now: float) -> None:
        counts = self._known.counts
        used = worker_messages.Used(
            tuple(counts[name] for name in worker_messages.COUNTED),
            self._write_failed,
            self._not_passed_on,
            self._known.used_since(self._told_at, now),
        )
        first, *more = worker_messages.write_used(used)
        with contextlib.suppress(OSError):  # else told the next time
            self._channel.send(first)
            counts.update(dict.fromkeys(worker_messages.COUNTED, 0))
            self._write_failed = self._not_passed_on = 0
            self._told_at = now
            for message in more:
                self._channel.send(message)
