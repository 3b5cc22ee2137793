"""Names asked in random case: what a reply must repeat, and what becomes of it for clients."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

import dns.message
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.dns64.random_case import in_random_case

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

NAME: Final = "verylongname.example."
CONFIG: Final = "forwarder 192.0.2.53\nprefix 2001:db8:64::/96\nallow-query 2001:db8::/32\nrandomize-case yes"


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3), st.lists(st.integers(0, 65535), min_size=20))
def test_only_the_case_of_letters_changes(labels: list[bytes], bits: list[int]) -> None:
    name = dns.name.Name([*labels, b""]).to_wire() or b""
    made = in_random_case(name, iter(bits * 10).__next__)
    assert made.lower() == name.lower()
    assert dns.name.from_wire(made, 0)[0] == dns.name.Name([*labels, b""])


def test_each_letter_has_a_bit_of_its_own() -> None:
    bits = count(0)
    made = {in_random_case(b"\x02ab\0", lambda: next(bits)) for _ in range(4)}
    assert made == {b"\x02ab\0", b"\x02Ab\0", b"\x02aB\0", b"\x02AB\0"}


def test_names_go_out_in_random_case_and_clients_see_their_own(lab: Make, reply: Make) -> None:
    dns64 = lab({(NAME, "TXT"): reply(answer=(f"{NAME} 60 IN TXT text",))}, CONFIG)
    flight = dns64.set_out(dns.message.make_query(NAME, "TXT").to_wire())
    (ask,) = flight.asks_to_send()
    asked = dns.message.from_wire(ask.data).question[0].name
    assert asked == dns.name.from_text(NAME)
    assert asked.labels != dns.name.from_text(NAME).labels
    flight.give_up(dns64.now)
    response = dns64.ask("VeryLongName.example.", "TXT")
    assert response.question[0].name.labels[0] == b"VeryLongName"
    assert response.answer[0].name.labels[0] == b"VeryLongName"


@pytest.mark.parametrize("respects_case", [False, True])
def test_a_reply_in_another_case_is_not_believed_but_asked_for_over_tcp(
    lab: Make, reply: Make, respects_case: bool
) -> None:
    dns64 = lab({}, CONFIG)
    said = reply(answer=(f"{NAME} 60 IN TXT text",))
    flight = dns64.set_out(dns.message.make_query(NAME, "TXT").to_wire())
    (ask,) = flight.asks_to_send()
    wire = said.to_wire(ask.data)
    if respects_case:
        assert flight.reply_received(ask, wire, 0.1)
        assert flight.done
        return
    spoilt = wire[:12] + wire[12:33].swapcase() + wire[33:]
    assert flight.reply_received(ask, spoilt, 0.1)
    assert not flight.done
    (by_tcp,) = flight.asks_to_send()
    assert by_tcp.tcp
    data = said.to_wire(by_tcp.data)
    assert flight.reply_received(by_tcp, data[:12] + data[12:33].lower() + data[33:], 0.2)
    assert flight.done
