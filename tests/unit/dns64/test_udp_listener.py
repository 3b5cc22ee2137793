"""The UDP adapter over loopback: batches, in which each query gets its own response or none, from where it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

import dns.flags
import dns.message
import dns.rcode
import pytest

from nat64.config.totd import parse
from nat64.dns64.datagrams import SLOTS, Datagrams
from nat64.dns64.direct_loop import DirectLoop
from nat64.dns64.late_responses import LateResponses
from nat64.dns64.service import Service
from nat64.dns64.sockets import Binding, open_bound
from nat64.dns64.udp_listener import UdpListener

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.dns64.flight import Flight

    Check = Callable[[Service, socket.socket, tuple[str, int]], None]

CONFIG: Final = "forwarder 192.0.2.53\nprefix 2001:db8:64::/96"
LOCAL: Final = "ipv4only.arpa."
ASKED: Final[dict[str, IPv4Address | IPv6Address]] = {
    "127.0.0.1": IPv4Address(0),
    "127.0.0.9": IPv4Address(0),
    "::1": IPv6Address(0),
}
"""Addresses to ask, and the wildcard that is bound."""


def served(asked: str, *, wildcard: bool, check: Check) -> Service:
    """Run a listener on loopback, and `check` beside it in a thread with a client's socket."""

    async def run() -> Service:
        service = Service(random_id=lambda: 1)
        service.configure(parse(CONFIG, "f"))
        bound = ASKED[asked] if wildcard else ip_address(asked)
        pair = open_bound(Binding(bound, 0))
        assert pair.udp is not None
        pair.udp.setblocking(False)
        begun: list[object] = []
        listener = UdpListener(
            pair.udp, service, lambda: begun.extend(service.flights_to_begin()), asked_for=wildcard
        )
        port = pair.udp.getsockname()[1]
        with socket.socket(pair.udp.family, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.connect((asked, port))  # so that a response from elsewhere never comes
            await asyncio.to_thread(check, service, client, (asked, port))
        listener.close()
        pair.tcp.close()
        return service

    return asyncio.run(run())


def ask(client: socket.socket, *queries: dns.message.Message) -> dict[int, dns.message.Message]:
    """Send queries, and return as many responses by their IDs."""
    for query in queries:
        client.send(query.to_wire())
    responses = [dns.message.from_wire(client.recv(4096)) for _ in queries]
    return {response.id: response for response in responses}


@pytest.mark.parametrize("wildcard", [False, True])
@pytest.mark.parametrize("asked", list(ASKED))
def test_a_response_comes_from_the_address_that_was_asked(asked: str, wildcard: bool) -> None:
    def check(_service: Service, client: socket.socket, _to: tuple[str, int]) -> None:
        for _ in range(4):  # the cache's answer, and one that stands ready, too
            query = dns.message.make_query(LOCAL, "AAAA", use_edns=0)
            (response,) = ask(client, query).values()
            assert query.is_response(response)
            assert len(response.answer[0]) == 2

    service = served(asked, wildcard=wildcard, check=check)
    assert service.counters["queries_udp"] == 4
    assert (service.counters["ipv4only"], service.counters["cached"]) == (1, 3)
    assert sum(service.statistics.latencies["at_once"].counts) == 4


def test_each_query_of_a_batch_gets_its_own_response() -> None:
    def check(_service: Service, client: socket.socket, _to: tuple[str, int]) -> None:
        for _ in range(3):
            queries = [
                dns.message.make_query(LOCAL, rdtype, id=number)
                for number, rdtype in enumerate(["AAAA", "A", "NS", "SOA", "TXT"] * 20)
            ]
            responses = ask(client, *queries)
            assert all(query.is_response(responses[query.id]) for query in queries)

    served("::1", wildcard=True, check=check)


def test_silence_in_the_midst_of_a_batch_moves_no_response() -> None:
    def check(service: Service, client: socket.socket, _to: tuple[str, int]) -> None:
        query = dns.message.make_query(LOCAL, "AAAA", id=1)
        for _ in range(3):
            ask(client, query)
        client.send(b"short")
        response = dns.message.make_query(LOCAL, "AAAA", id=2)
        response.flags |= dns.flags.QR
        client.send(response.to_wire())
        client.send(dns.message.make_query("elsewhere.example.", "A").to_wire())  # waits for a forwarder
        other = dns.message.make_query(LOCAL, "A", id=3)
        assert other.is_response(ask(client, other)[3])
        assert query.is_response(ask(client, query)[1])
        assert service.counters["ignored"] == 2

    served("::1", wildcard=True, check=check)


def test_a_forwarders_answer_comes_later_from_the_address_that_was_asked() -> None:
    async def run() -> None:
        service = Service(random_id=lambda: 1)
        service.configure(parse(CONFIG, "f"))
        pair = open_bound(Binding(IPv4Address(0), 0))
        assert pair.udp is not None
        pair.udp.setblocking(False)
        loop = asyncio.get_running_loop()

        def begin() -> None:
            for flight in service.flights_to_begin():
                loop.call_later(0.01, flight.give_up, loop.time())

        listener = UdpListener(pair.udp, service, begin, asked_for=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.connect(("127.0.0.9", pair.udp.getsockname()[1]))
            query = dns.message.make_query("elsewhere.example.", "A")
            client.send(query.to_wire())
            response = dns.message.from_wire(await asyncio.to_thread(client.recv, 4096))
        assert query.is_response(response)
        assert response.rcode() == dns.rcode.SERVFAIL
        listener.close()
        pair.tcp.close()

    asyncio.run(run())


@pytest.mark.parametrize(("address", "interface"), [("2001:db8::1", 0), ("fe80::1", 7), ("::1", 0)])
def test_the_interface_is_kept_only_for_link_local_addresses(address: str, interface: int) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as unbound:
        datagrams = Datagrams(unbound, asked_for=True)
        content = IPv6Address(address).packed + (7).to_bytes(4, "little")
        datagrams.controls[1][16:36] = content
        datagrams.forget_interface(1)
        _, control = datagrams.origin(1)
        assert control[16:36] == content[:16] + interface.to_bytes(4, "little")


def test_nothing_to_receive_is_told_as_sockets_tell_it() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(BlockingIOError):
            Datagrams(silent, asked_for=False).receive()


def test_a_response_that_cannot_be_sent_does_not_stop_those_behind_it() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 0))
        client.settimeout(5)
        client.connect(server.getsockname())
        for number in range(3):
            client.send(number.to_bytes(2, "big") + b"?")
        datagrams = Datagrams(server, asked_for=False)
        assert datagrams.receive() == 3
        for slot, size in enumerate((10, 70_000, 10)):
            datagrams.respond(slot, bytes(size))
        assert datagrams.send(0, 3) == 1
        assert [client.recv(100)[:2] for _ in range(2)] == [b"\0\0", b"\0\2"]


