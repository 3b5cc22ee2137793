"""Many datagrams by one system call: recvmmsg(2), sendmmsg(2), and the structures they take."""

from __future__ import annotations

import ctypes
import os
import socket
from typing import Final, NoReturn, TypeAlias

NAME_SIZES: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}
"""Bytes of a socket address."""
CONTROL_SIZES: Final = {socket.AF_INET: socket.CMSG_SPACE(12), socket.AF_INET6: socket.CMSG_SPACE(20)}
"""Bytes that IP_PKTINFO and IPV6_PKTINFO take beside a datagram."""

Origin: TypeAlias = tuple[bytes, bytes]
"""Where a query came from: a socket address, and the control message that has a response leave whence it was asked.

The latter is empty where the socket is bound to its address.
"""


class IoVec(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Header(ctypes.Structure):
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


class Message(ctypes.Structure):
    """``struct mmsghdr``: the same, and how many bytes came or went."""

    _fields_ = (("header", Header), ("length", ctypes.c_uint))


_LIBC: Final = ctypes.CDLL(None, use_errno=True)
for _call in (_LIBC.recvmmsg, _LIBC.sendmmsg):
    _call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_LIBC.sendmmsg.argtypes = _LIBC.sendmmsg.argtypes[:4]


def receive(descriptor: int, messages: ctypes.Array[Message]) -> int:
    """Take what waits; return how many messages are filled. Raises `OSError`, `BlockingIOError` when nothing waits."""
    count: int = _LIBC.recvmmsg(
        descriptor, ctypes.addressof(messages), len(messages), socket.MSG_DONTWAIT, None
    )
    if count < 0:
        _raise_errno()
    return count


def send(descriptor: int, messages: ctypes.Array[Message], first: int, count: int) -> int:
    """Send so many messages; return how many of them could not be sent."""
    failed = 0
    end = first + count
    while first < end:
        sent = _LIBC.sendmmsg(descriptor, ctypes.addressof(messages[first]), end - first, socket.MSG_DONTWAIT)
        if sent <= 0:  # this one cannot be sent; what is behind it may
            failed += 1
            sent = 1
        first += sent
    return failed


def address_of(data: bytearray) -> int:
    """Return where in memory it stands; that holds while it lives and keeps its length."""
    return ctypes.addressof(ctypes.c_char.from_buffer(data))


def _raise_errno() -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
