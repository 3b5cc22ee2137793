"""A response that stands ready is sent as it was, whatever becomes of its table in the same batch."""

from __future__ import annotations

import asyncio
import itertools
import socket
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

import dns.message

from nat64.config.totd import parse
from nat64.dns64.service import Service
from nat64.dns64.sockets import Binding, open_bound
from nat64.dns64.udp_listener import UdpListener

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG: Final = "forwarder 192.0.2.53\nprefix 2001:db8:64::/96\ncache-size 1M"
LOCAL: Final = "ipv4only.arpa"
MORE_THAN_STAND_READY: Final = 6000
QUESTION: Final = slice(12, 12 + len(LOCAL) + 2)


def spellings() -> Iterator[bytes]:
    """Give queries for one name in one case after the other: each has an answer of its own that stands ready."""
    for upper in itertools.product((False, True), repeat=len(LOCAL)):
        name = "".join(
            letter.upper() if is_upper else letter for letter, is_upper in zip(LOCAL, upper, strict=True)
        )
        yield dns.message.make_query(f"{name}.", "AAAA", id=7).to_wire()


def test_an_answer_that_leaves_its_table_within_a_batch_is_sent_unharmed() -> None:
    async def run() -> None:
        service = Service(random_id=lambda: 1)
        service.configure(parse(CONFIG, "f"))
        pair = open_bound(Binding(IPv6Address("::1"), 0))
        assert pair.udp is not None
        pair.udp.setblocking(False)
        listener = UdpListener(pair.udp, service, lambda: None, asked_for=False)
        queries = spellings()
        first = next(queries)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            client.connect(pair.udp.getsockname()[:2])

            def batch(*of: bytes) -> list[bytes]:
                for query in of:
                    client.send(query)
                listener._readable()
                return [client.recv(4096) for _ in of]

            batch(first)
            for _ in range(MORE_THAN_STAND_READY // 20):  # the oldest goes, and then stands ready again
                response, *_ = batch(first, *itertools.islice(queries, 20))
                assert response[QUESTION] == first[QUESTION]
                assert len(dns.message.from_wire(response).answer[0]) == 2
        listener.close()
        pair.tcp.close()

    asyncio.run(run())
