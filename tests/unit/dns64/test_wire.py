"""Messages read and written as bytes: what dnslib's reader and dnspython say of the same bytes is the measure."""

from __future__ import annotations

import struct
from typing import Final

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.dns64 import wire
from nat64.dns64.message import MalformedMessage, parse, wire_name

LABELS: Final = st.lists(st.binary(min_size=1, max_size=20), max_size=5)
TYPES: Final = st.sampled_from(["A", "AAAA", "TXT", "SOA", "HTTPS", "ANY"])
NAME: Final = "host.example."


@st.composite
def queries(draw: st.DrawFn) -> dns.message.Message:
    """Make any good query."""
    name = dns.name.Name([*draw(LABELS), b""])
    query = dns.message.make_query(name, draw(TYPES), id=draw(st.integers(0, 65535)))
    query.flags = dns.flags.Flag(draw(st.sampled_from([0, 0x0100, 0x0110, 0x0130, 0x0020])))
    if draw(st.booleans()):
        options: list[dns.edns.Option] = [
            dns.edns.GenericOption(dns.edns.OptionType.make(code), data)
            for code, data in draw(
                st.lists(st.tuples(st.integers(65001, 65534), st.binary(max_size=9)), max_size=3)
            )
        ]
        flags = draw(st.sampled_from([0, int(dns.flags.DO)]))
        query.use_edns(draw(st.sampled_from([0, 1])), flags, draw(st.integers(512, 65535)), options=options)
    return query


@given(queries())
def test_a_good_query_is_read_as_dnspython_wrote_it(query: dns.message.Message) -> None:
    read = wire.read_query(query.to_wire())
    assert read is not None
    (question,) = query.question
    assert (read.id, read.flags) == (query.id, int(query.flags))
    assert read.name == question.name.to_wire()
    assert (read.qtype, read.qclass) == (question.rdtype, question.rdclass)
    assert read.version == max(query.edns, 0)
    assert read.udp_size == (query.payload if query.edns >= 0 else None)
    assert read.dnssec_ok == bool(query.ednsflags & dns.flags.DO)
    assert read.options == tuple((option.otype, option.to_wire()) for option in query.options)


def changed(data: bytes, changes: list[tuple[int, int]], cut: int, more: bytes) -> bytes:
    spoilt = bytearray(data)
    for at, byte in changes:
        spoilt[at % len(spoilt)] = byte
    return bytes(spoilt[: max(0, len(spoilt) - cut)]) + more


CHANGES: Final = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4)


@given(queries(), CHANGES, st.integers(0, 3), st.binary(max_size=3))
def test_what_is_read_of_changed_bytes_is_what_the_whole_reader_reads(
    query: dns.message.Message, changes: list[tuple[int, int]], cut: int, more: bytes
) -> None:
    data = changed(query.to_wire(), changes, cut, more)
    read = wire.read_query(data)
    if read is None:
        return
    message = parse(data)
    assert read == wire.of_message(message, read.flags, wire_name(message.question.name))
    assert not message.is_response
    assert message.answers + message.authorities + message.additionals == []


@pytest.mark.parametrize("count", range(4))
def test_a_query_with_another_count_is_not_plain(count: int) -> None:
    data = bytearray(dns.message.make_query(NAME, "A").to_wire())
    struct.pack_into("!H", data, 4 + 2 * count, 2)
    assert wire.read_query(bytes(data)) is None


def test_case_is_all_that_keys_leave_aside_and_types_are_no_letters() -> None:
    def key(name: str, rdtype: int, flags: int = 0x0100, **options: object) -> bytes:
        query = dns.message.make_query(name, dns.rdatatype.RdataType.make(rdtype), **options)  # type: ignore[arg-type]
        query.flags = dns.flags.Flag(flags)
        read = wire.read_query(query.to_wire())
        assert read is not None
        return read.key

    assert key("HoSt.example.", 28) == key(NAME, 28, id=7, use_edns=0)
    different = [
        key(NAME, 65),
        key(NAME, 97),  # "A" and "a"
        key(NAME, 65, 0),
        key(NAME, 65, 0x0110),
        key(NAME, 65, use_edns=0, want_dnssec=True),
        key(NAME, 65, 0x0110, use_edns=0, want_dnssec=True),
        key("host.example.net.", 65),
    ]
    assert len(set(different)) == len(different)


@given(queries(), st.booleans())
def test_a_query_is_written_as_dnspython_reads_it(query: dns.message.Message, edns: bool) -> None:
    question = (query.question[0].name.to_wire() or b"") + struct.pack(
        "!HH", query.question[0].rdtype, query.question[0].rdclass
    )
    data = wire.write_query(query.id, int(query.flags), question, dnssec_ok=True if edns else None)
    read = dns.message.from_wire(data)
    assert (read.id, read.flags, read.question) == (query.id, query.flags, query.question)
    assert (read.edns, read.payload if edns else 1232) == (0 if edns else -1, 1232)
    assert bool(read.ednsflags & dns.flags.DO) == edns


RECORDS: Final = {
    "A": [f"{NAME} 60 IN A 192.0.2.{last}" for last in range(1, 4)],
    "AAAA": [f"{NAME} 60 IN AAAA 2001:db8::{last}" for last in range(1, 4)],
}
SOA: Final = "example. 3600 IN SOA ns.example. root.example. 1 2 3 4 300"


