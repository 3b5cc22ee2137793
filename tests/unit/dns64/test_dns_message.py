"""Reading and writing messages: nothing hostile gets through, and dnspython agrees on the rest (RFC 1035, 6891)."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nat64.dns64.message import MalformedMessage, pack, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

HEADER = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0)
RESPONSE = struct.pack("!HHHHHH", 1, 0x8180, 1, 1, 0, 0)
QUESTION = b"\x07example\0\0\x1c\0\x01"

LABELS = st.binary(min_size=1, max_size=63)
NAMES = st.lists(LABELS, max_size=5).filter(lambda labels: sum(map(len, labels)) + len(labels) < 255)


def backward_chain(pointers: int, owners: int = 1) -> bytes:
    """Build a response whose owners but the first follow that many compression pointers, each one further back."""
    name = 12 + len(QUESTION) + 11  # where the first record's RDATA begins, with the name "a."
    targets = [name] + [name + 3 + 2 * index for index in range(pointers - 1)]
    rdata = b"\x01a\0" + b"".join(struct.pack("!H", 0xC000 | target) for target in targets[:-1])
    first = struct.pack("!BHHIH", 0, 16, 1, 0, len(rdata)) + rdata
    second = struct.pack("!HHHIH", 0xC000 | targets[-1], 16, 1, 0, 2) + b"\x01x"
    return struct.pack("!HHHHHH", 1, 0x8180, 1, 1 + owners, 0, 0) + QUESTION + first + second * owners


@given(st.binary(max_size=600))
@example(b"")
@example(HEADER + b"\xc0\x0c\0\x1c\0\x01")
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    try:
        message = parse(data)
    except MalformedMessage:
        return
    assert isinstance(pack(message), bytes)


@given(st.binary(max_size=400), st.integers(0, 3), st.integers(0, 3))
def test_any_records_after_a_good_question_are_read_or_malformed(
    rest: bytes, answers: int, more: int
) -> None:
    data = struct.pack("!HHHHHH", 1, 0x8180, 1, answers, 0, more) + QUESTION + rest
    try:
        message = parse(data)
    except MalformedMessage:
        return
    dns.message.from_wire(pack(message), ignore_trailing=True, question_only=True)


@pytest.mark.parametrize("length", range(12))
def test_less_than_a_header_is_malformed(length: int) -> None:
    with pytest.raises(MalformedMessage):
        parse(HEADER[:length])


@pytest.mark.parametrize("length", range(12, 12 + len(QUESTION)))
def test_a_cut_question_is_malformed(length: int) -> None:
    with pytest.raises(MalformedMessage):
        parse((HEADER + QUESTION)[:length])


@pytest.mark.parametrize("count", [0, 2, 65535])
def test_any_number_of_questions_but_one_is_malformed(count: int) -> None:
    with pytest.raises(MalformedMessage):
        parse(struct.pack("!HHHHHH", 1, 0x0100, count, 0, 0, 0) + QUESTION + QUESTION)


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x0c",  # to itself
        b"\xc0\x20",  # forward
        b"\xff\xff",  # out of range
        b"\x01a\xc0\x0c",  # back into itself
        b"\x40" + b"a" * 64 + b"\0",  # a label of 64 bytes
        b"\x80a\0",  # a kind of label that does not exist
        b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 3 + b"\0",  # 257 bytes
    ],
)
def test_hostile_question_names_are_malformed(name: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse(HEADER + name + b"\0\x1c\0\x01" + b"\0" * 40)


def test_the_longest_name_is_read() -> None:
    name = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"
    assert len(name) == 255
    assert len(parse(HEADER + name + b"\0\x1c\0\x01").question.name.label) == 4


@pytest.mark.parametrize("pointers", [1, 2, 1000, 4000])
def test_a_backward_chain_of_pointers_ends(pointers: int) -> None:
    message = parse(backward_chain(pointers))
    assert message.answers[1].rname.label == (b"a",)


def test_rfc1035_4_1_4_chains_of_pointers_that_many_names_share_do_not_cost_seconds() -> None:
    begun = time.process_time()
    with pytest.raises(MalformedMessage, match="pointers"):
        parse(backward_chain(8000, owners=3000))
    assert time.process_time() - begun < 1


def test_rfc1035_4_1_4_a_message_full_of_pointers_is_read() -> None:
    message = parse(backward_chain(8, owners=3990))
    assert {record.rname.label for record in message.answers[1:]} == {(b"a",)}


@pytest.mark.parametrize(
    ("rtype", "rdata"),
    [
        (1, b"\0" * 16),
        (1, b"\0" * 3),
        (1, b""),
        (28, b"\0" * 4),
        (28, b""),
        (5, b"\0\0"),
        (5, b""),
        (6, b"\0\0" + b"\0" * 19),
        (33, b"\0" * 5),
        (39, b"\xc0\xff"),
    ],
)
def test_rdlength_that_does_not_fit_is_malformed(rtype: int, rdata: bytes) -> None:
    record = b"\xc0\x0c" + struct.pack("!HHIH", rtype, 1, 60, len(rdata)) + rdata
    with pytest.raises(MalformedMessage):
        parse(RESPONSE + QUESTION + record + b"\0" * 20)


def test_a_record_longer_than_the_message_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        parse(RESPONSE + QUESTION + b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 60, 9) + b"\x01x")


@pytest.mark.parametrize("records", [2, 3])
def test_rfc6891_6_1_1_a_second_opt_is_malformed(records: int) -> None:
    opt = struct.pack("!BHHIH", 0, 41, 1232, 0, 0)
    with pytest.raises(MalformedMessage):
        parse(struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, records) + QUESTION + opt * records)


def test_an_option_longer_than_its_record_is_malformed() -> None:
    opt = struct.pack("!BHHIH", 0, 41, 1232, 0, 4) + struct.pack("!HH", 10, 8)
    with pytest.raises(MalformedMessage):
        parse(struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 1) + QUESTION + opt)


def test_rfc2181_8_a_ttl_with_the_top_bit_counts_as_zero() -> None:
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1 << 31, 4) + b"\xc0\0\2\1"
    assert parse(RESPONSE + QUESTION + record).answers[0].ttl == 0


RECORDS = [
    "host.example. 60 IN A 192.0.2.1",
    "host.example. 60 IN AAAA 2001:db8::1",
    "alias.example. 60 IN CNAME host.example.",
    "old.example. 60 IN DNAME new.example.",
    "example. 60 IN SOA ns.example. root.example. 1 2 3 4 5",
    "example. 60 IN NS ns.example.",
    "example. 60 IN MX 10 mail.example.",
    "_sip._udp.example. 60 IN SRV 1 2 5060 sip.example.",
    "example. 60 IN RP root.example. text.example.",
    "example. 60 IN AFSDB 1 afs.example.",
    'example. 60 IN NAPTR 1 1 "u" "E2U" "!.*!x!" .',
    'example. 60 IN TXT "one" "two"',
    "example. 60 IN DS 1 13 2 00000000000000000000000000000000000000000000000000000000000000ff",
    "example. 60 IN RRSIG A 13 1 60 20300101000000 20200101000000 1 example. AAAA",
    "example. 60 IN NSEC host.example. A AAAA RRSIG",
    'example. 60 IN HTTPS 1 . alpn="h2" ipv6hint=2001:db8::1',
    'example. 60 IN CAA 0 issue "ca.example"',
    "example. 60 IN TYPE65400 \\# 4 c00cc00c",
    "example. 60 IN APL",
]


@given(st.lists(st.sampled_from(RECORDS), unique=True), st.booleans(), st.integers(512, 65535))
def test_what_dnspython_writes_is_read_and_written_unharmed(
    lines: list[str], dnssec_ok: bool, size: int
) -> None:
    original = dns.message.make_response(
        dns.message.make_query("ExAmPlE.", "AAAA", use_edns=0, want_dnssec=dnssec_ok, payload=size)
    )
    for line in lines:
        name, ttl, rdclass, rdtype, *rdata = line.split(None, 4)
        original.answer.append(dns.rrset.from_text(name, int(ttl), rdclass, rdtype, *(rdata or [""])))
    data = pack(parse(original.to_wire(max_size=65535)))
    copy = dns.message.from_wire(data)
    assert copy == original
    assert (copy.edns, copy.payload, copy.ednsflags) == (original.edns, original.payload, original.ednsflags)
    assert copy.answer == original.answer


@given(NAMES)
def test_names_of_any_bytes_keep_them(labels: list[bytes]) -> None:
    query = dns.message.make_query(dns.name.Name([*labels, b""]), "A")
    message = parse(query.to_wire())
    assert message.question.name.label == tuple(labels)
    assert dns.message.from_wire(pack(message)).question[0].name.labels == (*labels, b"")


def test_compression_pointers_stay_within_their_14_bits() -> None:
    original = dns.message.make_response(dns.message.make_query("example.", "TXT"))
    for index in range(300):
        owner = f"host-{index}.example."
        original.answer.append(dns.rrset.from_text(owner, 60, "IN", "TXT", '"' + "x" * 80 + '"'))
        original.answer.append(dns.rrset.from_text(owner, 60, "IN", "MX", f"1 mail-{index}.example."))
    wire = pack(parse(original.to_wire(max_size=65535)))
    assert len(wire) > 1 << 14
    assert dns.message.from_wire(wire).answer == original.answer


@pytest.mark.parametrize("rdata", ["net.example. 12345", "example. 1"])
def test_rfc1035_3_2_4_a_chaos_address_is_a_name_and_a_number(rdata: str) -> None:
    query = dns.message.make_query("net.example.", "A", "CH")
    reply = dns.message.make_response(query)
    reply.answer.append(dns.rrset.from_text("net.example.", 60, "CH", "A", rdata))
    assert dns.message.from_wire(pack(parse(reply.to_wire()))).answer == reply.answer
