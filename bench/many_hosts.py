"""``python -m bench.many_hosts``: in the client's namespace, sends datagrams that come from as many hosts as is asked for.

The frames go to the interface as they are (packet(7)), so that the sender costs little, and needs no address for each host.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import socket
import struct
import time
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nat64.dns64 import mmsg
from nat64.siit import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT: Final = 5400
"""Where the datagrams go; who listens there throws them away."""
PAYLOAD: Final = 64
"""Octets of data in each, as in iperf3's `--length 64`."""
NETWORK: Final = IPv6Address("2001:db8:1::").packed[:8]
"""The LAN's, in which all hosts are."""
_BATCH: Final = 64
_TICK: Final = 0.001
"""Seconds from one burst to the next, where a rate is asked for."""
_UDP_LENGTH: Final = 8 + PAYLOAD


def host(number: int) -> bytes:
    """Return the address (16 octets) of the host with this number, below 2**32.

    The interface identifiers of all hosts have the same sum, so that their datagrams have the same checksum.
    """
    high, low = number >> 16, number & 0xFFFF
    return NETWORK + struct.pack("!4H", high, low, high ^ 0xFFFF, low ^ 0xFFFF)


def frames(destination: bytes, ethernet: bytes, hosts: range) -> bytes:
    """Return a datagram of each host, as Ethernet frames one after the other; `ethernet` is what each begins with."""
    ports = struct.pack("!HHH", PORT, PORT, _UDP_LENGTH)
    pseudo = host(0) + destination + struct.pack("!II", _UDP_LENGTH, socket.IPPROTO_UDP)
    number = -checksum.word_sum(pseudo + ports) % checksum.MODULUS or 0xFFFF
    head = ethernet + struct.pack("!IHBB", 6 << 28, _UDP_LENGTH, socket.IPPROTO_UDP, 64)
    tail = destination + ports + struct.pack("!H", number) + bytes(PAYLOAD)
    return b"".join([head + host(each) + tail for each in hosts])


class Sender:
    """Sends frames of one length, over and over, in batches."""

    def __init__(self, device: str, content: bytes, length: int) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.bind((device, 0))
        self._content = memoryview(content)
        self._length = length
        self._at = 0
        self._slots = bytearray(_BATCH * length)
        self._vectors = (mmsg.IoVec * _BATCH)()
        self._messages = (mmsg.Message * _BATCH)()
        begin = mmsg.address_of(self._slots)
        for index in range(_BATCH):
            self._vectors[index] = mmsg.IoVec(begin + index * length, length)
            header = self._messages[index].header
            header.vectors = ctypes.addressof(self._vectors[index])
            header.vector_count = 1

    def send(self, count: int) -> int:
        """Send the next frames, `_BATCH` at the most; return how many that were."""
        octets = min(min(count, _BATCH) * self._length, len(self._content) - self._at)
        self._slots[:octets] = self._content[self._at : self._at + octets]
        self._at = (self._at + octets) % len(self._content)
        sent = octets // self._length
        return sent - mmsg.send(self._socket.fileno(), self._messages, 0, sent)

    def send_for(self, seconds: float, rate: int) -> tuple[int, float]:
        """Send `rate` frames a second, as many as can be if that is 0; return how many, and for how many seconds."""
        start = time.perf_counter()
        sent = 0
        for due in self._due(start, seconds, rate):
            for at in range(0, due, _BATCH):
                sent += self.send(due - at)
        return sent, time.perf_counter() - start

    @staticmethod
    def _due(start: float, seconds: float, rate: int) -> Iterator[int]:
        """Yield how many frames to send now, until the time is over."""
        asked = 0
        while (passed := time.perf_counter() - start) < seconds:
            if not rate:
                yield _BATCH
                continue
            due = int(passed * rate) - asked
            asked += due
            yield due
            time.sleep(_TICK)


def main() -> None:
    """Send, and print as JSON how many were sent in how many seconds."""
    parser = argparse.ArgumentParser(prog="python -m bench.many_hosts", description=__doc__)
    add = parser.add_argument
    add("--device", required=True)
    add("--gateway", required=True, help="its hardware address")
    add("--destination", required=True, type=IPv6Address)
    add("--first", type=int, default=0, help="the number of the first host")
    add("--hosts", type=int, required=True)
    add("--rate", type=int, default=0, help="datagrams a second; 0: as many as can be")
    add("--seconds", type=float, required=True)
    options = parser.parse_args()
    own = Path(f"/sys/class/net/{options.device}/address").read_text(encoding="ascii")
    ethernet = bytes.fromhex(options.gateway.replace(":", "") + own.strip().replace(":", "") + "86dd")
    content = frames(
        options.destination.packed, ethernet, range(options.first, options.first + options.hosts)
    )
    sender = Sender(options.device, content, len(content) // options.hosts)
    print("sending", flush=True)
    sent, seconds = sender.send_for(options.seconds, options.rate)
    print(json.dumps({"sent": sent, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
