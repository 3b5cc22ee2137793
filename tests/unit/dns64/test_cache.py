"""Answers that are kept: for how long, how many, and who gets them."""

from __future__ import annotations

import struct
from sys import getsizeof
from typing import Final

import dns.name
import pytest

from nat64.dns64.answer import Answer
from nat64.dns64.cache import Cache
from nat64.dns64.ready_answers import AHEAD, ReadyAnswer, ReadyAnswers

QUESTION_END: Final = b"\0\x1c\0\1\0"
ROOM: Final = 1 << 20


def key(name: str, view: int = 0) -> bytes:
    return view.to_bytes(2, "big") + dns.name.from_text(name).to_digestable() + QUESTION_END


def answer(lifetime: int, rcode: int = 0, size: int = 100) -> Answer:
    return Answer(bytes(size), (), rcode, "forwarded", lifetime)


def test_rfc1035_3_2_1_an_answer_is_fresh_for_its_lifetime() -> None:
    cache = Cache(ROOM, stale=0)
    cache.put(key("a."), answer(60), 100.0)
    kept = cache.get(key("a."), 159.9)
    assert kept is not None
    assert kept.is_fresh(159.9)
    assert kept.age(159.9) == 59
    assert cache.get(key("a."), 160.0) is None
    assert (len(cache), cache.used) == (0, 0)


def test_what_may_not_be_kept_is_not() -> None:
    cache = Cache(ROOM)
    assert cache.put(key("a."), answer(0), 0.0) is None
    assert len(cache) == 0


def test_an_answer_of_one_view_is_not_anothers() -> None:
    cache = Cache(ROOM)
    cache.put(key("a.", 1), answer(60), 0.0)
    assert cache.get(key("a.", 0), 1.0) is None


def test_the_longest_unused_go_first_and_the_bound_holds() -> None:
    cache = Cache(20_000)
    for number in range(10):
        cache.put(key(f"{number}."), answer(60), 0.0)
    for number in range(10, 1000):
        assert cache.get(key("0."), 1.0) is not None
        cache.put(key(f"{number}."), answer(60), 1.0)
        assert cache.used <= 20_000
    assert cache.get(key("1."), 1.0) is None
    assert cache.get(key("999."), 1.0) is not None


def test_an_answer_larger_than_all_room_costs_no_other() -> None:
    cache = Cache(5_000)
    cache.put(key("a."), answer(60), 0.0)
    assert cache.put(key("b."), answer(60, size=60_000), 0.0) is None
    assert cache.get(key("a."), 0.0) is not None


def test_a_newer_answer_takes_the_place_and_the_room_of_the_older() -> None:
    cache = Cache(ROOM)
    cache.put(key("a."), answer(60), 0.0)
    used = cache.used
    cache.put(key("a."), answer(60), 1.0)
    assert (len(cache), cache.used) == (1, used)


def test_rfc8767_4_an_expired_answer_stays_for_a_while_but_a_failure_does_not() -> None:
    cache = Cache(ROOM, stale=100)
    cache.put(key("a."), answer(60), 0.0)
    cache.put(key("b."), answer(1, rcode=2), 0.0)
    kept = cache.get(key("a."), 159.0)
    assert kept is not None
    assert not kept.is_fresh(159.0)
    assert cache.get(key("a."), 160.0) is None
    assert cache.get(key("b."), 1.5) is None


@pytest.mark.parametrize(
    ("flushed", "left"),
    [
        ("example.", {"net."}),
        ("WWW.example.", {"net.", "example.", "xwww.example."}),
        (".", set()),
        ("org.", {"net.", "example.", "xwww.example.", "www.example."}),
    ],
)
def test_flush_takes_a_name_and_what_is_below_it(flushed: str, left: set[str]) -> None:
    names = {"net.", "example.", "www.example.", "xwww.example."}
    cache = Cache(ROOM)
    for name in names:
        cache.put(key(name), answer(60), 0.0)
    assert cache.flush(dns.name.from_text(flushed).to_wire()) == len(names - left)
    assert {name for name in names if cache.get(key(name), 0.0) is not None} == left


def test_flush_of_everything_leaves_nothing() -> None:
    cache = Cache(ROOM)
    cache.put(key("a."), answer(60), 0.0)
    assert (cache.flush(), len(cache), cache.used) == (1, 0, 0)


def test_less_room_takes_effect_at_once() -> None:
    cache = Cache(ROOM)
    for number in range(100):
        cache.put(key(f"{number}."), answer(60), 0.0)
    cache.resize(5_000, 0)
    assert 0 < cache.used <= 5_000
    assert cache.get(key("99."), 0.0) is not None


def test_rfc8767_6_what_was_to_be_served_stale_is_not_once_that_is_turned_off() -> None:
    cache = Cache(ROOM, stale=100)
    cache.put(key("a."), answer(60), 0.0)
    cache.resize(ROOM, 0)
    assert cache.get(key("a."), 59.0) is not None
    assert cache.get(key("a."), 61.0) is None


@pytest.mark.parametrize("since", [100.0, 100.3, 100.95])
@pytest.mark.parametrize("passed", [0.0, 0.06, 0.9, 2.04, 59.9])
def test_rfc1035_3_2_1_no_ttl_is_more_than_is_left_by_a_second(since: float, passed: float) -> None:
    cache = Cache(ROOM)
    kept = cache.put(key("a."), answer(60), since)
    assert kept is not None
    now = since + passed
    assert 0 <= 60 - kept.age(now) < kept.until - now + 1
    data = bytearray(8)
    struct.pack_into("!I", data, 4, 60 - kept.age(now))
    ready = ReadyAnswer.made(data, (4,), int(now), int(kept.until))
    for second in range(int(now), ready.until):
        if ready.second < second:
            ready.turn_to(second, second + AHEAD)
        (ttl,) = struct.unpack_from("!I", ready.data, 4)
        right = 60 - kept.age(float(second))
        assert right - AHEAD <= ttl <= right


def test_an_answer_of_many_records_is_not_taken_for_less_than_it_is() -> None:
    records = 3000
    cache = Cache(ROOM)
    ttls = tuple(range(1000, 1000 + 16 * records, 16))
    takes = records * 16 + getsizeof(ttls) + sum(map(getsizeof, ttls))
    cache.put(key("a."), Answer(bytes(records * 16), ttls, 0, "forwarded", 60), 0.0)
    assert cache.used >= takes
    ready = ReadyAnswers(takes)
    data = bytearray(1000 + records * 16)
    for number, at in enumerate(ttls):
        struct.pack_into("!I", data, at, 1000 + number)
    ready.put(b"a", ReadyAnswer.made(data, ttls, 0, 60))
    assert len(ready) == 0
