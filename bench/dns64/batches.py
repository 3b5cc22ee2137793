"""Many datagrams with one system call: UDP segmentation or sendmmsg(2) for what goes out, recvmmsg(2) for what comes in."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from array import array
from typing import Final

UDP_SEGMENT: Final = 103  # linux/udp.h; Python's socket module has no name for it
_HEADER_WORDS: Final = 8
"""Words of eight octets in a struct mmsghdr."""
_PASSING: Final = (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED)

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_recvmmsg, _sendmmsg = _LIBC.recvmmsg, _LIBC.sendmmsg
_recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_sendmmsg.argtypes = _recvmmsg.argtypes[:4]


def connected(server: str, port: int) -> socket.socket:
    """Return a socket that sends to `server` and hears nobody else."""
    channel = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    channel.connect((server, port))
    return channel


class Outgoing:
    """Datagrams of `size` octets, ready to be sent any number of times.

    In trains, the kernel takes many at a time and cuts them up only where they arrive, at one socket: a fifth of the cost
    of sending each, so that one core keeps any server busy. Else each is one of its own on the way, as from many clients.
    """

    MOST: Final = 64
    """Sent at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self.count = len(data) // size
        self._data = memoryview(data)
        self._size = size
        self._start = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
        self._vectors, self._headers = _messages(self.MOST, size)

    def send(self, channel: socket.socket, first: int, count: int) -> int:
        """Send a train of `count`, at most `MOST`, from index `first` on; return how many the kernel took.

        `channel` is one that `prepare` was called for. Raises `OSError` for what does not pass by itself.
        """
        try:
            return channel.send(self._data[first * self._size : (first + count) * self._size]) // self._size
        except OSError as error:
            if error.errno in _PASSING:
                return 0
            raise

    def send_each(self, channel: socket.socket, first: int, count: int) -> int:
        """Send as many one by one, and return likewise. Raises `OSError` likewise."""
        begin = self._start + first * self._size
        self._vectors[0 : 2 * count : 2] = array("Q", range(begin, begin + count * self._size, self._size))
        sent: int = _sendmmsg(channel.fileno(), self._headers.buffer_info()[0], count, socket.MSG_DONTWAIT)
        return _passed(sent)

    def prepare(self, channel: socket.socket, *, trains: bool) -> None:
        """Tell a socket where to cut."""
        channel.setblocking(False)
        channel.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, self._size if trains else 0)


def _messages(count: int, size: int) -> tuple[array[int], array[int]]:
    """Return ``struct iovec`` and ``struct mmsghdr`` for `count` datagrams of `size` octets that have no place yet."""
    vectors = array("Q", [size]) * (2 * count)
    headers = array("Q", bytes(8 * _HEADER_WORDS * count))
    start = vectors.buffer_info()[0]
    headers[2::_HEADER_WORDS] = array("Q", range(start, start + 16 * count, 16))
    headers[3::_HEADER_WORDS] = array("Q", [1]) * count
    return vectors, headers


def _passed(number: int) -> int:
    """Return how many passed by what a call returned. Raises `OSError` for what does not pass by itself."""
    if number >= 0:
        return number
    code = ctypes.get_errno()
    if code in _PASSING:
        return 0
    raise OSError(code, os.strerror(code))


class Incoming:
    """Room for up to `batch` datagrams; longer ones than `SIZE` are cut."""

    SIZE: Final = 512

    def __init__(self, batch: int) -> None:
        self._data = bytearray(batch * self.SIZE)
        self._batch = batch
        start = ctypes.addressof((ctypes.c_char * len(self._data)).from_buffer(self._data))
        self._vectors, self._headers = _messages(batch, self.SIZE)
        self._vectors[0::2] = array("Q", range(start, start + len(self._data), self.SIZE))
        self._address = self._headers.buffer_info()[0]

    def receive(self, channel: socket.socket) -> int:
        """Take in what has arrived, and return how many datagrams that was.

        Raises `OSError` for what does not pass by itself.
        """
        got: int = _recvmmsg(channel.fileno(), self._address, self._batch, socket.MSG_DONTWAIT, None)
        return _passed(got)

    def datagram(self, index: int) -> bytes:
        """Return one of those that `receive` took in."""
        start = index * self.SIZE
        length = self._headers[(index + 1) * _HEADER_WORDS - 1] & 0xFFFFFFFF
        return bytes(self._data[start : start + length])

    def column(self, offset: int, count: int) -> bytes:
        """Return the octet at `offset` of each of the first `count`."""
        return bytes(self._data[offset : count * self.SIZE : self.SIZE])
