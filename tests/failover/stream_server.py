"""Send numbers at a steady rate to whoever connects: ``stream_server.py ADDRESS``. It ends by itself."""

import socket
import sys
import threading
import time

PORT = 8064
CHUNK = 10_000
PAUSE = 0.01
LONGEST = 3600.0
"""Seconds after which it ends."""


def serve(connection: socket.socket) -> None:
    """Send a chunk each pause, until the client goes away."""
    number = 0
    while True:
        try:
            connection.sendall(number.to_bytes(8, "big") * (CHUNK // 8))
        except OSError:
            return
        number += 1
        time.sleep(PAUSE)


def main() -> None:
    """Listen."""
    listener = socket.create_server((sys.argv[1], PORT))
    listener.settimeout(LONGEST)
    print("listening", flush=True)  # noqa: T201 - the word that is waited for
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            return
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
