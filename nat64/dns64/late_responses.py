"""Responses that leave later than the batch their queries came in: gathered, and sent by one system call."""

from __future__ import annotations

import ctypes
import socket
from typing import TYPE_CHECKING, Final

from nat64.dns64 import mmsg
from nat64.dns64.message import UNFRAGMENTED_SIZE

if TYPE_CHECKING:
    from nat64.dns64.mmsg import Origin

SLOTS: Final = 64
_STRIDE: Final = UNFRAGMENTED_SIZE


class LateResponses:
    """Room for `SLOTS` responses by one socket, of at most `UNFRAGMENTED_SIZE` bytes each."""

    def __init__(self, listening: socket.socket, *, asked_for: bool) -> None:
        family = socket.AddressFamily(listening.family)
        self._descriptor = listening.fileno()
        self._waiting = 0
        name_size, control_size = mmsg.NAME_SIZES[family], mmsg.CONTROL_SIZES[family] if asked_for else 0
        data, names = bytearray(SLOTS * _STRIDE), bytearray(SLOTS * name_size)
        controls = bytearray(SLOTS * control_size)
        self._data = [memoryview(data)[at : at + _STRIDE] for at in range(0, len(data), _STRIDE)]
        self._names = [memoryview(names)[at : at + name_size] for at in range(0, len(names), name_size)]
        self._controls = [
            memoryview(controls)[control_size * slot : control_size * (slot + 1)] for slot in range(SLOTS)
        ]
        self._messages = (mmsg.Message * SLOTS)()
        self._vectors = (mmsg.IoVec * SLOTS)()
        self._lengths = memoryview(self._vectors).cast("B").cast("P")[1::2]
        for slot in range(SLOTS):
            self._vectors[slot] = mmsg.IoVec(mmsg.address_of(data) + _STRIDE * slot, 0)
            self._messages[slot].header = mmsg.Header(
                *(mmsg.address_of(names) + name_size * slot, name_size),
                *(ctypes.addressof(self._vectors[slot]), 1),
                *(mmsg.address_of(controls) + control_size * slot if control_size else None, control_size),
            )

    def __len__(self) -> int:
        return self._waiting

    def add(self, origin: Origin, response: bytes) -> None:
        """Have one more wait to be sent; there must be room for it. Raises `ValueError` when it is too long."""
        slot = self._waiting
        size = len(response)
        self._data[slot][:size] = response
        self._names[slot][:], self._controls[slot][:] = origin
        self._lengths[slot] = size
        self._waiting += 1

    def send(self) -> int:
        """Send them all; return how many could not be sent."""
        count, self._waiting = self._waiting, 0
        return mmsg.send(self._descriptor, self._messages, 0, count)
