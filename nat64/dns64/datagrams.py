"""Datagrams by the batch: one system call takes many, one sends many (recvmmsg(2), sendmmsg(2)).

Each datagram has a slot with room for its bytes, its sender and what came beside it. A response leaves from its
query's slot: to that sender, from the address that was asked, with the first two bytes of what came.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from typing import Final, NoReturn

from nat64.dns64.sockets import IP_PKTINFO

SLOTS: Final = 64
LONGEST_QUERY: Final = 4096
_STRIDE: Final = LONGEST_QUERY + 64
"""Bytes from one slot's data to the next; no power of two, or all would meet in the same lines of the processor's cache."""
_NAME_SIZES: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}
_NAME_STRIDE: Final = 32
_ADDRESSES: Final = {socket.AF_INET: slice(4, 8), socket.AF_INET6: slice(8, 24)}
_CONTROL_SIZES: Final = {socket.AF_INET: socket.CMSG_SPACE(12), socket.AF_INET6: socket.CMSG_SPACE(20)}
_CONTROL_STRIDE: Final = 64
_ID_SIZE: Final = 2


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """``struct msghdr``."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """``struct mmsghdr``: the same, and how many bytes came or went."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


_LIBC: Final = ctypes.CDLL(None, use_errno=True)
for _call in (_LIBC.recvmmsg, _LIBC.sendmmsg):
    _call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_LIBC.sendmmsg.argtypes = _LIBC.sendmmsg.argtypes[:4]
_LENGTHS_EACH: Final = ctypes.sizeof(_Message) // 4
_LENGTH_AT: Final = _Message.length.offset // 4
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
        name_size = _NAME_SIZES[family]
        self._descriptor = listening.fileno()
        self._ipv6 = family == socket.AF_INET6
        self._data = bytearray(SLOTS * _STRIDE)
        self._names = bytearray(SLOTS * _NAME_STRIDE)
        self._controls = bytearray(SLOTS * _CONTROL_STRIDE)
        self._control_size = _CONTROL_SIZES[family] if asked_for else 0
        self._received = (_Message * SLOTS)()
        self._sent = (_Message * SLOTS)()
        self._incoming = (_IoVec * SLOTS)()
        self._outgoing = (_IoVec * (2 * SLOTS))()
        self._point(name_size)
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

    def _point(self, name_size: int) -> None:
        """Point everything at its place, which stays so."""
        data, names, controls = map(_address_of, (self._data, self._names, self._controls))
        for slot in range(SLOTS):
            self._incoming[slot] = _IoVec(data + _STRIDE * slot, LONGEST_QUERY)
            self._outgoing[2 * slot] = _IoVec(data + _STRIDE * slot, _ID_SIZE)
            for messages, vectors, count in (
                (self._received, ctypes.addressof(self._incoming[slot]), 1),
                (self._sent, ctypes.addressof(self._outgoing[2 * slot]), 2),
            ):
                messages[slot].header = _Header(
                    *(names + _NAME_STRIDE * slot, name_size, vectors, count),
                    controls + _CONTROL_STRIDE * slot if self._control_size else None,
                    self._control_size,
                )

    def receive(self) -> int:
        """Take what waits; return how many slots are filled. Raises `OSError`, `BlockingIOError` when nothing waits."""
        self._headers[:] = self._fresh_headers
        count: int = _LIBC.recvmmsg(
            self._descriptor, ctypes.addressof(self._received), SLOTS, socket.MSG_DONTWAIT, None
        )
        if count < 0:
            _raise_errno()
        return count

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
        self.vectors[at] = _address_of(data) + _ID_SIZE
        self.vectors[at + 1] = len(data) - _ID_SIZE

    def send(self, first: int, count: int) -> int:
        """Send the responses of so many slots; return how many could not be sent."""
        failed = 0
        end = first + count
        while first < end:
            sent = _LIBC.sendmmsg(
                self._descriptor, ctypes.addressof(self._sent[first]), end - first, socket.MSG_DONTWAIT
            )
            if sent <= 0:  # this one cannot be sent; what is behind it may
                failed += 1
                sent = 1
            first += sent
        return failed

    def sent_all(self) -> None:
        """Forget the responses: nothing of them is needed any more."""
        self._responses.clear()

    def peer(self, slot: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """Return who sent it, as Python's sockets write it."""
        name = self._names[_NAME_STRIDE * slot : _NAME_STRIDE * (slot + 1)]
        port = int.from_bytes(name[2:4], "big")
        host = bytes(self.senders[slot])
        if not self._ipv6:
            return socket.inet_ntop(socket.AF_INET, host), port
        flow, zone = int.from_bytes(name[4:8], "big"), int.from_bytes(name[24:28], sys.byteorder)
        return socket.inet_ntop(socket.AF_INET6, host), port, flow, zone

    def source(self, slot: int) -> list[tuple[int, int, bytes]]:
        """Return what makes Python's sendmsg answer from the address that was asked, after `forget_interface`."""
        if not self._control_size:
            return []
        content = bytes(self.controls[slot][_CONTENT_AT:])
        if self._ipv6:
            return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, content[:20])]
        return [(socket.IPPROTO_IP, IP_PKTINFO, content[:12])]


def _address_of(data: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(data))


def _raise_errno() -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
