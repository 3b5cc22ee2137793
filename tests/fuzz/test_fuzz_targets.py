"""The fuzz targets, for a bounded number of inputs: every seed, and as many changed ones as `make unit` has time for."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from nat64.dns64 import answer
from nat64.dns64.resolution import Resolution
from nat64.siit import counters
from nat64.siit.translator import Translator
from tests.fuzz import (
    config_target,
    dns64_query_target,
    dns64_reply_target,
    mutation,
    seeds,
    translator_target,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS = {
    "translator": translator_target.run,
    "config": config_target.run,
    "dns64-query": dns64_query_target.run,
    "dns64-reply": dns64_reply_target.run,
}
SHARES = range(4)
INPUTS_A_SHARE = 500


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_is_what_its_script_makes(target: str) -> None:
    stored = {path.name: path.read_bytes() for path in (seeds.DIRECTORY / target).iterdir()}
    assert stored == dict(seeds.INPUTS[target]()), "run: python -m tests.fuzz.seeds"


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_keeps_every_promise(target: str) -> None:
    for data in dict(seeds.INPUTS[target]()).values():
        TARGETS[target](data)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("target", TARGETS)
def test_changed_seeds_keep_every_promise(target: str, share: int) -> None:
    random = Random(share)  # noqa: S311 - repeatable, not secret
    corpus = list(dict(seeds.INPUTS[target]()).values())
    for _ in range(INPUTS_A_SHARE):
        data = mutation.mutated(corpus, random)
        try:
            TARGETS[target](data)
        except Exception as error:
            error.add_note(f"input: {data.hex()}")
            raise


def test_the_seeds_reach_every_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: set[str] = set()
    check = translator_target.UnderTest._check_counters

    def noting(self: translator_target.UnderTest, grown: dict[str, int], sent: list[bytes]) -> None:
        reached.update(grown)
        check(self, grown, sent)

    monkeypatch.setattr(translator_target.UnderTest, "_check_counters", noting)
    for data in dict(seeds.translator_inputs()).values():
        translator_target.run(data)
    assert set(counters.MEANINGS) - reached == set()


def _broken_hop_limit(packet: bytes) -> bytes:
    return packet[:7] + b"\0" + packet[8:] if packet[0] >> 4 == 6 else packet


def _broken_checksum(packet: bytes) -> bytes:
    return packet[:-1] + bytes((packet[-1] ^ 1,))


@pytest.mark.parametrize("broken", [_broken_hop_limit, _broken_checksum])
def test_a_translator_that_breaks_a_promise_is_found(monkeypatch: pytest.MonkeyPatch, broken: object) -> None:
    receive = Translator.receive

    def receive_and_break(
        self: object, packet: memoryview, now: float
    ) -> tuple[tuple[bytes, memoryview], ...]:
        sent = receive(self, packet, now)  # type: ignore[arg-type] # the translator itself
        return tuple((broken(b"".join(parts)), packet[:0]) for parts in sent)  # type: ignore[operator]

    monkeypatch.setattr(Translator, "receive", receive_and_break)
    data = dict(seeds.translator_inputs())["servers"]
    with pytest.raises(AssertionError):
        translator_target.run(data)


def _with_another_id(response: bytes) -> bytes:
    return bytes((response[0] ^ 1,)) + response[1:]


def _with_ad(response: bytes) -> bytes:
    return response[:3] + bytes((response[3] | 0x20,)) + response[4:]


def _cut(response: bytes) -> bytes:
    return response[:-1]


def _padded(response: bytes) -> bytes:
    return response + bytes(1233)


@pytest.mark.parametrize("broken", [_with_another_id, _with_ad, _cut, _padded])
@pytest.mark.parametrize("target", ["dns64-query", "dns64-reply"])
def test_a_dns64_that_breaks_a_promise_is_found(
    monkeypatch: pytest.MonkeyPatch, target: str, broken: Callable[[bytes], bytes]
) -> None:
    response = answer.response
    monkeypatch.setattr(answer, "response", lambda *arguments: broken(bytes(response(*arguments))))
    data = next(iter(dict(seeds.INPUTS[target]()).values()))
    with pytest.raises(AssertionError):
        TARGETS[target](data)


def test_a_dns64_that_believes_what_it_did_not_ask_for_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Resolution, "reply_received", lambda *_: True)
    with pytest.raises(AssertionError, match="believed"):
        dns64_reply_target.run(dict(seeds.INPUTS["dns64-reply"]())["a-not-asked"])
