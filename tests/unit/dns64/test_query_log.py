"""The query log: lines that no client can forge, and a file that may fail in any way."""

from __future__ import annotations

import asyncio
import os
import string
from typing import TYPE_CHECKING

import dns.name
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.dns64 import query_log_file
from nat64.dns64.query_log import LoggedQuery, line_of
from nat64.dns64.query_log_file import BUFFER_SIZE, QueryLogFile
from nat64.dns64.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

QUERY = LoggedQuery(
    at=1764257483.25,
    client="2001:db8::c",
    transport="udp",
    outcome="synthesized",
    view="guests",
    labels=(b"www", b"example"),
    qtype=28,
    rcode=0,
    seconds=0.0123456,
    size=85,
)


def words(line: bytes) -> dict[str, str]:
    text = line.decode("ascii")
    assert text.endswith("\n")
    assert "\n" not in text[:-1]
    return dict(word.split("=", 1) for word in text[:-1].split(" "))


def test_a_line_says_who_asked_what_and_what_became_of_it() -> None:
    assert line_of(QUERY) == (
        b"time=2025-11-27T15:31:23.250000Z client=2001:db8::c transport=udp view=guests name=www.example. "
        b"type=AAAA rcode=NOERROR outcome=synthesized us=12345 bytes=85\n"
    )


def test_what_is_not_known_is_a_dash() -> None:
    said = words(line_of(LoggedQuery(at=0.0, client="192.0.2.1", transport="tcp", outcome="malformed")))
    assert (said["view"], said["name"], said["type"], said["rcode"]) == ("-", "-", "-", "-")
    assert words(line_of(LoggedQuery(0.0, "192.0.2.1", "tcp", "x", labels=())))["name"] == "."


names = st.lists(st.binary(min_size=1, max_size=63), max_size=8).filter(
    lambda labels: sum(map(len, labels)) + len(labels) < 255
)


@given(names, st.integers(min_value=0, max_value=65535), st.integers(min_value=0, max_value=4095), st.text())
def test_rfc1035_5_1_whatever_a_client_asks_is_one_line_that_can_be_read_back(
    labels: list[bytes], qtype: int, rcode: int, view: str
) -> None:
    line = line_of(LoggedQuery(0.0, "192.0.2.1", "udp", "x", view, labels, qtype, rcode))
    said = words(line)
    assert list(said) == [
        "time", "client", "transport", "view", "name", "type", "rcode", "outcome", "us", "bytes",
    ]  # fmt: skip
    assert set(line[:-1].decode("ascii")) <= set(string.printable) - set('\t\n\r\x0b\x0c"')
    assert dns.name.from_text(said["name"]).labels == (*labels, b"")


@given(st.sampled_from([1, 28, 12, 65, 255, 6, 64, 65280, 999]))
def test_rfc3597_5_types_are_named_as_everywhere(qtype: int) -> None:
    said = words(line_of(LoggedQuery(0.0, "192.0.2.1", "udp", "x", labels=(), qtype=qtype)))
    assert dns.rdatatype.from_text(said["type"]) == qtype


@pytest.mark.parametrize("rcode", [0, 1, 2, 3, 4, 5, 16, 23])
def test_response_codes_are_named_as_everywhere(rcode: int) -> None:
    said = words(line_of(LoggedQuery(0.0, "192.0.2.1", "udp", "x", rcode=rcode)))
    assert dns.rcode.from_text(said["rcode"]) == rcode


def line(number: int) -> bytes:
    return b"line %06d\n" % number


@pytest.fixture
def statistics() -> Statistics:
    return Statistics()


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def is_written(path: Path) -> None:
    for _ in range(2000):
        if size_of(path):
            return
        await asyncio.sleep(0.01)
    pytest.fail("nothing was written")


def run(test: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


def test_lines_are_written_in_batches(
    tmp_path: Path, statistics: Statistics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_log_file, "BATCH_SECONDS", 0.05)
    path = tmp_path / "queries"

    async def test() -> None:
        file = QueryLogFile(statistics)
        file.use(str(path))
        for number in range(100):
            file.write(line(number))
        assert path.read_bytes() == b""
        await is_written(path)
        assert path.read_bytes() == b"".join(map(line, range(100)))
        for number in range(10000):
            file.write(line(number))
        assert path.stat().st_size >= 60000  # without waiting
        file.close()
        assert path.read_bytes().endswith(line(9999))
        assert path.stat().st_mode & 0o777 == 0o640

    run(test())
    assert not statistics.counters["query_log_lost"]


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path, statistics: Statistics) -> None:
    path, moved = tmp_path / "queries", tmp_path / "queries.1"

    async def test() -> None:
        file = QueryLogFile(statistics)
        file.use(str(path))
        file.write(line(1))
        path.rename(moved)
        file.use(str(path))
        file.write(line(2))
        file.close()

    run(test())
    assert (moved.read_bytes(), path.read_bytes()) == (line(1), line(2))


def test_a_full_disk_loses_what_is_over_the_bound_and_tells_once(
    tmp_path: Path, statistics: Statistics, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(query_log_file, "RETRY_SECONDS", 0.02)
    caplog.set_level("INFO")
    path, later = tmp_path / "queries", tmp_path / "later"
    path.symlink_to("/dev/full")
    many = BUFFER_SIZE // len(line(0)) + 500

    async def test() -> None:
        file = QueryLogFile(statistics)
        file.use(str(path))
        for number in range(many):
            file.write(line(number))
        await asyncio.sleep(0.1)
        assert statistics.counters["query_log_lost"] >= 500
        assert [record.getMessage() for record in caplog.records] == ["the query log cannot be written"]
        path.unlink()
        path.symlink_to(later)
        await is_written(later)
        file.write(line(many))
        file.close()

    run(test())
    assert "No space left on device; make room" in caplog.records[0].why  # type: ignore[attr-defined]
    assert caplog.records[1].getMessage() == "the query log is written again"
    written = later.read_bytes()
    assert written.count(b"\n") + statistics.counters["query_log_lost"] == many + 1
    assert written.startswith(line(0))
    assert written.endswith(line(many))


def test_a_directory_that_is_missing_is_awaited(
    tmp_path: Path, statistics: Statistics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_log_file, "BATCH_SECONDS", 0.01)
    monkeypatch.setattr(query_log_file, "RETRY_SECONDS", 0.01)
    path = tmp_path / "later" / "queries"

    async def test() -> None:
        file = QueryLogFile(statistics)
        file.use(str(path))
        file.write(line(1))
        await asyncio.sleep(0.05)
        path.parent.mkdir()
        await is_written(path)
        file.close()

    run(test())
    assert path.read_bytes() == line(1)


def test_a_pipe_that_nobody_reads_stops_nothing(tmp_path: Path, statistics: Statistics) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def test() -> None:
        file = QueryLogFile(statistics)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        file.use(str(path))
        for number in range(200_000):
            file.write(line(number))
        received = os.read(reader, 1 << 16)
        assert received.startswith(line(0))
        os.close(reader)
        file.write(line(0))
        file.flush()
        file.close()

    run(test())
    assert statistics.counters["query_log_lost"] > 50_000


def test_without_a_file_nothing_is_kept(statistics: Statistics) -> None:
    file = QueryLogFile(statistics)
    assert not file.is_wanted
    file.write(line(1))
    file.close()
    assert not statistics.counters
