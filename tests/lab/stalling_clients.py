"""TCP clients that take a server's connections and give nothing for them, run inside a namespace: ``PORT``.

From many addresses of loopback they hold connections that never ask, dribble a query that never ends, and ask without
reading. Each is opened again when it is closed. After the first round a line says so; they end with standard input.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
from typing import Final

import dns.message

SERVER: Final = "127.0.0.1"
ADDRESSES: Final = [f"127.0.1.{number}" for number in range(1, 21)]
OF_EACH_KIND: Final = 3
"""Connections of one address."""
ROUND_SECONDS: Final = 0.1
QUERY: Final = dns.message.make_query("ipv4only.arpa.", "AAAA").to_wire()
FRAMED: Final = len(QUERY).to_bytes(2, "big") + QUERY


class Stalling:
    """One connection that is kept."""

    def __init__(self, address: str, port: int) -> None:
        self._address = address
        self._port = port
        self._socket = self._connected()

    def _connected(self) -> socket.socket:
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.bind((self._address, 0))
        opened.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            opened.connect((SERVER, self._port))
        return opened

    def go_on(self) -> None:
        """Do what this client does now and then, on a new connection if it was closed."""
        try:
            self.act(self._socket)
        except BlockingIOError:
            pass
        except OSError:
            self._socket.close()
            self._socket = self._connected()

    def act(self, connected: socket.socket) -> None:
        """See whether it still stands. Raises `OSError` when it does not."""
        if not connected.recv(1):
            raise ConnectionResetError


class Dribbling(Stalling):
    """Sends a byte of a long query at a time."""

    def act(self, connected: socket.socket) -> None:
        connected.send(b"\xff")


class Unreading(Stalling):
    """Asks as long as the server takes it."""

    def act(self, connected: socket.socket) -> None:
        connected.send(FRAMED * 50)


def main(port: int) -> None:
    """Hold connections until standard input ends."""
    clients = [
        kind(address, port)
        for address in ADDRESSES
        for kind in (Stalling, Dribbling, Unreading)
        for _ in range(OF_EACH_KIND)
    ]
    said = False
    while not select.select([sys.stdin], [], [], ROUND_SECONDS)[0]:
        for client in clients:
            client.go_on()
        if not said:
            sys.stdout.write("stalling\n")
            sys.stdout.flush()
            said = True
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