def reply_to(rdtype: str, *answer: str, authority: tuple[str, ...] = (), edns: bool = True) -> bytes:
    reply = dns.message.make_response(dns.message.make_query(NAME, rdtype, id=7), recursion_available=True)
    for section, lines in ((reply.answer, answer), (reply.authority, authority)):
        for line in lines:
            name, ttl, rdclass, kind, rdata = line.split(None, 4)
            section.append(dns.rrset.from_text(name, int(ttl), rdclass, kind, rdata))
    if edns:
        reply.use_edns(0, payload=1232)
    return reply.to_wire()


END_OF_QUESTION: Final = 12 + 14 + 4


@pytest.mark.parametrize("edns", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("rdtype", ["A", "AAAA"])
def test_a_reply_with_addresses_of_the_name_is_plain(rdtype: str, count: int, edns: bool) -> None:
    data = reply_to(rdtype, *RECORDS[rdtype][:count], edns=edns)
    plain = wire.read_plain_reply(data, END_OF_QUESTION)
    assert plain is not None
    assert plain.ttl == 60
    assert plain.addresses == tuple(bytes(record.rdata.data) for record in parse(data).answers)
    assert plain.end == len(data) - (11 if edns else 0)


def test_a_reply_that_has_nothing_is_plain_and_says_for_how_long() -> None:
    plain = wire.read_plain_reply(reply_to("AAAA", authority=(SOA,)), END_OF_QUESTION)
    assert plain is not None
    assert (plain.addresses, plain.ttl) == ((), 300)


@pytest.mark.parametrize(
    "data",
    [
        reply_to("A", f"{NAME} 60 IN CNAME other.example.", "other.example. 60 IN A 192.0.2.1"),
        reply_to("A", RECORDS["A"][0], "other.example. 60 IN A 192.0.2.1"),
        reply_to("A", RECORDS["A"][0], f"{NAME} 61 IN A 192.0.2.2"),
        reply_to("A", RECORDS["A"][0], RECORDS["AAAA"][0]),
        reply_to("A", RECORDS["A"][0], authority=("example. 60 IN NS ns.example.",)),
        reply_to("A", authority=("example. 60 IN NS ns.example.",)),
        reply_to("A", authority=(SOA, SOA.replace("example. 3600", "net.example. 3600"))),
        reply_to("A"),
        reply_to("TXT", f"{NAME} 60 IN TXT a"),
    ],
)
def test_other_replies_are_not_plain(data: bytes) -> None:
    assert parse(data)
    assert wire.read_plain_reply(data, END_OF_QUESTION) is None


@given(
    st.sampled_from(
        [reply_to("A", *RECORDS["A"]), reply_to("AAAA", authority=(SOA,)), reply_to("AAAA", *RECORDS["AAAA"])]
    ),
    CHANGES,
    st.integers(0, 3),
    st.binary(max_size=2),
)
def test_what_is_plain_of_changed_bytes_the_whole_reader_reads_alike(
    data: bytes, changes: list[tuple[int, int]], cut: int, more: bytes
) -> None:
    head, tail = data[:END_OF_QUESTION], data[END_OF_QUESTION:]
    spoilt = head[:2] + bytes((head[2] | 0x80,)) + head[3:] + changed(tail, changes, cut, more)
    plain = wire.read_plain_reply(spoilt, END_OF_QUESTION)
    if plain is None:
        return
    message = parse(spoilt)
    assert message.rcode == 0
    assert plain.addresses == tuple(bytes(record.rdata.data) for record in message.answers)
    if message.answers:
        assert {record.ttl for record in message.answers} == {plain.ttl}
    else:
        (soa,) = message.authorities
        assert plain.ttl == min(soa.ttl, soa.rdata.times[4])


@given(st.sampled_from([reply_to("A", *RECORDS["A"]), reply_to("AAAA", authority=(SOA,))]), CHANGES)
def test_where_ttls_stand_is_told_of_what_the_whole_reader_reads(
    data: bytes, changes: list[tuple[int, int]]
) -> None:
    spoilt = data[:END_OF_QUESTION] + changed(data[END_OF_QUESTION:], changes, 0, b"")
    try:
        message = parse(spoilt)
    except MalformedMessage:
        return
    records = (*message.answers, *message.authorities, *message.additionals)
    found = [struct.unpack_from("!I", spoilt, at)[0] for at in wire.ttls_at(spoilt)]
    assert [ttl if ttl < 1 << 31 else 0 for ttl in found] == [record.ttl for record in records]


def test_aaaa_records_are_written_as_dnspython_reads_them() -> None:
    addresses = [bytes(15) + bytes((last,)) for last in (1, 2)]
    data = wire.write_aaaa(dns.name.from_text(NAME).to_wire() or b"", addresses, 77, wire.QR | wire.RA)
    assert wire.ttls_of_addresses(wire.end_of_question(data), 2, 16) == wire.ttls_at(data)
    (rrset,) = dns.message.from_wire(data).answer
    assert (rrset.ttl, sorted(str(rdata) for rdata in rrset)) == (77, ["::1", "::2"])
