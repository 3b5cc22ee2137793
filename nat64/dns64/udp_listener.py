"""Takes queries from clients over UDP, and sends the responses: the asyncio adapter."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from typing import TYPE_CHECKING, Final

from nat64.dns64.sockets import IP_PKTINFO
from nat64.dns64.tcp_listeners import Tasks, respond

if TYPE_CHECKING:
    from nat64.dns64.service import Query, Service
    from nat64.dns64.upstream import Upstream

log = logging.getLogger(__name__)

_BURST: Final = 64
_LONGEST_QUERY: Final = 4096
_LONGEST_DEVICE_NAME: Final = 16
_CONTROL_SPACE: Final = socket.CMSG_SPACE(20)
_IN_PKTINFO: Final = struct.Struct("=i4s4s")  # interface, our address, destination (ip(7))
_IN6_PKTINFO: Final = struct.Struct("=16si")  # destination, interface (ipv6(7))

Address = tuple[str, int] | tuple[str, int, int, int]


class UdpListener:
    """Serves one UDP socket; responses leave from the address that was asked."""

    def __init__(self, listening: socket.socket, service: Service, upstream: Upstream, tasks: Tasks) -> None:
        self._socket = listening
        self._service = service
        self._upstream = upstream
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(listening, self._readable)

    @property
    def is_stranded(self) -> bool:
        """Whether the socket is bound to an interface that was removed, and hears nothing even if it comes back."""
        try:
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _LONGEST_DEVICE_NAME)
        except OSError as error:
            return error.errno == errno.ENODEV
        return False

    def close(self) -> None:
        """Stop and close the socket."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(_BURST):
            try:
                data, control, _, peer = self._socket.recvmsg(_LONGEST_QUERY, _CONTROL_SPACE)
            except BlockingIOError:
                return
            except OSError as error:
                # A queued ICMP error of an earlier response: nobody's loss but that client's.
                log.debug("receiving failed", extra={"error": error})
                continue
            self._received(data, control, peer)

    def _received(self, data: bytes, control: list[tuple[int, int, bytes]], peer: Address) -> None:
        result = self._service.message_received(data, peer[0], tcp=False, now=self._loop.time())
        if isinstance(result, bytes):
            self._send(result, control, peer)
        elif result is not None:
            self._tasks.start(self._resolve(result, control, peer))

    async def _resolve(self, query: Query, control: list[tuple[int, int, bytes]], peer: Address) -> None:
        response = await respond(self._service, self._upstream, query)
        if self._socket.fileno() >= 0:
            self._send(response, control, peer)

    def _send(self, response: bytes, control: list[tuple[int, int, bytes]], peer: Address) -> None:
        try:
            self._socket.sendmsg([response], source_control(control), 0, peer)
        except OSError as error:
            self._service.counters["unsent"] += 1
            log.debug("response not sent", extra={"client": peer[0], "error": error})


def source_control(control: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Turn what recvmsg told about a query's destination into what makes sendmsg answer from there.

    The interface is named only where the address means nothing without it; routing chooses otherwise.
    """
    for level, kind, data in control:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            _, ours, _ = _IN_PKTINFO.unpack_from(data)
            return [(level, kind, _IN_PKTINFO.pack(0, ours, bytes(4)))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            destination, interface = _IN6_PKTINFO.unpack_from(data)
            link_local = destination[0] == 0xFE and destination[1] & 0xC0 == 0x80
            return [(level, kind, _IN6_PKTINFO.pack(destination, interface if link_local else 0))]
    return []
