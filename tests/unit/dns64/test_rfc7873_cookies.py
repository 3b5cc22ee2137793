"""DNS cookies: RFC 7873 section 5.2, and RFC 9018 with the vectors of its appendix A."""

from __future__ import annotations

from ipaddress import ip_address

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.dns64.cookie_query import answer_cookie_query
from nat64.dns64.cookies import BADCOOKIE, OPTION_CODE, Cookies, Standing

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
OTHER_SECRET = bytes.fromhex("445536bcd2513298075a5d379663c962")
CLIENT = ip_address("198.51.100.100").packed
CLIENT_COOKIE = bytes.fromhex("2464c4abcf10c957")
NOW = 1559731985

client_cookies = st.binary(min_size=8, max_size=8)
clients = st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16))
secrets = st.binary(min_size=16, max_size=16)
times = st.integers(min_value=0, max_value=1 << 33)


def made(now: int = NOW, *, cookies: Cookies | None = None, client: bytes = CLIENT) -> bytes:
    return (cookies or Cookies(SECRET)).answer(CLIENT_COOKIE, client, now).reply


def test_rfc9018_a_1_a_client_learns_a_new_server_cookie() -> None:
    verdict = Cookies(SECRET).answer(CLIENT_COOKIE, CLIENT, NOW)
    assert verdict.standing is Standing.UNKNOWN
    assert verdict.reply.hex() == "2464c4abcf10c957010000005cf79f111f8130c3eee29480"


def test_rfc9018_a_2_the_same_client_learns_a_renewed_one() -> None:
    shown = bytes.fromhex("2464c4abcf10c957010000005cf79f111f8130c3eee29480")
    verdict = Cookies(SECRET).answer(shown, CLIENT, 1559734385)
    assert verdict.standing is Standing.VALID
    assert verdict.reply.hex() == "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"


def test_rfc9018_a_3_reserved_bytes_are_hashed_as_they_came_and_answered_with_zeros() -> None:
    client = ip_address("203.0.113.203").packed
    shown = bytes.fromhex("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5")
    # The appendix answers it after 112 minutes, when by section 4.3 it is not valid any more.
    late = Cookies(SECRET).answer(shown, client, 1559734700)
    assert late.standing is Standing.UNKNOWN
    assert late.reply.hex() == "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"
    in_time = Cookies(SECRET).answer(shown, client, 1559727985)
    assert in_time.standing is Standing.VALID
    assert in_time.reply[8:12] == b"\x01\0\0\0"


def test_rfc9018_a_4_a_cookie_of_the_previous_secret_is_valid_and_renewed() -> None:
    client = ip_address("2001:db8:220:1:59de:d0f4:8769:82b8").packed
    shown = bytes.fromhex("22681ab97d52c298010000005cf7c57926556bd0934c72f8")
    cookies = Cookies(OTHER_SECRET, bytes.fromhex("dd3bdf9344b678b185a6f5cb60fca715"))
    verdict = cookies.answer(shown, client, 1559741961)
    assert verdict.standing is Standing.VALID
    assert verdict.reply.hex() == "22681ab97d52c298010000005cf7c609a6bb79d16625507a"


@given(st.binary(max_size=64))
def test_rfc7873_5_2_2_an_option_of_another_size_is_malformed_and_no_other(option: bytes) -> None:
    is_malformed = Cookies(SECRET).answer(option, CLIENT, NOW).standing is Standing.MALFORMED
    assert is_malformed == (len(option) != 8 and not 16 <= len(option) <= 40)


@given(secrets, client_cookies, clients, times, st.integers(min_value=-300, max_value=3600))
def test_rfc9018_4_3_a_cookie_is_valid_for_an_hour_and_five_minutes_before_it_was_made(
    secret: bytes, cookie: bytes, client: bytes, now: int, age: int
) -> None:
    cookies = Cookies(secret)
    shown = cookies.answer(cookie, client, now).reply
    assert shown.startswith(cookie)
    verdict = cookies.answer(shown, client, now + age)
    assert verdict.standing is Standing.VALID
    assert (verdict.reply == shown) == (age <= 1800)
    assert cookies.answer(verdict.reply, client, now + age) == cookies.answer(
        verdict.reply, client, now + age
    )
    assert cookies.answer(verdict.reply, client, now + age).standing is Standing.VALID


@pytest.mark.parametrize("age", [-301, 3601, -86400, 86400])
def test_rfc9018_4_3_an_old_cookie_and_one_from_the_future_are_unknown(age: int) -> None:
    cookies = Cookies(SECRET)
    shown = made(cookies=cookies)
    assert cookies.answer(shown, CLIENT, NOW).standing is Standing.VALID
    verdict = cookies.answer(shown, CLIENT, NOW + age)
    assert verdict.standing is Standing.UNKNOWN
    assert cookies.answer(verdict.reply, CLIENT, NOW + age).standing is Standing.VALID


