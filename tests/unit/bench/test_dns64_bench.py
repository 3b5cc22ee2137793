"""What the DNS64 bench decides: its queries, whether an answer is right, and how the generator counts."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from bench.dns64 import mirror, queries
from bench.dns64.__main__ import main
from bench.dns64.batches import Incoming, Outgoing, connected
from bench.dns64.generator import WINDOW, Client, round_trips
from bench.dns64.processes import Processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMES = queries.Names("h", 70_000, 50)


def wires() -> list[bytes]:
    data = queries.queries(NAMES)
    return [data[at : at + queries.SIZE] for at in range(0, len(data), queries.SIZE)]


def test_each_name_is_asked_for_once_as_a_modern_client_does() -> None:
    parsed = [dns.message.from_wire(wire) for wire in wires()]
    numbers = {int(message.question[0].name.labels[0][1:]) for message in parsed}
    assert numbers == set(range(70_000, 70_050))
    assert len({message.id for message in parsed}) == 50
    for message in parsed:
        assert (message.edns, message.payload, message.flags) == (0, 1232, dns.flags.RD)
        assert message.question[0].rdtype.name == "AAAA"
        assert 20 <= len(message.question[0].name.to_wire() or b"") <= 25


def test_an_answer_with_the_synthesized_address_is_right() -> None:
    assert queries.fault(mirror.answers(wires()[0]), NAMES) is None


def other(change: Callable[[dns.message.Message], object]) -> bytes:
    """Return a right answer that was changed."""
    message = dns.message.from_wire(mirror.answers(wires()[0]))
    change(message)
    return message.to_wire()


def record(message: dns.message.Message, ttl: int, text: str) -> None:
    message.answer[:] = [dns.rrset.from_text(message.question[0].name, ttl, "IN", "AAAA", text)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda message: setattr(message, "id", message.id ^ 1), "the ID"),
        (lambda message: message.set_rcode(dns.rcode.SERVFAIL), "rcode 2"),
        (lambda message: setattr(message, "flags", message.flags | dns.flags.TC), "TC 1"),
        (lambda message: message.answer.clear(), "the answer section"),
        (lambda message: record(message, 60, "2001:db8::1"), "the answer section"),
        (lambda message: record(message, 0, str(queries.SYNTHESIZED)), "TTL"),
        (lambda message: record(message, queries.TTL + 1, str(queries.SYNTHESIZED)), "TTL"),
    ],
)
def test_a_wrong_answer_is_told(change: Callable[[dns.message.Message], object], told: str) -> None:
    assert told in (queries.fault(other(change), NAMES) or "")


def test_an_answer_to_another_question_is_told() -> None:
    answer = mirror.answers(wires()[0])
    assert "nobody asked" in (queries.fault(answer, queries.Names("x", 70_000, 50)) or "")
    assert "nobody asked" in (queries.fault(answer, queries.Names("h", 0, 10)) or "")
    assert "cannot be parsed" in (queries.fault(answer[:20], NAMES) or "")


@contextlib.contextmanager
def server(respond: Callable[[bytes, int], bytes | None]) -> Iterator[int]:
    """Run a server on loopback that answers each query with what `respond` makes of it and its number."""
    channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    channel.bind(("::1", 0))

    def serve() -> None:
        number = 0
        while True:
            query, client = channel.recvfrom(512)
            if not query:
                return
            answer = respond(query, number)
            number += 1
            if answer is not None:
                channel.sendto(answer, client)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(channel.getsockname()[1])
    finally:
        with connected("::1", channel.getsockname()[1]) as ending:
            ending.send(b"")
        thread.join()
        channel.close()


@contextlib.contextmanager
def client(port: int, *, trains: bool = True) -> Iterator[Client]:
    made = Client("::1", port, trains=trains)
    try:
        yield made
    finally:
        made.close()


def outgoing() -> Outgoing:
    return Outgoing(queries.queries(NAMES), queries.SIZE)


@pytest.mark.parametrize("trains", [True, False], ids=["in trains", "one by one"])
def test_every_query_is_sent_once_and_counted_with_its_answer(trains: bool) -> None:
    seen: list[bytes] = []

    def respond(query: bytes, _: int) -> bytes:
        seen.append(query)
        return mirror.answers(query)

    with server(respond) as port, client(port, trains=trains) as asking:
        tally = asking.put(outgoing(), first=7, count=50, seconds=10, spin=False)
    assert (tally.asked, tally.answered, tally.in_time, tally.wrong) == (50, 50, 50, 0)
    assert sorted(seen) == sorted(wires())
    assert tally.samples
    assert all(queries.fault(sample, NAMES) is None for sample in tally.samples)


def test_failures_among_the_answers_are_counted() -> None:
    def respond(query: bytes, number: int) -> bytes:
        answer = bytearray(mirror.answers(query))
        if number % 10 == 0:
            answer[3] |= dns.rcode.SERVFAIL
        elif number % 10 == 1:
            answer[2] |= 0x02  # TC
        return bytes(answer)

    with server(respond) as port, client(port) as asking:
        tally = asking.put(outgoing(), first=0, count=50, seconds=10, spin=True)
    assert (tally.answered, tally.wrong) == (50, 10)
    assert tally.example is not None


def test_what_is_never_answered_is_counted_and_does_not_end_the_load() -> None:
    def respond(query: bytes, number: int) -> bytes | None:
        return None if number < 300 else mirror.answers(query)

    with server(respond) as port, client(port) as asking:
        tally = asking.put(outgoing(), first=0, count=1000, seconds=10, spin=False)
    assert tally.asked == 1000
    assert tally.answered == 700


def test_no_more_is_outstanding_than_a_receive_buffer_takes() -> None:
    with server(lambda _query, _number: None) as port, client(port) as asking:
        tally = asking.put(outgoing(), first=0, count=10_000, seconds=0.2, spin=False)
    assert tally.asked <= 8 * WINDOW
    assert tally.answered == 0


def test_round_trips_are_told_one_by_one() -> None:
    with server(lambda query, _: mirror.answers(query)) as port:
        found = round_trips("::1", port, queries.queries(NAMES), rate=500, seconds=0.2)
    assert len(found) == 100
    assert all(nanoseconds > 0 for nanoseconds in found)


def test_a_wrong_answer_ends_the_round_trips() -> None:
    with server(lambda query, _: query) as port, pytest.raises(ValueError, match="a wrong answer"):
        round_trips("::1", port, queries.queries(NAMES), rate=100, seconds=1)


def test_a_batch_of_datagrams_is_received_in_order_and_whole() -> None:
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as channel,
        connected("::1", _bound(channel)) as sender,
    ):
        for size in range(5):
            sender.send(bytes([size]) * (size + 1))
        incoming = Incoming(8)
        got = 0
        while got < 5:
            time.sleep(0.01)
            got = incoming.receive(channel)
        assert [incoming.datagram(index) for index in range(5)] == [
            bytes([size]) * (size + 1) for size in range(5)
        ]
        assert incoming.column(0, 5) == bytes(range(5))
        assert incoming.receive(channel) == 0


def _bound(channel: socket.socket) -> int:
    channel.bind(("::1", 0))
    return int(channel.getsockname()[1])


def test_a_process_and_its_children_are_seen_with_their_time_and_memory() -> None:
    child = "import os, sys; os.fork() or sum(range(10**7)); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdout.readline()
        seen = Processes(process.pid)
        assert len(seen.ids()) == 2
        assert seen.processor_seconds() > 0
        assert seen.memory() > 1 << 20
        (core, *_) = os.sched_getaffinity(0)
        seen.pin({core})
        assert all(os.sched_getaffinity(each) == {core} for each in seen.ids())
        process.stdin.close()
    assert seen.memory() == 0


def test_a_load_or_a_subject_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for words, told in (
        (["--only", "nothing"], "no load has 'nothing' in its name"),
        (["--subjects", "djbdns"], "there are dns64d, Unbound"),
        (["--cores", "3"], "there are 1 and 2"),
        (["--rounds", "0"], "0 is not at least 1"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert told in capsys.readouterr().err
