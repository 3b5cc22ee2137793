"""What a client notices of the cache: fewer questions, true TTLs, never another's answer, and stale rather than nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from nat64.dns64.flights import Later
from nat64.dns64.lifetime import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

NAME: Final = "v4.example."
SOA: Final = "example. 300 IN SOA ns.example. root.example. 1 2 3 4 300"
MADE: Final = "2001:db8:64::c000:221"


def zone(reply: Make, ttl: int = 100) -> dict[tuple[str, str], object]:
    return {
        (NAME, "AAAA"): reply(authority=(SOA,)),
        (NAME, "A"): reply(answer=(f"{NAME} {ttl} IN A 192.0.2.33",)),
        (NAME, "TXT"): reply(answer=(f"{NAME} {ttl} IN TXT text",)),
        ("none.example.", "AAAA"): reply(rcode="NXDOMAIN", authority=(SOA,)),
        ("none.example.", "A"): reply(rcode="NXDOMAIN", authority=(SOA,)),
    }


@pytest.fixture
def kept(lab: Make, reply: Make) -> Any:  # noqa: ANN401 - the service of conftest
    """Give a service that keeps answers."""
    return lab(zone(reply), caching=True)


def test_a_second_query_asks_nobody_and_its_ttl_has_gone_down(kept: Any) -> None:  # noqa: ANN401 - as above
    first = kept.ask(NAME)
    asked = len(kept.asked)
    kept.now += 30.4
    again = kept.ask(NAME)
    assert len(kept.asked) == asked
    assert first.answer == again.answer
    assert (first.answer[0].ttl, again.answer[0].ttl) == (100, 70)


def test_each_client_gets_its_own_case_id_edns_and_size(kept: Any) -> None:  # noqa: ANN401 - as above
    kept.ask(NAME)
    response = kept.ask("V4.ExAmPlE.", use_edns=0, payload=512, want_dnssec=False, id=77)
    assert response.question[0].name.labels[0] == b"V4"
    assert (response.id, response.edns) == (77, 0)
    assert kept.ask(NAME).edns == -1


def test_rfc4035_4_7_flags_that_change_the_answer_are_not_mixed(kept: Any) -> None:  # noqa: ANN401 - as above
    for flags, dnssec_ok in (("RD", False), ("CD RD", False), ("RD", True), ("", False)):
        before = len(kept.asked)
        query = dns.message.make_query(NAME, "AAAA", want_dnssec=dnssec_ok)
        query.flags = dns.flags.from_text(flags)
        kept.send(query.to_wire())
        assert len(kept.asked) > before


def test_rfc2308_5_what_does_not_exist_is_kept_by_the_soa_record(kept: Any) -> None:  # noqa: ANN401 - as above
    assert kept.ask("none.example.").rcode() == dns.rcode.NXDOMAIN
    asked = len(kept.asked)
    kept.now += 299
    response = kept.ask("none.example.")
    assert (response.rcode(), response.authority[0].ttl) == (dns.rcode.NXDOMAIN, 1)
    assert len(kept.asked) == asked + 2  # the last tenth of its life: asked anew, behind the answer
    kept.now += 302
    kept.ask("none.example.")
    assert len(kept.asked) == asked + 4


def test_rfc2308_5_nothing_is_kept_that_no_soa_record_says(lab: Make, reply: Make) -> None:
    dns64 = lab({(NAME, "TXT"): reply()}, caching=True)
    for _ in range(2):
        dns64.ask(NAME, "TXT")
    assert len(dns64.asked) == 2


def test_rfc9520_3_2_a_failure_is_kept_for_a_second(lab: Make, reply: Make) -> None:
    dns64 = lab({(NAME, "TXT"): reply(rcode="SERVFAIL")}, caching=True)
    for seconds in (0, 0.5, 1.0):
        dns64.now += seconds
        assert dns64.ask(NAME, "TXT").rcode() == dns.rcode.SERVFAIL
    assert len(dns64.asked) == 2


def test_what_is_asked_for_in_its_last_tenth_is_asked_anew_behind_the_answer(kept: Any) -> None:  # noqa: ANN401 - as above
    kept.ask(NAME, "TXT")
    kept.now += 95
    assert kept.ask(NAME, "TXT").answer[0].ttl == 5
    assert kept.service.counters["prefetched"] == 1
    assert kept.ask(NAME, "TXT").answer[0].ttl == 100
    assert len(kept.asked) == 2


def ede(response: dns.message.Message) -> list[int]:
    return [int(option.code) for option in response.options if isinstance(option, dns.edns.EDEOption)]


def test_rfc8767_5_a_stale_answer_stands_in_when_forwarders_fail(kept: Any) -> None:  # noqa: ANN401 - as above
    kept.ask(NAME, use_edns=0)
    kept.ask("none.example.")
    kept.now += 400
    kept.dead.add("192.0.2.53")
    response = kept.ask(NAME, use_edns=0)
    assert [str(rdata) for rdata in response.answer[0]] == [MADE]
    assert response.answer[0].ttl == 30
    assert ede(response) == [29, 3]
    asked = len(kept.asked)
    kept.now += 29
    kept.ask(NAME)
    assert len(kept.asked) == asked, "asked again before it can be hoped to help"
    kept.now += 2
    kept.ask(NAME)
    assert len(kept.asked) > asked
    gone = kept.ask("none.example.", use_edns=0)
    assert (gone.rcode(), ede(gone)) == (dns.rcode.NXDOMAIN, [19])


def test_rfc8767_5_who_waits_for_long_gets_the_stale_answer_and_the_new_one_is_kept(kept: Any) -> None:  # noqa: ANN401 - as above
    kept.ask(NAME, "TXT")
    kept.now += 150
    responses: list[bytes] = []
    query = dns.message.make_query(NAME, "TXT", use_edns=0).to_wire()
    assert isinstance(kept.put(query, responses.append), Later)
    (flight,) = kept.service.flights_to_begin()
    (ask,) = flight.asks_to_send()
    began = kept.now
    while not responses:
        kept.now = flight.timer
        flight.handle_timer(kept.now)
    assert kept.now - began == pytest.approx(1.8)
    assert ede(dns.message.from_wire(responses[0])) == [3]
    assert flight.reply_received(ask, kept.zone[NAME, "TXT"].to_wire(ask.data), kept.now)
    assert len(responses) == 1
    fresh = kept.ask(NAME, "TXT", use_edns=0)
    assert (ede(fresh), fresh.answer[0].ttl) == ([], 100)


def test_serve_stale_no_means_servfail(lab: Make, reply: Make) -> None:
    config = "forwarder 192.0.2.53\nallow-query 2001:db8::/32\nserve-stale no"
    dns64 = lab(zone(reply), config, caching=True)
    dns64.ask(NAME, "TXT")
    dns64.now += 200
    dns64.dead.add("192.0.2.53")
    assert dns64.ask(NAME, "TXT").rcode() == dns.rcode.SERVFAIL


VIEWS: Final = """
forwarder 192.0.2.53
prefix 2001:db8:64::/96
allow-query 2001:db8::/32
view lab 2001:db8:7::/48
prefix 2001:db8:7:64::/96
"""


def test_a_views_answers_are_never_another_views(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), VIEWS, caching=True)
    for _ in range(2):
        for host, prefix in (("2001:db8::c", "2001:db8:64::"), ("2001:db8:7::c", "2001:db8:7:64::")):
            (rrset,) = dns64.ask(NAME, host=host).answer
            assert [str(rdata) for rdata in rrset] == [f"{prefix}c000:221"]
    assert dns64.service.counters["cached"] == 2


def test_a_reload_that_changes_answers_forgets_them_and_another_does_not(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), VIEWS, caching=True)
    dns64.ask(NAME)
    dns64.reload(VIEWS + "\n# nothing new")
    dns64.ask(NAME)
    assert dns64.service.counters["cached"] == 1
    dns64.reload(VIEWS.replace("2001:db8:64::", "2001:db8:65::"))
    assert [str(rdata) for rdata in dns64.ask(NAME).answer[0]] == ["2001:db8:65::c000:221"]


def test_what_was_under_way_at_a_reload_is_answered_but_not_kept(lab: Make, reply: Make) -> None:
    dns64 = lab(zone(reply), VIEWS, caching=True)
    responses: list[bytes] = []
    query = dns.message.make_query(NAME, "AAAA").to_wire()
    dns64.put(query, responses.append)
    (flight,) = dns64.service.flights_to_begin()
    dns64.reload(VIEWS.replace("2001:db8:64::", "2001:db8:65::"))
    for ask in flight.asks_to_send():
        dns64._serve(ask, flight)
    assert [str(rdata) for rdata in dns.message.from_wire(responses[0]).answer[0]] == [MADE]
    assert [str(rdata) for rdata in dns64.ask(NAME).answer[0]] == ["2001:db8:65::c000:221"]


def test_flush_by_name_and_whole(kept: Any) -> None:  # noqa: ANN401 - as above
    for _ in range(2):
        kept.ask(NAME)
        kept.ask("none.example.")
    assert kept.service.flush("V4.example.") == 1
    assert kept.service.flush() == 1
    asked = len(kept.asked)
    kept.ask(NAME)
    assert len(kept.asked) == asked + 2


def test_a_host_that_is_no_longer_allowed_gets_no_ready_answer(kept: Any) -> None:  # noqa: ANN401 - as above
    for _ in range(3):
        kept.ask(NAME)
    client = kept.service.client(bytes.fromhex("20010db800000000000000000000000c"))
    query = dns.message.make_query(NAME, "AAAA").to_wire()[2:]
    assert client.find_ready(query) is not None
    kept.service.allow(())
    client = kept.service.client(bytes.fromhex("20010db800000000000000000000000c"))
    assert client.find_ready(query) is None
    assert kept.ask(NAME).rcode() == dns.rcode.REFUSED


def test_a_stale_answer_stands_in_where_there_is_no_room_to_ask(
    kept: Any,  # noqa: ANN401 - as above
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept.ask(NAME, "TXT")
    kept.now += 150
    monkeypatch.setattr("nat64.dns64.flights.Flights._make_room", lambda *_: False)
    response = kept.ask(NAME, "TXT", use_edns=0)
    assert (response.rcode(), response.answer[0].ttl, ede(response)) == (dns.rcode.NOERROR, 30, [3])


def test_rfc9520_2_3_that_nobody_answers_is_kept_for_a_second(lab: Make) -> None:
    dns64 = lab({(NAME, "TXT"): None}, caching=True)
    dns64.ask(NAME, "TXT")
    asked = len(dns64.asked)
    for seconds in (0, 0.9):
        dns64.now += seconds
        assert dns64.ask(NAME, "TXT").rcode() == dns.rcode.SERVFAIL
    assert len(dns64.asked) == asked
    dns64.now += 0.1
    dns64.ask(NAME, "TXT")
    assert len(dns64.asked) > asked


@pytest.mark.parametrize("stale", ["", "serve-stale no"])
@pytest.mark.parametrize("failure", [None, "SERVFAIL"])
def test_rfc9520_3_2_what_cannot_be_asked_anew_before_it_expires_is_not_asked_at_each_query(
    lab: Make, reply: Make, stale: str, failure: str | None
) -> None:
    config = f"forwarder 192.0.2.53\nallow-query 2001:db8::/32\n{stale}"
    dns64 = lab(zone(reply, 1000), config, caching=True)
    dns64.ask(NAME, "TXT")
    dns64.now += 910
    dns64.zone[NAME, "TXT"] = failure and reply(rcode=failure)
    dns64.ask(NAME, "TXT")
    asked = len(dns64.asked)
    for _ in range(20):
        assert dns64.ask(NAME, "TXT").rcode() == dns.rcode.NOERROR
        dns64.now += 1
    assert len(dns64.asked) == asked
    dns64.now += 11
    dns64.ask(NAME, "TXT")
    assert len(dns64.asked) > asked


def test_who_joins_what_is_asked_anew_gets_the_stale_answer_if_that_fails(kept: Any) -> None:  # noqa: ANN401 - as above
    kept.ask(NAME, "TXT")
    kept.now += 99.5
    query = dns.message.make_query(NAME, "TXT", use_edns=0).to_wire()
    responses: list[bytes] = []
    assert isinstance(kept.put(query, responses.append), bytes)
    kept.now += 1
    assert isinstance(kept.put(query, responses.append), Later)
    kept.dead.add("192.0.2.53")
    kept.run()
    (response,) = map(dns.message.from_wire, responses)
    assert (response.rcode(), response.answer[0].ttl, ede(response)) == (dns.rcode.NOERROR, 30, [3])


def test_rfc1035_4_1_1_what_is_kept_is_no_authoritys_word(lab: Make, reply: Make) -> None:
    told = reply(answer=(f"{NAME} 100 IN TXT text",), flags="QR AA RD RA")
    dns64 = lab({(NAME, "TXT"): told}, caching=True)
    assert [bool(dns64.ask(NAME, "TXT").flags & dns.flags.AA) for _ in range(3)] == [True, False, False]
    dns64.now += 150
    dns64.dead.add("192.0.2.53")
    assert not dns64.ask(NAME, "TXT").flags & dns.flags.AA
    assert [bool(dns64.ask("ipv4only.arpa.").flags & dns.flags.AA) for _ in range(3)] == [True, True, True]


def test_a_synthesized_answer_is_kept_for_a_day_at_most_like_any_other(lab: Make, reply: Make) -> None:
    soa = SOA.replace("300", "604800")
    dns64 = lab(zone(reply, 604800) | {(NAME, "AAAA"): reply(authority=(soa,))}, caching=True)
    assert dns64.ask(NAME).answer[0].ttl == 604800
    dns64.now += LONGEST
    before = len(dns64.asked)
    assert dns64.ask(NAME).answer[0].ttl == 604800
    assert len(dns64.asked) > before


def test_what_is_answered_here_is_made_anew_once_in_its_last_tenth(kept: Any) -> None:  # noqa: ANN401 - as above
    kept.ask("ipv4only.arpa.")
    kept.now += 0.95 * 86400
    assert kept.ask("ipv4only.arpa.").answer[0].ttl == 4320
    assert kept.ask("ipv4only.arpa.").answer[0].ttl == 86400
    client = kept.service.client(bytes.fromhex("20010db800000000000000000000000c"))
    query = dns.message.make_query("ipv4only.arpa.", "AAAA").to_wire()[2:]
    assert client.find_ready(query).until > kept.now
