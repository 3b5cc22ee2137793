"""The channel between the supervisor and a worker: a Unix stream socket.

The supervisor sends Python objects (pickled: it is the one that is trusted) and with them open files. A worker answers
in JSON, a line each, for it is what strangers' data come to. A worker whose channel ends is to leave: in good order as long
as the supervisor listens still, and at once when that is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import socket
import struct
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nat64.config.dns64_config import Dns64Config, IPNetwork
    from nat64.dns64.sockets import Binding

MOST_DESCRIPTORS: Final = 200
"""How many open files may go with one message; the kernel takes 253 (SCM_MAX_FD)."""
LONGEST_LINE: Final = 16 << 20
"""Bytes of a worker's answer at most."""

_LENGTH: Final = struct.Struct("=I")
_READ_OCTETS: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class TakeSockets:
    """The open files that come along: for each binding a UDP socket, unless it is for TLS, and a TCP socket."""

    bindings: tuple[Binding, ...]


@dataclass(frozen=True, slots=True)
class Serve:
    """Serve on the sockets taken, and no longer where it is not wanted. Answered when that is so."""

    number: int
    wanted: tuple[Binding, ...]
    workers: int
    """How many there are of them."""
    config: Dns64Config | None = None
    """None: it is not read anew."""
    networks: tuple[IPNetwork, ...] = ()
    """Whom to answer, with a new config."""


@dataclass(frozen=True, slots=True)
class Allow:
    """Answer these networks from here on."""

    networks: tuple[IPNetwork, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """Say how it goes. Answered."""

    number: int


@dataclass(frozen=True, slots=True)
class Flush:
    """Forget the answers kept for a name and below it; ``None``: all. Answered."""

    number: int
    name: str | None


ToWorker = TakeSockets | Serve | Allow | Ask | Flush


class SupervisorEnd:
    """The supervisor's end; `heard` gets what the worker says, `ended` is called when its end is closed."""

    def __init__(
        self,
        channel: socket.socket,
        heard: Callable[[dict[str, Any]], None],
        ended: Callable[[], None],
    ) -> None:
        self._channel = channel
        self._heard = heard
        self._ended = ended
        self._outbox = _Outbox(channel)
        self._inbox = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel, self._readable)

    @property
    def descriptor(self) -> int:
        """Its number among the open files."""
        return self._channel.fileno()

    @property
    def is_open(self) -> bool:
        """Whether it was not closed."""
        return self._channel.fileno() >= 0

    def send(self, message: ToWorker, descriptors: Sequence[int] = ()) -> None:
        """Send a message and open files. A worker that is gone tells that by `ended`."""
        data = pickle.dumps(message)
        self._outbox.send(_LENGTH.pack(len(data)) + data, descriptors)

    def ask_to_leave(self) -> None:
        """Have the worker finish what it has begun and go."""
        try:
            self._channel.shutdown(socket.SHUT_WR)
        except OSError:
            return  # it has gone

    def close(self) -> None:
        """Close this end."""
        if self.is_open:
            self._loop.remove_reader(self._channel)
            self._outbox.close()
            self._channel.close()

    def _readable(self) -> None:
        try:
            data = self._channel.recv(_READ_OCTETS)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._inbox += data
        if not data or len(self._inbox) > LONGEST_LINE:
            self._loop.remove_reader(self._channel)
            self._ended()
            return
        *lines, rest = self._inbox.split(b"\n")
        self._inbox = bytearray(rest)
        for line in lines:
            self._hear(bytes(line))

    def _hear(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(message, dict):
            self._heard(message)


class WorkerEnd:
    """The worker's end, of which `receive` is to be called when it can be read."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self._inbox = bytearray()
        self._descriptors: deque[int] = deque()
        self._outbox = _Outbox(channel)
        self.at_end = False
        """Whether the worker is to leave."""

    def send(self, message: dict[str, Any]) -> None:
        """Say something to the supervisor."""
        self._outbox.send(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def receive(self) -> Iterator[ToWorker]:
        """Yield the messages that have come in whole."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.channel, _READ_OCTETS, MOST_DESCRIPTORS)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        self.at_end = not data
        self._inbox += data
        self._descriptors.extend(descriptors)
        while len(self._inbox) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._inbox)[0]
            if len(self._inbox) < end:
                return
            message: ToWorker = pickle.loads(self._inbox[_LENGTH.size : end])  # noqa: S301 - the supervisor's
            del self._inbox[:end]
            yield message

    def take_socket(self) -> socket.socket:
        """Return the next of the sockets that came along."""
        return socket.socket(fileno=self._descriptors.popleft())

    @property
    def is_heard(self) -> bool:
        """Whether the supervisor is still there."""
        try:
            self.channel.send(b"\n")
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


class _Outbox:
    """Sends in order and never waits; what the socket does not take yet goes when it can."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._unsent: deque[tuple[bytes, list[int]]] = deque()

    def send(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        # Own copies: the caller may close its descriptors before it is their turn.
        self._unsent.append((data, [os.dup(each) for each in descriptors]))
        if len(self._unsent) == 1:
            self._send()

    def close(self) -> None:
        self._wait(writable=False)
        while self._unsent:
            self._forget_first()

    def _send(self) -> None:
        while self._unsent:
            data, descriptors = self._unsent[0]
            try:
                # The files go with the first octet that is taken.
                sent = (
                    socket.send_fds(self._channel, [data], descriptors)
                    if descriptors
                    else self._channel.send(data)
                )
            except BlockingIOError:
                self._wait(writable=True)
                return
            except OSError:
                # Nobody reads it; or the kernel is short of something, and what comes next would make no sense.
                # Whoever reads from there sees the end of it.
                with contextlib.suppress(OSError):
                    self._channel.shutdown(socket.SHUT_RDWR)
                self.close()
                return
            self._forget_first()
            if sent < len(data):
                self._unsent.appendleft((data[sent:], []))
        self._wait(writable=False)

    def _forget_first(self) -> None:
        _, descriptors = self._unsent.popleft()
        for each in descriptors:
            os.close(each)

    def _wait(self, *, writable: bool) -> None:
        loop = asyncio.get_running_loop()
        if writable:
            loop.add_writer(self._channel, self._send)
        elif self._channel.fileno() >= 0:
            loop.remove_writer(self._channel)
