"""Many datagrams with one system call: UDP segmentation for what goes out, recvmmsg(2) by ctypes for what comes in."""

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

_recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
_recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)


def connected(server: str, port: int) -> socket.socket:
    """Return a socket that sends to `server` and hears nobody else."""
    channel = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    channel.connect((server, port))
    return channel


class Outgoing:
    """Datagrams of `size` octets, ready to be sent any number of times.

    The kernel takes many at a time and cuts them up only where they arrive, which costs a fifth of sending each: that way
    one core keeps any server busy.
    """

    def __init__(self, data: bytes, size: int) -> None:
        self.count = len(data) // size
        self._data = memoryview(data)
        self._size = size

    def send(self, channel: socket.socket, first: int, count: int) -> int:
        """Send `count` of them, at most 64, from index `first` on; return how many the kernel took.

        `channel` is one that `prepare` was called for. Raises `OSError` for what does not pass by itself.
        """
        try:
            return channel.send(self._data[first * self._size : (first + count) * self._size]) // self._size
        except OSError as error:
            if error.errno in _PASSING:
                return 0
            raise

    def prepare(self, channel: socket.socket) -> None:
        """Tell a socket where to cut."""
        channel.setblocking(False)
        channel.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, self._size)


class Incoming:
    """Room for up to `batch` datagrams; longer ones than `SIZE` are cut."""

    SIZE: Final = 512

    def __init__(self, batch: int) -> None:
        self._data = bytearray(batch * self.SIZE)
        self._batch = batch
        start = ctypes.addressof((ctypes.c_char * len(self._data)).from_buffer(self._data))
        # Of each struct iovec its address and length, of each struct mmsghdr the address of its iovec and their number.
        self._vectors = array("Q", [self.SIZE]) * (2 * batch)
        self._vectors[0::2] = array("Q", range(start, start + len(self._data), self.SIZE))
        vectors = self._vectors.buffer_info()[0]
        self._headers = array("Q", bytes(8 * _HEADER_WORDS * batch))
        self._headers[2::_HEADER_WORDS] = array("Q", range(vectors, vectors + 16 * batch, 16))
        self._headers[3::_HEADER_WORDS] = array("Q", [1]) * batch
        self._address = self._headers.buffer_info()[0]

    def receive(self, channel: socket.socket) -> int:
        """Take in what has arrived, and return how many datagrams that was.

        Raises `OSError` for what does not pass by itself.
        """
        got: int = _recvmmsg(channel.fileno(), self._address, self._batch, socket.MSG_DONTWAIT, None)
        if got >= 0:
            return got
        number = ctypes.get_errno()
        if number in _PASSING:
            return 0
        raise OSError(number, os.strerror(number))

    def datagram(self, index: int) -> bytes:
        """Return one of those that `receive` took in."""
        start = index * self.SIZE
        length = self._headers[(index + 1) * _HEADER_WORDS - 1] & 0xFFFFFFFF
        return bytes(self._data[start : start + length])

    def column(self, offset: int, count: int) -> bytes:
        """Return the octet at `offset` of each of the first `count`."""
        return bytes(self._data[offset : count * self.SIZE : self.SIZE])
