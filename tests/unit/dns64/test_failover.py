"""Forwarders: totd's order of preference, failover, return after `retry`, and an answer by the deadline."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from nat64.config.dns64_config import Endpoint, Forwarder
from nat64.dns64.exchange import Exchange, Flags
from nat64.dns64.forwarders import Forwarders, Health
from nat64.dns64.message import Question, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

FIRST, SECOND, THIRD = "192.0.2.1", "192.0.2.2", "192.0.2.3"
CONFIG = f"""
forwarder {FIRST}
forwarder {SECOND}
forwarder {THIRD}
prefix 2001:db8:64::/96
allow-query ::/0
retry 100
"""
NAME = "v4.example."


def zone(reply: Make) -> dict[tuple[str, str], Any]:
    return {
        (NAME, "AAAA"): reply(),
        (NAME, "A"): reply(answer=(f"{NAME} 60 IN A 192.0.2.33",)),
        (NAME, "TXT"): reply(answer=(f"{NAME} 60 IN TXT hello",)),
    }


def whom(dns64: Any) -> list[str]:  # noqa: ANN401 - the fixture's own class cannot be imported
    asked = [forwarder for forwarder, _, _ in dns64.asked]
    dns64.asked.clear()
    return asked


def test_the_first_forwarder_is_preferred(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), CONFIG)
    for _ in range(3):
        dns64.ask(NAME, "TXT")
    assert whom(dns64) == [FIRST] * 3


@pytest.mark.parametrize("how", ["dead", "mute"])
def test_a_forwarder_that_fails_does_not_stop_this_query_nor_the_next(
    lab: Make, reply: Make, how: str
) -> None:
    dns64 = lab(zone(reply), CONFIG)
    getattr(dns64, how).add(FIRST)
    before = dns64.now
    assert dns64.ask(NAME).answer
    assert dns64.now - before <= (0 if how == "dead" else 1)
    dns64.asked.clear()
    before = dns64.now
    assert dns64.ask(NAME).answer
    assert dns64.now == before
    assert set(whom(dns64)) == {SECOND}


def test_a_forwarder_is_preferred_again_after_retry_seconds(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), CONFIG)
    dns64.dead.add(FIRST)
    dns64.ask(NAME, "TXT")
    dns64.dead.clear()
    dns64.now += 99
    whom(dns64)
    dns64.ask(NAME, "TXT")
    assert whom(dns64) == [SECOND]
    dns64.now += 2
    dns64.ask(NAME, "TXT")
    assert whom(dns64) == [FIRST]


def test_failed_forwarders_are_asked_when_nobody_else_is_left(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), CONFIG)
    dns64.dead |= {FIRST, SECOND, THIRD}
    assert dns64.ask(NAME, "TXT").rcode() == dns.rcode.SERVFAIL
    dns64.dead.clear()
    assert dns64.ask(NAME, "TXT").answer


def test_all_silent_means_servfail_before_the_client_gives_up(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), CONFIG)
    dns64.mute |= {FIRST, SECOND, THIRD}
    before = dns64.now
    assert dns64.ask(NAME).rcode() == dns.rcode.SERVFAIL
    assert 3 < dns64.now - before < 5
    assert set(whom(dns64)) == {FIRST, SECOND, THIRD}


def test_a_single_silent_forwarder_is_asked_again(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), "forwarder 192.0.2.1\nallow-query ::/0")
    dns64.mute.add(FIRST)
    dns64.ask(NAME, "TXT")
    assert len(whom(dns64)) >= 3


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED"])
def test_an_unhelpful_forwarder_is_not_the_last_word(lab: Make, reply: Make, rcode: str) -> None:
    dns64 = lab(zone(reply) | {(NAME, "TXT"): reply(rcode=rcode)}, CONFIG)
    assert dns64.ask(NAME, "TXT").rcode() == dns.rcode.from_text(rcode)
    assert whom(dns64) == [FIRST, SECOND, THIRD]
    dns64.zone = zone(reply)
    dns64.ask(NAME, "TXT")
    assert whom(dns64) == [FIRST]


def test_a_dead_second_forwarder_does_not_delay_the_firsts_servfail(lab: Make, reply: Make) -> None:
    dns64 = lab(
        {(NAME, "TXT"): reply(rcode="SERVFAIL")}, f"forwarder {FIRST}\nforwarder {SECOND}\nallow-query ::/0"
    )
    dns64.mute.add(SECOND)
    delays = []
    for _ in range(2):
        before = dns64.now
        assert dns64.ask(NAME, "TXT").rcode() == dns.rcode.SERVFAIL
        delays.append(dns64.now - before)
    assert delays[0] <= 1
    assert delays[1] == 0


def test_a_lost_datagram_is_asked_again_though_the_other_forwarder_is_dead(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), f"forwarder {FIRST}\nforwarder {SECOND}\nallow-query ::/0")
    dns64.mute.add(FIRST)
    dns64.dead.add(SECOND)
    assert dns64.ask(NAME, "TXT").rcode() == dns.rcode.SERVFAIL
    assert whom(dns64).count(FIRST) >= 2


def test_a_forwarder_that_stalls_over_tcp_only_is_still_healthy() -> None:
    exchange, health = start()
    (ask,) = exchange.asks_to_send()
    truncated = answer_to(ask.data)
    truncated.flags |= dns.flags.TC
    assert exchange.reply_received(ask, truncated.to_wire(), 0.1)
    (over_tcp,) = exchange.asks_to_send()
    assert over_tcp.tcp
    exchange.handle_timer(exchange.timer)
    assert health.failed_until(forwarder(FIRST), exchange.timer) is None


def test_rfc6891_7_a_forwarder_without_edns_is_asked_without(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), CONFIG)
    dns64.without_edns.add(FIRST)
    assert dns64.ask(NAME, "TXT").answer
    assert whom(dns64) == [FIRST, FIRST]


@pytest.mark.parametrize("rcode", [dns.rcode.FORMERR, dns.rcode.NOTIMP])
def test_rfc6891_7_a_server_of_before_edns_may_answer_with_a_header_alone(rcode: dns.rcode.Rcode) -> None:
    exchange, _ = start()
    (ask,) = exchange.asks_to_send()
    assert not exchange.reply_received(ask, bare_header(b"\0\x08", rcode), 0.1)
    assert not exchange.reply_received(ask, bare_header(ask.data[:2], dns.rcode.NOERROR), 0.1)
    assert exchange.reply_received(ask, bare_header(ask.data[:2], rcode), 0.1)
    (again,) = exchange.asks_to_send()
    assert (again.forwarder, parse(again.data).edns) == (ask.forwarder, None)


def bare_header(ident: bytes, rcode: dns.rcode.Rcode) -> bytes:
    return ident + struct.pack("!HHHHH", 0x8180 | rcode, 0, 0, 0, 0)


def forwarder(address: str) -> Forwarder:
    return Forwarder(Endpoint(IPv4Address(address)))


def start(*whom: Forwarder, at: float = 0.0) -> tuple[Exchange, Health]:
    health = Health(retry=100)
    forwarders = Forwarders(whom or (forwarder(FIRST), forwarder(SECOND)), health)
    question = Question(parse(dns.message.make_query(NAME, "A").to_wire()).question.name, 1)
    exchange = Exchange(question, Flags(), forwarders, deadline=4.0, random_id=lambda: 7)
    exchange.start(at)
    return exchange, health


def answer_to(data: bytes) -> dns.message.Message:
    return dns.message.make_response(dns.message.from_wire(data))


def spoil_id(data: bytes) -> bytes:
    return b"\0\x08" + data[2:]


def spoil_question(data: bytes) -> bytes:
    return data.replace(b"\x02v4", b"\x02v5")


def spoil_type(data: bytes) -> bytes:
    return data.replace(b"\x07example\0\0\x01", b"\x07example\0\0\x1c")


def make_query(data: bytes) -> bytes:
    return data[:2] + struct.pack("!H", struct.unpack_from("!H", data, 2)[0] & 0x7FFF) + data[4:]


@pytest.mark.parametrize("spoil", [spoil_id, spoil_question, spoil_type, make_query, lambda data: data[:20]])
def test_rfc5452_9_1_what_does_not_match_is_ignored_and_the_true_reply_still_counts(
    spoil: Callable[[bytes], bytes],
) -> None:
    exchange, _ = start()
    (ask,) = exchange.asks_to_send()
    data = answer_to(ask.data).to_wire()
    assert not exchange.reply_received(ask, spoil(data), 0.1)
    assert not exchange.done
    assert exchange.reply_received(ask, data, 0.2)
    assert exchange.done
    assert not exchange.reply_received(ask, data, 0.3)


def test_0x20_case_of_the_name_does_not_matter() -> None:
    exchange, _ = start()
    (ask,) = exchange.asks_to_send()
    assert exchange.reply_received(ask, answer_to(ask.data).to_wire().replace(b"v4", b"V4"), 0.1)


def test_a_late_reply_counts_and_shows_that_the_forwarder_lives() -> None:
    exchange, health = start()
    (ask,) = exchange.asks_to_send()
    exchange.handle_timer(exchange.timer)
    assert health.failed_until(forwarder(FIRST), 1.0) is not None
    assert exchange.reply_received(ask, answer_to(ask.data).to_wire(), 1.5)
    assert exchange.done
    assert health.failed_until(forwarder(FIRST), 1.5) is None


def test_a_forwarder_that_the_deadline_leaves_no_time_has_not_failed() -> None:
    exchange, health = start(at=3.9)
    exchange.handle_timer(exchange.timer)
    assert exchange.done
    assert health.failed_until(forwarder(FIRST), 4.0) is None


def test_a_forwarder_that_is_not_listened_to_any_more_is_not_silent() -> None:
    first, second = (Forwarder(Endpoint(IPv4Address(f"127.0.0.{each}")), validating=True) for each in (1, 2))
    exchange, health = start(first, second, forwarder(FIRST))
    for _ in range(2):
        exchange.handle_timer(exchange.timer)
    asked = {ask.forwarder: ask for ask in exchange.asks_to_send()}
    failure = answer_to(asked[first].data)
    failure.set_rcode(dns.rcode.SERVFAIL)
    exchange.reply_received(asked[first], failure.to_wire(), exchange.timer - 0.5)
    exchange.handle_timer(exchange.timer)
    assert health.failed_until(forwarder(FIRST), exchange.timer) is None


def test_one_slow_name_does_not_condemn_a_forwarder_that_answers_others() -> None:
    exchange, health = start()
    health.answered(forwarder(FIRST), 0.5)
    exchange.handle_timer(exchange.timer)
    assert health.failed_until(forwarder(FIRST), exchange.timer) is None


def test_rfc7766_5_a_truncated_reply_is_asked_again_over_tcp(lab: Make, reply: Make) -> None:
    big = reply(answer=tuple(f"{NAME} 60 IN TXT {'x' * 200}{i}" for i in range(20)))
    dns64 = lab({(NAME, "TXT"): reply(flags="QR RD RA TC"), (NAME, "TCP"): big}, CONFIG)
    response = dns64.ask(NAME, "TXT", tcp=True)
    assert len(response.answer[0]) == 20
    assert whom(dns64) == [FIRST, FIRST]


def test_a_reload_keeps_what_is_known_of_the_forwarders(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), CONFIG)
    dns64.dead.add(FIRST)
    dns64.ask(NAME, "TXT")
    dns64.reload(CONFIG.replace(FIRST, "192.0.2.9").replace(SECOND, FIRST))
    whom(dns64)
    dns64.ask(NAME, "TXT")
    assert whom(dns64) == ["192.0.2.9"]
    dns64.dead.add("192.0.2.9")
    dns64.ask(NAME, "TXT")
    assert whom(dns64) == ["192.0.2.9", THIRD]


def test_a_reload_does_not_make_one_slow_name_condemn_a_forwarder() -> None:
    health = Health(retry=100)
    health.answered(forwarder(FIRST), 10.5)
    health.forget_all_but([forwarder(FIRST)])
    health.silent(forwarder(FIRST), 10.0, 11.0)
    assert health.failed_until(forwarder(FIRST), 11.0) is None


def test_a_reload_forgets_forwarders_that_are_gone(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), CONFIG)
    dns64.dead.add(FIRST)
    dns64.ask(NAME, "TXT")
    dns64.reload(CONFIG.replace(FIRST, "192.0.2.9"))
    dns64.reload(CONFIG)
    dns64.dead.clear()
    whom(dns64)
    dns64.ask(NAME, "TXT")
    assert whom(dns64) == [FIRST]


def test_a_reload_may_change_how_long_a_failed_forwarder_is_passed_over(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), CONFIG)
    dns64.reload(CONFIG.replace("retry 100", "retry 10"))
    dns64.dead.add(FIRST)
    dns64.ask(NAME, "TXT")
    dns64.now += 11
    whom(dns64)
    dns64.ask(NAME, "TXT")
    assert whom(dns64)[0] == FIRST
