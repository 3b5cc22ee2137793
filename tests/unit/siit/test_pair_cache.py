"""The memory of address pairs is bounded."""

from __future__ import annotations

from nat64.siit.address_pair import AddressPair, PairCache


def pair(number: int) -> tuple[bytes, AddressPair]:
    key = number.to_bytes(8, "big")
    return key, AddressPair(key, bytes(32), None)


def test_it_never_holds_more_than_its_capacity() -> None:
    cache = PairCache(10)
    for number in range(1000):
        cache.keep(*pair(number))
        assert len(cache) <= 10


def test_a_pair_in_use_is_kept_while_others_come_and_go() -> None:
    cache = PairCache(10)
    key, kept = pair(0)
    cache.keep(key, kept)
    for number in range(1, 100):
        cache.keep(*pair(number))
        assert cache.find(key) is kept


def test_an_unused_pair_is_forgotten() -> None:
    cache = PairCache(10)
    key, kept = pair(0)
    cache.keep(key, kept)
    for number in range(1, 20):
        cache.keep(*pair(number))
    assert cache.find(key) is None