def test_rfc9018_4_3_time_is_compared_across_its_turnover() -> None:
    turn = 1 << 32
    shown = made(turn - 100)
    assert Cookies(SECRET).answer(shown, CLIENT, turn + 100).reply == shown
    assert Cookies(SECRET).answer(shown, CLIENT, turn + 3501).standing is Standing.UNKNOWN


@given(st.integers(min_value=0, max_value=23), st.integers(min_value=1, max_value=255))
def test_rfc9018_4_a_changed_bit_makes_a_cookie_unknown(at: int, change: int) -> None:
    shown = bytearray(made())
    shown[at] ^= change
    assert Cookies(SECRET).answer(bytes(shown), CLIENT, NOW).standing is Standing.UNKNOWN


@given(clients)
def test_rfc9018_4_another_clients_cookie_is_unknown(client: bytes) -> None:
    cookies = Cookies(SECRET)
    shown = made(cookies=cookies)
    assert cookies.answer(shown, CLIENT, NOW).standing is Standing.VALID
    assert (cookies.answer(shown, client, NOW).standing is Standing.VALID) == (client == CLIENT)


@pytest.mark.parametrize("size", [16, 23, 25, 40])
def test_rfc7873_5_2_4_a_server_cookie_of_another_kind_is_unknown(size: int) -> None:
    shown = (made() + bytes(16))[:size]
    verdict = Cookies(SECRET).answer(shown, CLIENT, NOW)
    assert verdict.standing is Standing.UNKNOWN
    assert verdict.reply == made()


def test_cookies_that_are_forgotten_for_want_of_room_are_valid_all_the_same() -> None:
    cookies = Cookies(SECRET)
    addresses = [number.to_bytes(4, "big") for number in range(5000)]
    shown = [cookies.answer(CLIENT_COOKIE, client, NOW).reply for client in addresses]
    for _ in range(2):
        for client, cookie in zip(addresses, shown, strict=True):
            assert cookies.answer(cookie, client, NOW).reply == cookie
    assert len(cookies._known) <= 4096


@pytest.mark.parametrize("secret", [b"", bytes(15), bytes(32)])
def test_a_secret_of_another_size_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Cookies(secret)
    with pytest.raises(ValueError, match="16 bytes"):
        Cookies(SECRET, secret)


def cookie_option(data: bytes) -> dns.edns.Option:
    return dns.edns.GenericOption(dns.edns.OptionType.COOKIE, data)


def cookie_query(*options: bytes, version: int = 0) -> bytes:
    query = dns.message.Message(id=4711)
    query.flags = dns.flags.RD
    query.use_edns(version, options=[cookie_option(option) for option in options])
    return query.to_wire()


def cookie_of(response: dns.message.Message) -> bytes:
    (option,) = response.options
    assert option.otype == OPTION_CODE
    return option.to_wire() or b""


@pytest.mark.parametrize(
    ("option", "rcode"),
    [(CLIENT_COOKIE, 0), (made(), 0), (CLIENT_COOKIE + bytes(16), BADCOOKIE)],
    ids=["client cookie", "valid", "invalid"],
)
def test_rfc7873_5_4_a_query_without_a_question_gets_a_cookie(option: bytes, rcode: int) -> None:
    data = answer_cookie_query(cookie_query(option, b"x"), Cookies(SECRET), CLIENT, NOW)
    assert data is not None
    response = dns.message.from_wire(data)
    assert (response.id, response.rcode(), response.opcode()) == (4711, rcode, dns.opcode.QUERY)
    assert response.flags & ~0xF == dns.flags.QR | dns.flags.RD | dns.flags.RA
    assert (response.question, response.answer, response.authority, response.additional) == ([], [], [], [])
    assert cookie_of(response) == made()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        cookie_query(),
        cookie_query(b"short"),
        cookie_query(CLIENT_COOKIE, version=1),
        cookie_query(CLIENT_COOKIE) + b"\0",
        cookie_query(CLIENT_COOKIE)[:-1],
        dns.message.make_query("a.example.", "AAAA", id=1, options=[cookie_option(bytes(8))]).to_wire(),
        bytes((0, 0, 0x80)) + cookie_query(CLIENT_COOKIE)[3:],
        dns.message.Message(id=1).to_wire(),
    ],
)
def test_rfc7873_5_4_what_is_not_such_a_query_is_left_to_others(data: bytes) -> None:
    assert answer_cookie_query(data, Cookies(SECRET), CLIENT, NOW) is None


@given(st.binary(max_size=80), st.binary(max_size=12))
def test_whatever_options_a_query_without_a_question_has(options: bytes, rest: bytes) -> None:
    head = bytes.fromhex("126701000000000000000001 00002904d000000000")
    data = head + len(options).to_bytes(2, "big") + options + rest
    answer = answer_cookie_query(data, Cookies(SECRET), CLIENT, NOW)
    try:
        query = dns.message.from_wire(data)
    except dns.exception.DNSException:
        return
    shown = [option for option in query.options if option.otype == OPTION_CODE]
    assert (answer is not None) == bool(shown)
