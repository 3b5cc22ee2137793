"""Answers each query with what a DNS64 would say, and does nothing else: ``mirror.py ADDRESS PORT``.

It takes and gives many datagrams with one walk through the kernel, as no server of many clients can: what the generator
gets from it is the generator's own limit.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import Final

from bench.dns64.batches import UDP_SEGMENT
from bench.dns64.queries import SIZE, SYNTHESIZED, TTL

UDP_GRO: Final = 104  # linux/udp.h
_FLAGS_AND_COUNTS: Final = bytes.fromhex("8180 0001 0001 0000 0000")
_QUESTION: Final = slice(12, SIZE - 11)
"""Of a query that ends with an OPT record of 11 octets."""
_ANSWER: Final = bytes.fromhex("c00c 001c 0001") + struct.pack("!IH", TTL, 16) + SYNTHESIZED.packed
_ANSWER_SIZE: Final = SIZE - 11 + len(_ANSWER)


def answers(queries: bytes) -> bytes:
    """Return the answers to queries of the bench that stand end to end."""
    each = [queries[at : at + SIZE] for at in range(0, len(queries), SIZE)]
    return b"".join([query[:2] + _FLAGS_AND_COUNTS + query[_QUESTION] + _ANSWER for query in each])


def main() -> None:
    """Serve until killed."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as channel:
        channel.bind((sys.argv[1], int(sys.argv[2])))
        channel.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        channel.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, _ANSWER_SIZE)
        while True:
            data, client = channel.recvfrom(65535)
            channel.sendto(answers(data), client)


if __name__ == "__main__":
    main()
