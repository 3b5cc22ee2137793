"""RFC 5452 sections 9.2 and 10: many source ports that change, and what arrives at them unasked."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from contextlib import contextmanager
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from nat64.config.dns64_config import Endpoint, Forwarder
from nat64.dns64 import source_ports
from nat64.dns64.upstream import Upstream
from tests.unit.dns64.asking import (
    Asking,
    UdpServer,
    all_end,
    ask,
    begin,
    empty_reply,
    question,
    run,
    true_reply,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

CLOSED = "127.0.0.2"
"""Where a port that was closed is not one of those that questions leave from, nor another test's."""


@contextmanager
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


def forged(data: bytes, count: int) -> list[bytes]:
    """Make replies with another address that fit but for their IDs, none of which is the right one."""
    lie = true_reply(data).replace(bytes((192, 0, 2, 33)), bytes((203, 0, 113, 66)))
    right = int.from_bytes(data[:2], "big")
    return [((right + 1 + number) % 65536).to_bytes(2, "big") + lie[2:] for number in range(count)]


def descriptors() -> int:
    """Return how many are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_rfc5452_9_2_each_question_has_a_new_port_while_there_are_few() -> None:
    async def test() -> None:
        server = UdpServer()
        with upstream() as way:
            async with server.serving() as forwarder:
                for _ in range(source_ports.MOST_PORTS):
                    assert await ask(way, forwarder)
        ports = [port for _, port in server.peers]
        # A port that was closed might be chosen again; none of these was.
        assert len(set(ports)) == source_ports.MOST_PORTS
        steps = {later - earlier for earlier, later in pairwise(ports)}
        assert len(steps) > source_ports.MOST_PORTS * 0.8
        assert max(ports) - min(ports) > 5000

    run(test)


def test_rfc5452_9_2_under_load_the_ports_are_many_and_none_serves_for_long() -> None:
    async def test() -> None:
        server = UdpServer(says=lambda data: [empty_reply(data)])
        before = descriptors()
        with upstream() as way:
            async with server.serving() as forwarder:
                for _ in range(40):
                    askings = [begin(way, forwarder) for _ in range(100)]
                    await all_end(askings)
                    assert all(asking.reply for asking in askings)
                    # All is answered: those that were replaced are closed.
                    assert descriptors() - before < source_ports.MOST_PORTS + 10
        uses = [server.peers.count(peer) for peer in set(server.peers)]
        assert len(server.peers) == 4000
        # The kernel may choose one again that was closed.
        assert len(uses) > 0.9 * 4000 / source_ports.MOST_ASKS
        # No order in which one follows the other.
        assert len(set(pairwise(server.peers))) > 2500

    run(test)


def test_a_port_that_is_old_is_replaced_and_closed_when_there_is_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source_ports, "OLDEST_SECONDS", 0.2)

    async def test() -> None:
        server = UdpServer()
        with upstream() as way:
            async with server.serving() as forwarder:
                await ask(way, forwarder)
                before = descriptors()
                for _ in range(10):
                    await ask(way, forwarder)
                assert descriptors() > before
                await asyncio.sleep(0.5)
                assert descriptors() < before
                assert await ask(way, forwarder)

    run(test)


def test_two_questions_with_one_id_at_a_time_each_have_their_answer() -> None:
    async def test() -> None:
        server = UdpServer(seconds=0.05)
        with upstream() as way:
            async with server.serving() as forwarder:
                names = [f"v{number}.example." for number in range(100)]
                askings = [begin(way, forwarder, name=name, ident=7) for name in names]
                await all_end(askings)
        assert [str(each.reply.question[0].name) for each in askings if each.reply] == names
        assert len(set(server.peers)) == 100

    run(test)


def test_rfc5452_9_1_forged_replies_are_counted_and_the_true_one_is_taken() -> None:
    async def test() -> None:
        server = UdpServer(says=lambda data: [*forged(data, 50), true_reply(data)])
        with upstream() as way:
            async with server.serving() as forwarder:
                reply = await ask(way, forwarder)
            assert reply is not None
            assert reply.answer[0][0].address == "192.0.2.33"
            assert way.statistics.counters["forged"] == 50

    run(test)


def test_a_port_at_which_somebody_guesses_is_left_and_its_questions_are_put_again_from_others() -> None:
    async def test() -> None:
        server = UdpServer()
        server.says = lambda data: forged(data, 300) if len(server.peers) == 1 else [true_reply(data)]
        with upstream() as way:
            async with server.serving() as forwarder:
                asking = begin(way, forwarder)
                await asking.end.wait()
            assert asking.reply is not None
            assert not asking.failures
            assert len(set(server.peers)) == 2
            assert way.statistics.counters["forged"] == source_ports.MOST_USELESS

    run(test)


def test_a_question_that_is_guessed_at_again_is_given_up_for_lost() -> None:
    async def test() -> None:
        server = UdpServer(says=lambda data: forged(data, 300))
        with upstream() as way:
            async with server.serving() as forwarder:
                asking = begin(way, forwarder)
                await asking.end.wait()
            assert asking.reply is None
            ((by_us, why),) = asking.failures
            assert not by_us
            assert why is not None
            assert why.startswith("too many replies that do not fit; ")
            assert len(server.peers) == 2

    run(test)


def test_what_comes_twice_or_after_another_forwarder_has_answered_is_no_forgery() -> None:
    async def test() -> None:
        server = UdpServer(says=lambda data: [true_reply(data)] * 3)
        late = UdpServer(seconds=0.1)
        with upstream() as way:
            async with server.serving() as forwarder, late.serving() as late_forwarder:
                asking = Asking(question(late_forwarder), question(forwarder))
                way.begin(asking)
                await asking.end.wait()
                await late.was_asked(1)
                await asyncio.sleep(0.3)
            assert way.statistics.counters["forged"] == 0

    run(test)


def test_a_closed_port_of_the_forwarder_fails_all_that_was_asked_by_a_port() -> None:
    async def test() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, upstream() as way:
            silent.bind((CLOSED, 0))
            forwarder = Forwarder(Endpoint(ip_address(CLOSED), silent.getsockname()[1]))
            askings = [begin(way, forwarder) for _ in range(200)]
            silent.close()
            # The next question by a port brings the ICMP error for all that went by it.
            askings += [begin(way, forwarder) for _ in range(600)]
            await all_end(askings[200:])
            assert {str(asking.failures) for asking in askings[200:]} == {"[(False, None)]"}
            assert sum(asking.failures == [(False, None)] for asking in askings[:200]) > 100

    run(test)


def test_a_refusal_of_earlier_questions_does_not_fail_the_next_one() -> None:
    async def test() -> None:
        server = UdpServer(says=lambda _: [])
        with upstream() as way:
            async with server.serving(CLOSED) as forwarder:
                earlier = [begin(way, forwarder) for _ in range(source_ports.MOST_PORTS)]
                await server.was_asked(len(earlier))
            await asyncio.sleep(0.01)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                # Nobody listens: the questions are refused, but nobody has looked yet when the server is back.
                refused = [begin(way, forwarder) for _ in range(10)]
                sender.bind((CLOSED, forwarder.endpoint.port))
                sender.setblocking(False)
                asking = [begin(way, forwarder) for _ in range(50)]
                answered = 0
                while answered < len(asking):
                    await asyncio.sleep(0.01)
                    try:
                        data, peer = sender.recvfrom(1000)
                    except BlockingIOError:
                        continue
                    sender.sendto(true_reply(data), peer)
                    answered += 1
                await all_end((*refused, *asking))
            assert all(each.reply for each in asking)
            assert all(each.failures == [(False, None)] for each in refused)

    run(test)


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as lowest:
        limit = lowest.fileno() + count
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_with_no_descriptors_left_the_ports_that_there_are_serve_on() -> None:
    async def test() -> None:
        server = UdpServer()
        with upstream() as way:
            async with server.serving() as forwarder:
                assert await ask(way, forwarder)
                with descriptors_left(4):
                    for _ in range(10):
                        askings = [begin(way, forwarder) for _ in range(50)]
                        await all_end(askings)
                        assert all(asking.reply for asking in askings)
        assert len(set(server.peers)) < 10

    run(test)


def test_a_shortage_of_descriptors_is_not_the_forwarders_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_ports, "OLDEST_SECONDS", 0.1)

    async def test() -> None:
        server = UdpServer()
        with upstream() as way:
            async with server.serving() as forwarder:
                assert await ask(way, forwarder)
                await asyncio.sleep(0.3)  # that port is old now, and closed
                with descriptors_left(0):
                    asking = begin(way, forwarder)
                await asking.end.wait()
                assert asking.failures == [(True, None)]
                assert await ask(way, forwarder)

    run(test)


def test_thousands_of_questions_wait_at_a_time_at_few_descriptors() -> None:
    async def test() -> None:
        server = UdpServer(seconds=0.6, says=lambda data: [empty_reply(data)])
        before = descriptors()
        with upstream() as way:
            async with server.serving() as forwarder:
                askings = []
                for _ in range(30):
                    askings += [begin(way, forwarder) for _ in range(100)]
                    await server.was_asked(len(askings))
                assert descriptors() - before < 3000 / source_ports.MOST_ASKS + 2 * source_ports.MOST_PORTS
                await all_end(askings)
                assert all(asking.reply for asking in askings)
            await asyncio.sleep(0.01)
        assert descriptors() <= before

    run(test)


def test_forgeries_at_every_port_do_not_keep_the_answers_from_being_taken() -> None:
    async def test() -> None:
        server = UdpServer(says=lambda _: [])
        with upstream() as way:
            async with server.serving() as forwarder:
                askings = [begin(way, forwarder) for _ in range(20)]
                await server.was_asked(len(askings))
                assert server.transport is not None
                peers = list(zip(server.asked, server.peers, strict=True))
                for data, peer in peers:
                    for forgery in forged(data, source_ports.MOST_USELESS - 1):
                        server.transport.sendto(forgery, peer)
                for data, peer in peers:
                    server.transport.sendto(true_reply(data), peer)
                await all_end(askings)
            assert all(asking.reply for asking in askings)
            assert not any(asking.failures for asking in askings)
            assert way.statistics.counters["forged"] == (source_ports.MOST_USELESS - 1) * len(askings)

    run(test)


def test_replies_that_came_in_time_are_taken_before_the_timers_also_where_many_wait_at_a_port(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(source_ports, "MOST_PORTS", 1)

    async def test() -> None:
        with upstream() as way, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            forwarder = Forwarder(Endpoint(ip_address("127.0.0.1"), server.getsockname()[1]))
            askings = [Asking(question(forwarder, ident=number)) for number in range(20)]
            for asking in askings:
                asking.timer = asyncio.get_running_loop().time() + 0.05
                way.begin(asking)
            for _ in askings:
                data, asker = server.recvfrom(4096)
                server.sendto(true_reply(data), asker)
            time.sleep(0.2)  # noqa: ASYNC251 - the loop is behind
            await all_end(askings)
            assert all(asking.reply for asking in askings)

    run(test)
    assert "fault" not in caplog.text
