"""Datagrams by the batch: one system call takes many, one sends many (recvmmsg(2), sendmmsg(2)).

Each datagram has a slot with room for its bytes, its sender and what came beside it. A response leaves from its
query's slot: to that sender, from the address that was asked, with the first two bytes of what came.
"""

from __future__ import annotations

import ctypes
import socket
from typing import TYPE_CHECKING, Final

from nat64.dns64 import mmsg

if TYPE_CHECKING:
    from nat64.dns64.mmsg import Origin

SLOTS: Final = 64
LONGEST_QUERY: Final = 4096
_STRIDE: Final = LONGEST_QUERY + 64
"""Bytes from one slot's data to the next; no power of two, or all would meet in the same lines of the processor's cache."""
_NAME_STRIDE: Final = 32
_ADDRESSES: Final = {socket.AF_INET: slice(4, 8), socket.AF_INET6: slice(8, 24)}
_CONTROL_STRIDE: Final = 64
_ID_SIZE: Final = 2


_LENGTHS_EACH: Final = ctypes.sizeof(mmsg.Message) // 4
_LENGTH_AT: Final = mmsg.Message.length.offset // 4
_CONTENT_AT: Final = socket.CMSG_LEN(0)  # of what came beside a datagram
_NO_INTERFACE: Final = bytes(4)

VECTORS_EACH: Final = 4
"""Numbers of a slot in `Datagrams.vectors`."""
RESPONSE_AT: Final = 2
"""Where among them the response's address and length stand, both without the ID."""


class Datagrams:
    """The slots of one socket. With `asked_for` the kernel tells the address that each query went to."""

    def __init__(self, listening: socket.socket, *, asked_for: bool) -> None:
        family = listening.family
        self._name_size = mmsg.NAME_SIZES[family]
        self._descriptor = listening.fileno()
        self._ipv6 = family == socket.AF_INET6
        self._data = bytearray(SLOTS * _STRIDE)
        self._names = bytearray(SLOTS * _NAME_STRIDE)
        self._controls = bytearray(SLOTS * _CONTROL_STRIDE)
        self._control_size = mmsg.CONTROL_SIZES[family] if asked_for else 0
        self._received = (mmsg.Message * SLOTS)()
        self._sent = (mmsg.Message * SLOTS)()
        self._incoming = (mmsg.IoVec * SLOTS)()
        self._outgoing = (mmsg.IoVec * (2 * SLOTS))()
        self._point()
        self._headers = memoryview(self._received).cast("B")
        self._fresh_headers = bytes(self._headers)
        self.vectors = memoryview(self._outgoing).cast("B").cast("P")
        """What is sent from each slot; see `VECTORS_EACH`."""
        # Only for the time of a call: what the pointers in `vectors` lead to.
        self._responses: list[object] = []
        self.hold = self._responses.append
        """Keep an object, and so what a pointer in `vectors` leads to, until `sent_all`."""
        data = memoryview(self._data)
        self.behind_id = [data[_STRIDE * slot + _ID_SIZE : _STRIDE * (slot + 1)] for slot in range(SLOTS)]
        """For each slot what came, without the ID, and more; it is `length` bytes."""
        names, controls = memoryview(self._names), memoryview(self._controls)
        sender = _ADDRESSES[family]
        self.senders = [
            names[at + sender.start : at + sender.stop] for at in range(0, SLOTS * _NAME_STRIDE, _NAME_STRIDE)
        ]
        """For each slot the packed address of who sent it."""
        self.controls = [
            controls[at : at + self._control_size]
            for at in range(0, SLOTS * _CONTROL_STRIDE, _CONTROL_STRIDE)
        ]
        """For each slot what came beside it, if `asked_for`."""
        lengths = self._headers.cast("I")
        self.lengths = [
            lengths[at : at + 1] for at in range(_LENGTH_AT, SLOTS * _LENGTHS_EACH, _LENGTHS_EACH)
        ]
        """For each slot how many bytes came, the ID with them."""

    def _point(self) -> None:
        """Point everything at its place, which stays so."""
        data, names, controls = map(mmsg.address_of, (self._data, self._names, self._controls))
        for slot in range(SLOTS):
            self._incoming[slot] = mmsg.IoVec(data + _STRIDE * slot, LONGEST_QUERY)
            self._outgoing[2 * slot] = mmsg.IoVec(data + _STRIDE * slot, _ID_SIZE)
            for messages, vectors, count in (
                (self._received, ctypes.addressof(self._incoming[slot]), 1),
                (self._sent, ctypes.addressof(self._outgoing[2 * slot]), 2),
            ):
                messages[slot].header = mmsg.Header(
                    *(names + _NAME_STRIDE * slot, self._name_size, vectors, count),
                    controls + _CONTROL_STRIDE * slot if self._control_size else None,
                    self._control_size,
                )

    def receive(self) -> int:
        """Take what waits; return how many slots are filled. Raises `OSError`, `BlockingIOError` when nothing waits."""
        self._headers[:] = self._fresh_headers
        return mmsg.receive(self._descriptor, self._received)

    def forget_interface(self, slot: int) -> None:
        """Let routing choose the response's way, but where the address that was asked is link-local."""
        control = self.controls[slot]
        at = _CONTENT_AT
        if not self._ipv6:
            control[at : at + 4] = _NO_INTERFACE
        elif control[at] != 0xFE or control[at + 1] & 0xC0 != 0x80:
            control[at + 16 : at + 20] = _NO_INTERFACE

    def received(self, slot: int) -> bytes:
        """Return what came."""
        at = _STRIDE * slot
        return bytes(self._data[at : at + self.lengths[slot][0]])

    def respond(self, slot: int, response: bytes) -> None:
        """Have a response sent from a slot; its ID is what came there anyway."""
        data = bytearray(response)
        self._responses.append(data)
        at = VECTORS_EACH * slot + RESPONSE_AT
        self.vectors[at] = mmsg.address_of(data) + _ID_SIZE
        self.vectors[at + 1] = len(data) - _ID_SIZE

    def send(self, first: int, count: int) -> int:
        """Send the responses of so many slots; return how many could not be sent."""
        return mmsg.send(self._descriptor, self._sent, first, count)

    def sent_all(self) -> None:
        """Forget the responses: nothing of them is needed any more."""
        self._responses.clear()

    def origin(self, slot: int) -> Origin:
        """Return whom a response goes to that leaves later, after `forget_interface`."""
        at = _NAME_STRIDE * slot
        return bytes(self._names[at : at + self._name_size]), bytes(self.controls[slot])
