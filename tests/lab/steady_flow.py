"""A flow of numbered UDP datagrams that are echoed: ``steady_flow.py SERVER PAUSE``, from inside a namespace.

It sends until a line comes in, and says what came back in a line of JSON. `SteadyFlow` is the side of the test.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from tests.lab.namespaces import Namespace

PORT: Final = 9000
PATIENCE: Final = 2.0
"""Seconds from the last datagram to its echo."""
LONGEST: Final = 600.0
"""Seconds after which it ends by itself."""


class Account(NamedTuple):
    """How many datagrams were sent, and which of them did not come back."""

    sent: int
    lost: list[int]


class SteadyFlow:
    """A flow that has begun: a datagram each `pause` seconds from the namespace to an echo server."""

    def __init__(self, namespace: Namespace, server: str, pause: float = 0.002) -> None:
        self._process = namespace.popen(
            *(sys.executable, "-u", __file__, server, str(pause)),
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "sending\n"

    def finish(self) -> Account:
        """End it and return what has become of the datagrams."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("end\n")
        self._process.stdin.flush()
        return Account(*json.loads(self._process.stdout.readline()))


def main(server: str, pause: float) -> None:
    """Send until a line comes in."""
    channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    channel.connect((server, PORT))
    channel.setblocking(False)
    came: set[int] = set()
    sent = 0
    start = time.monotonic()
    sys.stdout.write("sending\n")
    sys.stdout.flush()
    while time.monotonic() < start + LONGEST and not select.select([sys.stdin], [], [], 0)[0]:
        channel.send(sent.to_bytes(4, "big"))
        sent += 1
        until = start + sent * pause
        _receive(channel, came, until - time.monotonic())
    deadline = time.monotonic() + PATIENCE
    while len(came) < sent and time.monotonic() < deadline:
        _receive(channel, came, 0.1)
    sys.stdout.write(json.dumps([sent, sorted(set(range(sent)) - came)]) + "\n")


def _receive(channel: socket.socket, came: set[int], seconds: float) -> None:
    select.select([channel], [], [], max(0.0, seconds))
    with contextlib.suppress(BlockingIOError):
        while True:
            came.add(int.from_bytes(channel.recv(100), "big"))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
