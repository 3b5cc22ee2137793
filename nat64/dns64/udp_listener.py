"""Takes queries from clients over UDP, and sends the responses: the asyncio adapter."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from typing import TYPE_CHECKING, Final

from nat64.dns64 import direct_loop
from nat64.dns64.datagrams import RESPONSE_AT, VECTORS_EACH, Datagrams
from nat64.dns64.flights import Later
from nat64.dns64.late_responses import SLOTS, LateResponses
from nat64.dns64.ready_answers import AHEAD
from nat64.dns64.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.dns64.clients import Client
    from nat64.dns64.mmsg import Origin
    from nat64.dns64.service import Service

log = logging.getLogger(__name__)

_BATCHES: Final = 4
"""Batches that are taken before others have their turn."""
_LONGEST_DEVICE_NAME: Final = 16


class UdpListener:
    """Serves one UDP socket; responses leave from the address that was asked.

    `begin` is called when questions have come up that are to be pursued. With `asked_for` the socket is bound to no
    address, and the kernel tells which one was asked.
    """

    def __init__(
        self, listening: socket.socket, service: Service, begin: Callable[[], None], *, asked_for: bool
    ) -> None:
        self._socket = listening
        self._service = service
        self._begin = begin
        self._asked_for = asked_for
        self._datagrams = Datagrams(listening, asked_for=asked_for)
        self._late = LateResponses(listening, asked_for=asked_for)
        self._loop = asyncio.get_running_loop()
        direct_loop.add_reader(listening.fileno(), self._readable)

    @property
    def is_stranded(self) -> bool:
        """Whether the socket is bound to an interface that was removed, and hears nothing even if it comes back."""
        try:
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _LONGEST_DEVICE_NAME)
        except OSError as error:
            return error.errno == errno.ENODEV
        return False

    def stop(self) -> None:
        """Take nothing more; responses can still be sent."""
        direct_loop.remove_reader(self._socket.fileno())

    def close(self) -> None:
        """Stop and close the socket."""
        self._send_gathered()
        self.stop()
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(_BATCHES):
            now = self._loop.time()
            try:
                count = self._datagrams.receive()
            except BlockingIOError:
                return
            except OSError as error:
                # A queued ICMP error of an earlier response: nobody's loss but that client's.
                log.debug("receiving failed", extra={"error": error})
                continue
            self._serve(count, now)
            if count < len(self._datagrams.lengths):
                return

    def _serve(self, count: int, now: float) -> None:
        """Answer the datagrams in the first `count` slots: at once what stands ready or is known, the rest later."""
        # All that most queries need stands here in one loop, and by local names: each call would cost them a tenth.
        datagrams = self._datagrams
        behind_id, senders, lengths = datagrams.behind_id, datagrams.senders, datagrams.lengths
        vectors, known_client = datagrams.vectors, self._service.known_client
        hold = datagrams.hold
        second = int(now)
        ahead = second + AHEAD
        asked_for = self._asked_for
        ready_count = 0
        gaps = []
        for slot in range(count):
            if asked_for:
                datagrams.forget_interface(slot)
            client = known_client(senders[slot].tobytes())
            if client is not None:
                ready = client.find_ready(behind_id[slot][: lengths[slot][0] - 2].tobytes())
                if ready is not None and second < ready.until and client.left and client.second == second:
                    client.left -= 1
                    if ready.second < second:
                        ready.turn_to(second, ahead)
                    at = VECTORS_EACH * slot + RESPONSE_AT
                    vectors[at] = ready.address
                    vectors[at + 1] = ready.size
                    hold(ready)  # what comes behind it in the batch may drop it from its table
                    ready_count += 1
                    continue
            if not self._received(slot, client, now):
                gaps.append(slot)
        self._send(count, gaps)
        self._service.answered_at_once(ready_count, count - len(gaps), self._loop.time() - now)
        self._begin()

    def _received(self, slot: int, client: Client | None, now: float) -> bool:
        """Have the service judge what came; return whether there is a response to send from the slot."""
        datagrams = self._datagrams
        data = datagrams.received(slot)
        origin = datagrams.origin(slot)

        def deliver(response: bytes) -> None:
            self._send_late(origin, response)

        try:
            if client is None:
                client = self._service.client(datagrams.senders[slot].tobytes())
            response = self._service.received(data, client, transport=Transport.UDP, now=now, deliver=deliver)
        except Exception:
            # One that fails must not take those along that came in the same batch.
            log.exception("a query failed by a fault of ours")
            return False
        if response is None or isinstance(response, Later):
            return False
        datagrams.respond(slot, response)
        return True

    def _send(self, count: int, gaps: list[int]) -> None:
        """Send from the first `count` slots but those in `gaps`."""
        failed = 0
        first = 0
        for gap in (*gaps, count):
            if gap > first:
                failed += self._datagrams.send(first, gap - first)
            first = gap + 1
        self._datagrams.sent_all()
        if failed:
            self._service.counters["unsent"] += failed

    def _send_late(self, origin: Origin, response: bytes) -> None:
        """Send a response with those that come up in the same turn of the loop."""
        if self._socket.fileno() < 0:
            return  # its number may be another's by now
        late = self._late
        if not len(late):
            self._loop.call_soon(self._send_gathered)
        late.add(origin, response)
        if len(late) == SLOTS:
            self._send_gathered()

    def _send_gathered(self) -> None:
        late = self._late
        if not len(late):
            return
        failed = late.send()
        if failed:
            self._service.counters["unsent"] += failed