def test_a_batch_is_bounded() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(SLOTS + 5):
                client.sendto(b"?", server.getsockname())
        datagrams = Datagrams(server, asked_for=False)
        assert (datagrams.receive(), datagrams.receive()) == (SLOTS, 5)


def test_a_query_that_fails_by_a_fault_of_ours_takes_no_other_along(monkeypatch: pytest.MonkeyPatch) -> None:
    received = Service.received

    def fail(service: Service, data: bytes, *arguments: object, **options: object) -> object:
        if data[:2] == b"\0\7":
            raise RuntimeError
        return received(service, data, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Service, "received", fail)

    async def run() -> None:
        service = Service(random_id=lambda: 1)
        service.configure(parse(CONFIG, "f"))
        pair = open_bound(Binding(IPv6Address("::1"), 0))
        assert pair.udp is not None
        pair.udp.setblocking(False)
        begun: list[None] = []
        listener = UdpListener(pair.udp, service, lambda: begun.append(None), asked_for=False)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.connect(pair.udp.getsockname()[:2])
            queries = [dns.message.make_query(LOCAL, "AAAA", id=number) for number in (6, 7, 8)]
            for query in queries:
                client.send(query.to_wire())
            listener._readable()
            assert [client.recv(4096)[:2] for _ in range(2)] == [b"\0\6", b"\0\x08"]
        assert begun
        listener.close()
        pair.tcp.close()

    asyncio.run(run())


def test_late_responses_leave_together_each_to_its_client_and_the_unsendable_are_counted() -> None:
    with contextlib.ExitStack() as stack:
        server, *clients = (
            stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) for _ in range(4)
        )
        server.bind(("::1", 0))
        for client in clients:
            client.settimeout(5)
            client.connect(server.getsockname())
            client.send(b"??")
        datagrams = Datagrams(server, asked_for=False)
        late = LateResponses(server, asked_for=False)
        assert datagrams.receive() == 3
        for slot, response in enumerate((b"first", b"", b"third" * 200)):
            late.add(datagrams.origin(slot), response)
        nowhere = datagrams.origin(0)[0][:2] + bytes(26)
        late.add((nowhere, b""), b"port 0 is nobody's")
        assert len(late) == 4
        assert late.send() == 1
        assert len(late) == 0
        assert [client.recv(4096) for client in clients] == [b"first", b"", b"third" * 200]


def test_a_late_response_that_is_too_long_is_an_error_and_takes_no_room() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        late = LateResponses(server, asked_for=False)
        with pytest.raises(ValueError, match="different structures"):
            late.add((bytes(16), b""), bytes(1233))
        assert len(late) == 0


@pytest.mark.parametrize("factory", [DirectLoop, asyncio.SelectorEventLoop])
def test_a_stopped_listener_leaves_queries_to_others_and_still_sends_what_comes_later(
    factory: type[asyncio.AbstractEventLoop],
) -> None:
    async def run() -> None:
        service = Service(random_id=lambda: 1)
        service.configure(parse(CONFIG, "f"))
        pair = open_bound(Binding(ip_address("::1"), 0))
        assert pair.udp is not None
        pair.udp.setblocking(False)
        begun: list[Flight] = []
        listener = UdpListener(
            pair.udp, service, lambda: begun.extend(service.flights_to_begin()), asked_for=False
        )
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.connect(pair.udp.getsockname()[:2])
            client.send(dns.message.make_query("elsewhere.example.", "A", id=7).to_wire())
            while not begun:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
            listener.stop()
            another = dns.message.make_query(LOCAL, "AAAA").to_wire()
            client.send(another)
            await asyncio.sleep(0.05)
            begun[0].give_up(asyncio.get_running_loop().time())
            assert dns.message.from_wire(await asyncio.to_thread(client.recv, 4096)).id == 7
            assert pair.udp.recv(4096) == another
        listener.close()
        pair.tcp.close()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())
