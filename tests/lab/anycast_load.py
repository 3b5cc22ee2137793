"""A client's queries and download while gateways come and go: ``anycast_load.py SERVER DNS64``, from inside a namespace.

It goes on until a line comes in, and prints a line of JSON: queries asked and lost, connections that broke, and for how many
seconds the download stood still. Each query comes from a port of its own, so that all gateways get some; it is asked once.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
import time
from typing import Final

from dnslib import DNSRecord

PAUSE: Final = 0.02
PATIENCE: Final = 2.0
"""Seconds after which a query is lost, and after which a silent download is begun anew."""
STALL: Final = 0.2
"""Seconds without a byte that do not count as standing still."""
LONGEST: Final = 120.0
"""Seconds after which it ends by itself."""
PORT: Final = 8000


class Download:
    """A download that is begun anew whenever its connection is silent for too long or breaks."""

    def __init__(self, server: str) -> None:
        self.server, self.ended = server, threading.Event()
        self.stalled, self.broken = 0.0, 0

    def run(self) -> None:
        """Load until told to end."""
        last = time.monotonic()
        while not self.ended.is_set():
            try:
                with socket.create_connection((self.server, PORT), timeout=PATIENCE) as channel:
                    while channel.recv(1 << 16) and not self.ended.is_set():
                        last = self._count(last)
            except OSError:
                pass
            self.broken += not self.ended.is_set()
        self._count(last)

    def _count(self, last: float) -> float:
        now = time.monotonic()
        if now - last > STALL:
            self.stalled += now - last
        return now


def main(server: str, dns64: str) -> None:
    """Ask and load until a line comes in."""
    download = Download(server)
    loading = threading.Thread(target=download.run)
    loading.start()
    query = DNSRecord.question("ipv4only.arpa", "AAAA").pack()
    waiting: dict[socket.socket, float] = {}
    asked = lost = 0
    start = time.monotonic()
    sys.stdout.write("loading\n")
    sys.stdout.flush()
    while time.monotonic() < start + LONGEST and not select.select([sys.stdin], [], [], 0)[0]:
        channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        asked += 1
        try:
            channel.connect((dns64, 53))
            channel.send(query)
            waiting[channel] = time.monotonic() + PATIENCE
        except OSError:
            lost += 1
        until = start + asked * PAUSE
        lost += _take(waiting, until)
    while waiting:
        lost += _take(waiting, time.monotonic() + PAUSE)
    download.ended.set()
    loading.join()
    told = {
        "asked": asked,
        "lost": lost,
        "broken": download.broken,
        "stalled": round(download.stalled, 2),
    }
    sys.stdout.write(json.dumps(told) + "\n")


def _take(waiting: dict[socket.socket, float], until: float) -> int:
    """Take answers until then, and return how many queries have become lost."""
    while (left := until - time.monotonic()) > 0:
        for channel in select.select(list(waiting), [], [], left)[0]:
            try:
                channel.recv(4096)
            except OSError:  # refused: lost when its time is over
                continue
            del waiting[channel]
            channel.close()
    late = [channel for channel, end in waiting.items() if end < time.monotonic()]
    for channel in late:
        del waiting[channel]
        channel.close()
    return len(late)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
