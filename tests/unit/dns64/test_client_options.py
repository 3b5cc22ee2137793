"""What a client's EDNS options and its rate make of a response, by the service as a whole: dnspython asks and reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from nat64.config.totd import parse
from nat64.dns64.flights import Later
from nat64.dns64.service import Service
from nat64.dns64.transport import Transport

if TYPE_CHECKING:
    from nat64.dns64.query_log import LoggedQuery

CONFIG = """
forwarder 192.0.2.53
prefix 2001:db8:64::/96
allow-query 2001:db8::/32
rate-limit 4 slip 2
tcp-idle 20
query-log /nowhere
"""
CLIENT = "2001:db8::c"
CLIENT_COOKIE = bytes(range(8))
STREAMS = [Transport.TCP, Transport.TLS]


class Desk:
    """A service that is asked what it can answer by itself."""

    def __init__(self, text: str = CONFIG) -> None:
        self.config = parse(text, "dns64.conf")
        self.logged: list[LoggedQuery] = []
        self.utc = 1_800_000_000
        self.service = Service(
            random_id=lambda: 1,
            seconds_utc=lambda: self.utc,
            cookie_secret=b"a secret of ours",
            log_query=self.logged.append,
        )
        self.service.configure(self.config)
        self.service.allow(self.config.allow_query)

    def put(self, data: bytes, transport: Transport = Transport.UDP, host: str = CLIENT) -> bytes | None:
        response = self.service.message_received(
            data, host, transport=transport, now=1000.0, deliver=lambda _: None
        )
        assert not isinstance(response, Later)
        return response

    def ask(
        self, *options: tuple[int, bytes], transport: Transport = Transport.UDP, size: int = 1232
    ) -> dns.message.Message | None:
        """Ask with these options, and return the response, ``None`` for silence."""
        made = [dns.edns.GenericOption(dns.edns.OptionType.make(code), data) for code, data in options]
        query = dns.message.make_query("ipv4only.arpa.", "AAAA", use_edns=0, payload=size, options=list(made))
        data = self.put(query.to_wire(), transport)
        if data is None:
            return None
        response = dns.message.from_wire(data)
        assert query.is_response(response) or response.rcode() == dns.rcode.FORMERR
        return response

    def ask_until_silence(self, *options: tuple[int, bytes]) -> dns.message.Message:
        """Ask until the rate limit drops a response, and return the next one."""
        while self.ask(*options) is not None:
            pass
        response = self.ask(*options)
        assert response is not None
        return response


def options_of(response: dns.message.Message | None) -> dict[int, bytes]:
    assert response is not None
    return {int(option.otype): option.to_wire() or b"" for option in response.options}


COOKIE, KEEPALIVE, PADDING = 10, 11, 12


def test_rfc7873_5_2_3_who_sends_a_client_cookie_is_answered_with_a_server_cookie() -> None:
    response = Desk().ask((COOKIE, CLIENT_COOKIE))
    assert response is not None
    assert response.answer
    cookie = options_of(response)[COOKIE]
    assert (cookie[:8], len(cookie)) == (CLIENT_COOKIE, 24)


def test_rfc7873_5_2_2_a_malformed_cookie_gets_formerr() -> None:
    response = Desk().ask((COOKIE, bytes(9)))
    assert response is not None
    assert response.rcode() == dns.rcode.FORMERR
    assert not response.answer


def test_rfc7873_5_2_of_two_cookies_the_first_counts() -> None:
    assert options_of(Desk().ask((COOKIE, CLIENT_COOKIE), (COOKIE, bytes(3))))[COOKIE][:8] == CLIENT_COOKIE


def test_rfc7873_5_2_1_without_a_cookie_none_is_given_nor_where_they_are_off() -> None:
    assert COOKIE not in options_of(Desk().ask())
    assert COOKIE not in options_of(Desk(CONFIG + "cookies no\n").ask((COOKIE, CLIENT_COOKIE)))


def test_rfc7873_5_2_5_a_valid_cookie_is_answered_whatever_the_rate() -> None:
    desk = Desk()
    cookie = options_of(desk.ask((COOKIE, CLIENT_COOKIE)))[COOKIE]
    for _ in range(100):
        response = desk.ask((COOKIE, cookie))
        assert response is not None
        assert response.answer
    desk.utc += 2000
    renewed = options_of(desk.ask((COOKIE, cookie)))[COOKIE]
    assert renewed != cookie
    assert options_of(desk.ask((COOKIE, renewed)))[COOKIE] == renewed


def test_rfc7873_5_2_4_over_the_rate_an_unknown_cookie_gets_badcookie_and_the_way_back() -> None:
    desk = Desk()
    response = desk.ask_until_silence((COOKIE, CLIENT_COOKIE + bytes(16)))
    assert response.rcode() == dns.rcode.BADCOOKIE
    assert not response.answer
    again = desk.ask((COOKIE, options_of(response)[COOKIE]))
    assert again is not None
    assert again.answer


def test_rfc7873_5_4_a_query_for_a_cookie_alone_is_answered() -> None:
    query = dns.message.Message(id=7)
    query.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, CLIENT_COOKIE)])
    data = Desk().put(query.to_wire())
    assert data is not None
    response = dns.message.from_wire(data)
    assert (response.id, response.rcode(), response.question) == (7, 0, [])
    assert options_of(response)[COOKIE][:8] == CLIENT_COOKIE


def test_a_cookie_of_before_a_reload_with_another_secret_is_still_valid() -> None:
    desk = Desk()
    cookie = options_of(desk.ask((COOKIE, CLIENT_COOKIE)))[COOKIE]
    desk.service.configure(replace(desk.config, cookie_secret=bytes(16)))
    desk.service.allow(desk.config.allow_query)
    for _ in range(50):
        response = desk.ask((COOKIE, cookie))
        assert response is not None
        assert options_of(response)[COOKIE] != cookie


def test_over_the_rate_responses_are_truncated_or_dropped() -> None:
    desk = Desk()
    responses = [desk.ask() for _ in range(24)]
    assert sum(response is None for response in responses) == 10
    truncated = [response for response in responses if response and response.flags & dns.flags.TC]
    assert len(truncated) == 10
    assert not any(response.answer for response in truncated)
    assert desk.service.counters["rate_dropped"] == 10
    assert desk.service.counters["rate_truncated"] == 10


def test_errors_and_junk_are_limited_as_answers_are() -> None:
    desk = Desk()
    unreadable = bytes.fromhex("1267010000020000 00000000") + bytes(8)
    got = [desk.put(unreadable) for _ in range(50)]
    assert sum(response is not None for response in got) == 4


@pytest.mark.parametrize("transport", STREAMS)
def test_who_comes_by_tcp_is_not_limited(transport: Transport) -> None:
    desk = Desk()
    for _ in range(50):
        response = desk.ask(transport=transport)
        assert response is not None
        assert response.answer


@pytest.mark.parametrize("transport", STREAMS)
def test_rfc7828_3_3_2_over_a_connection_the_idle_time_is_told(transport: Transport) -> None:
    desk = Desk()
    assert options_of(desk.ask((KEEPALIVE, b""), transport=transport))[KEEPALIVE] == (200).to_bytes(2, "big")
    assert KEEPALIVE not in options_of(desk.ask(transport=transport))


def test_rfc7828_3_3_1_over_udp_the_option_is_ignored_whatever_it_holds() -> None:
    desk = Desk()
    for data in (b"", b"\0\x64"):
        response = desk.ask((KEEPALIVE, data))
        assert response is not None
        assert response.answer
        assert KEEPALIVE not in options_of(response)


@pytest.mark.parametrize("transport", STREAMS)
def test_rfc7828_3_2_1_over_a_connection_a_query_that_tells_a_timeout_gets_formerr(
    transport: Transport,
) -> None:
    response = Desk().ask((KEEPALIVE, b"\0\x64"), transport=transport)
    assert response is not None
    assert response.rcode() == dns.rcode.FORMERR


@pytest.mark.parametrize("length", [0, 1, 200])
def test_rfc8467_4_1_over_tls_a_padded_query_gets_a_response_of_whole_blocks(length: int) -> None:
    desk = Desk()
    query = dns.message.make_query(
        "ipv4only.arpa.",
        "AAAA",
        use_edns=0,
        options=[
            dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(length)),
            dns.edns.GenericOption(dns.edns.OptionType.COOKIE, CLIENT_COOKIE),
        ],
    )
    data = desk.put(query.to_wire(), Transport.TLS)
    assert data is not None
    assert len(data) == 468
    response = dns.message.from_wire(data)
    assert response.answer
    assert set(options_of(response)) == {COOKIE, PADDING}
    assert not any(options_of(response)[PADDING])


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_rfc7830_6_in_clear_nothing_is_padded(transport: Transport) -> None:
    assert PADDING not in options_of(Desk().ask((PADDING, bytes(20)), transport=transport))


def test_rfc7830_4_what_is_not_padded_gets_no_padding() -> None:
    assert PADDING not in options_of(Desk().ask(transport=Transport.TLS))


def test_each_query_is_logged_with_what_became_of_it() -> None:
    desk = Desk()
    desk.ask()
    desk.ask(transport=Transport.TLS)
    desk.ask((COOKIE, b""))
    desk.put(bytes.fromhex("1267010000020000 00000000"))
    desk.put(dns.message.make_query("a.example.", "A").to_wire(), host="192.0.2.66")
    said = [(each.client, each.transport, each.outcome, each.rcode) for each in desk.logged]
    assert said == [
        (CLIENT, "udp", "ipv4only", 0),
        (CLIENT, "tls", "cached", 0),
        (CLIENT, "udp", "malformed", dns.rcode.FORMERR),
        (CLIENT, "udp", "malformed", dns.rcode.FORMERR),
        ("192.0.2.66", "udp", "refused", dns.rcode.REFUSED),
    ]
    first = desk.logged[0]
    assert (first.labels, first.qtype, first.at) == ((b"ipv4only", b"arpa"), 28, float(desk.utc))
    assert first.size > 60


def test_what_hosts_did_not_use_of_the_rate_does_not_pile_up() -> None:
    desk = Desk(CONFIG.replace("rate-limit 4", "rate-limit 100"))
    query = dns.message.make_query("ipv4only.arpa.", "AAAA", use_edns=0).to_wire()

    def put(host: int, now: float) -> bool:
        response = desk.service.message_received(
            query, f"2001:db8::{host:x}", transport=Transport.UDP, now=now, deliver=lambda _: None
        )
        return isinstance(response, bytes) and not response[2] & 0x02

    for host in range(1000):
        assert put(host, 1000.0 + host)
    at_once = sum(put(host, 3000.0) for host in range(1000))
    assert 90 <= at_once <= 110
    rest = sum(
        client.left for client in (desk.service.known_client(address) for address in addresses()) if client
    )
    assert rest <= 32


def addresses() -> list[bytes]:
    return [bytes.fromhex("20010db8") + host.to_bytes(12, "big") for host in range(1000)]


def test_one_busy_host_gets_its_whole_rate_and_no_more() -> None:
    desk = Desk(CONFIG.replace("rate-limit 4", "rate-limit 100").replace("query-log /nowhere", ""))
    query = dns.message.make_query("ipv4only.arpa.", "AAAA").to_wire()
    answered = 0
    for _ in range(500):
        response = desk.put(query)
        answered += response is not None and not response[2] & 0x02
    assert answered == 100
    assert desk.logged == []


def test_a_dropped_query_is_in_the_query_log() -> None:
    desk = Desk()
    desk.ask_until_silence()
    dropped = [query for query in desk.logged if query.outcome == "rate_dropped"]
    assert dropped
    assert (dropped[0].rcode, dropped[0].size) == (None, 0)
    assert dropped[0].labels == (b"ipv4only", b"arpa")


def test_rfc7828_3_4_a_server_that_leaves_says_zero() -> None:
    desk = Desk()
    desk.service.leaving = True
    response = desk.ask((11, b""), transport=Transport.TCP)
    assert response is not None
    assert [option.to_wire() for option in response.options if option.otype == 11] == [b"\0\0"]
