"""What a client sends that is no good query: the response or the silence that it gets, and that the next one is answered."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from nat64.dns64.flights import Later

if TYPE_CHECKING:
    from collections.abc import Callable

    Lab = Any
    Make = Callable[..., Lab]

NAME: Final = "v4.example."
IDENT: Final = 0x4D2
QUERY: Final = 0x0100
QNAME: Final = b"\x02v4\x07example\0"
QUESTION: Final = QNAME + b"\0\x1c\0\x01"
OPT: Final = struct.pack("!BHHIH", 0, dns.rdatatype.OPT, 1232, 0, 0)
LABEL: Final = b"\x3f" + b"a" * 63
OTHER_OPCODES: Final = [
    opcode for opcode in range(1, 16) if opcode not in (dns.opcode.NOTIFY, dns.opcode.UPDATE)
]


def message(rest: bytes, *counts: int, flags: int = QUERY) -> bytes:
    """Put a header before `rest`; the counts are those of the four sections, one question unless told."""
    return struct.pack("!HHHHHH", IDENT, flags, *(counts or (1, 0, 0, 0))) + rest


def question(name: bytes) -> bytes:
    return message(name + b"\0\x1c\0\x01")


def chain(pointers: int) -> bytes:
    """Build a query with two additional records: a text of pointers, each to the one before; an owner that is the last."""
    begin = len(message(QUESTION)) + 11
    targets = [12, *range(begin, begin + 2 * (pointers - 1), 2)]
    rdata = b"".join(struct.pack("!H", 0xC000 | target) for target in targets[:-1])
    first = struct.pack("!BHHIH", 0, dns.rdatatype.TXT, 1, 0, len(rdata)) + rdata
    second = struct.pack("!HHHIH", 0xC000 | targets[-1], dns.rdatatype.TXT, 1, 0, 2) + b"\x01x"
    return message(QUESTION + first + second, 1, 0, 0, 2)


NULL: Final = struct.pack("!BHHIH", 0, dns.rdatatype.NULL, 1, 0, 0)
"""The shortest record."""

MALFORMED: Final = {
    "header alone": message(b""),
    "more records than a query has a use for": message(QUESTION + NULL * 65, 1, 0, 0, 65),
    **{f"question cut to {length}": message(QUESTION[:length]) for length in range(1, len(QUESTION))},
    "pointer to itself": question(b"\xc0\x0c"),
    "pointer into itself behind a label": question(b"\x01a\xc0\x0c"),
    "pointer to its second half": question(b"\xc0\x0d"),
    "pointer into the header": question(b"\xc0\x02"),
    "pointer forward": message(b"\xc0\x12\0\x1c\0\x01" + QNAME),
    "pointer out of range": question(b"\xff\xff"),
    "pointers that turn in a circle": message(b"\xc0\x12\0\x1c\0\x01\xc0\x0c"),
    "a thousand pointers forward": message(
        b"".join(struct.pack("!H", 0xC000 | 14 + 2 * at) for at in range(1000)) + QUESTION
    ),
    "label of 64 bytes": question(b"\x40" + b"a" * 64 + b"\0"),
    "label of a kind that does not exist": question(b"\x80a\0"),
    "name of 256 bytes": question(LABEL * 3 + b"\x3e" + b"a" * 62 + b"\0"),
    "name without end": message(LABEL * 60),
    "no question, yet one is there": message(QUESTION, 0, 0, 0, 0),
    "two questions": message(QUESTION * 2, 2, 0, 0, 0),
    "two questions, of which one is there": message(QUESTION, 2, 0, 0, 0),
    "65535 questions": message(QUESTION, 65535, 0, 0, 0),
    "an answer that is not there": message(QUESTION, 1, 1, 0, 0),
    "an authority that is not there": message(QUESTION, 1, 0, 1, 0),
    "an additional record that is not there": message(QUESTION, 1, 0, 0, 1),
    "one additional record more than there is": message(QUESTION + OPT, 1, 0, 0, 2),
    "65535 records in each section": message(QUESTION + OPT, 1, 65535, 65535, 65535),
    "record cut in its header": message(QUESTION + OPT[:-1], 1, 0, 0, 1),
    "RDLENGTH beyond the end": message(QUESTION + OPT[:-2] + b"\0\x09", 1, 0, 0, 1),
    "two OPT records": message(QUESTION + OPT * 2, 1, 0, 0, 2),
    "OPT among the answers": message(QUESTION + OPT, 1, 1, 0, 0),
    "OPT with an owner": message(QUESTION + b"\x01a" + OPT, 1, 0, 0, 1),
    "option longer than its OPT": message(QUESTION + OPT[:-2] + b"\0\x04\0\x0a\0\x08", 1, 0, 0, 1),
}
SILENT: Final = {
    **{f"the first {length} bytes of a header": message(QUESTION)[:length] for length in range(12)},
    "QR set": message(QUESTION, flags=0x8180),
    "QR set, malformed": message(b"\xc0\x0c", flags=0x8180),
    "QR set, NOTIFY": message(QUESTION, flags=0x8000 | dns.opcode.NOTIFY << 11),
    "QR set, FORMERR alone": message(b"", 0, 0, 0, 0, flags=0x8001),
}
TRANSPORTS: Final = pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])


@pytest.fixture
def dns64(lab: Make, reply: Make) -> Lab:
    return lab(
        {
            (NAME, "AAAA"): reply(),
            (NAME, "A"): reply(answer=(f"{NAME} 60 IN A 192.0.2.33",)),
            (NAME, "ANY"): reply(answer=(f"{NAME} 60 IN A 192.0.2.33", f'{NAME} 60 IN TXT "x"')),
            (NAME, "TXT"): reply(
                answer=(
                    *(f"{NAME} 60 IN TXT {'x' * 90}{number}" for number in range(4)),
                    f"{NAME} 60 IN TXT {'y' * 44}",
                )
            ),
        }
    )


def assert_still_serves(dns64: Lab) -> None:
    """Ask a good question, and see that nothing is left of the bad one."""
    (rrset,) = dns64.ask(NAME, "AAAA").answer
    assert [str(rdata) for rdata in rrset] == ["2001:db8:64::c000:221"]
    assert dns64.service.outstanding == 0


@TRANSPORTS
@pytest.mark.parametrize("case", MALFORMED)
def test_rfc1035_4_1_1_what_cannot_be_read_gets_formerr_with_its_id(
    dns64: Lab,
    case: str,
    tcp: bool,
) -> None:
    data = dns64.send(MALFORMED[case], tcp=tcp)
    response = dns.message.from_wire(data)
    assert (response.id, response.rcode(), response.opcode()) == (IDENT, dns.rcode.FORMERR, dns.opcode.QUERY)
    assert response.flags & (dns.flags.QR | dns.flags.RD) == dns.flags.QR | dns.flags.RD
    assert len(data) <= len(MALFORMED[case]), "an answer longer than the question helps who forges addresses"
    assert not dns64.asked
    assert_still_serves(dns64)


@TRANSPORTS
@pytest.mark.parametrize("case", SILENT)
def test_what_has_no_id_or_is_a_response_gets_silence(dns64: Lab, case: str, tcp: bool) -> None:
    assert dns64.send(SILENT[case], tcp=tcp) is None
    assert not dns64.asked
    assert_still_serves(dns64)


@pytest.mark.parametrize("opcode", OTHER_OPCODES)
def test_rfc1035_4_1_1_other_opcodes_get_notimp_however_they_go_on(
    dns64: Lab,
    opcode: int,
) -> None:
    for rest in (b"", QUESTION, b"\xc0\x0c" * 1000):
        response = dns64.send(message(rest, flags=opcode << 11))
        assert struct.unpack_from("!HH", response) == (IDENT, 0x8000 | opcode << 11 | dns.rcode.NOTIMP)
    assert_still_serves(dns64)


@pytest.mark.parametrize("opcode", [dns.opcode.NOTIFY, dns.opcode.UPDATE])
def test_notify_and_update_get_notimp_as_their_senders_read_it(dns64: Lab, opcode: dns.opcode.Opcode) -> None:
    query = dns.message.make_query("example.", "SOA")
    query.set_opcode(opcode)
    response = dns.message.from_wire(dns64.send(query.to_wire()))
    assert (response.opcode(), response.rcode()) == (opcode, dns.rcode.NOTIMP)
    assert query.id == response.id
    assert not dns64.asked
    assert_still_serves(dns64)


@pytest.mark.parametrize("opcode", OTHER_OPCODES)
def test_who_is_not_allowed_gets_notimp_too_and_nothing_of_what_was_sent(dns64: Lab, opcode: int) -> None:
    response = dns64.send(message(b"\0" + bytes(4), flags=opcode << 11), "203.0.113.9")
    assert response == struct.pack("!HHHHHH", IDENT, 0x8000 | opcode << 11 | dns.rcode.NOTIMP, 0, 0, 0, 0)


@TRANSPORTS
@pytest.mark.parametrize("rdtype", ["AXFR", "IXFR"])
def test_after_a_refused_transfer_the_next_query_is_answered(dns64: Lab, rdtype: str, tcp: bool) -> None:
    assert dns64.ask(NAME, rdtype, tcp=tcp).rcode() == dns.rcode.REFUSED
    assert not dns64.asked
    assert_still_serves(dns64)


def test_a_class_other_than_in_is_the_forwarders_business(lab: Make, reply: Make) -> None:
    chaos = reply(answer=('version.bind. 0 CH TXT "nine"',))
    dns64 = lab({("version.bind.", "TXT"): chaos, ("version.bind.", "AAAA"): reply()})
    (rrset,) = dns64.ask("version.bind.", "TXT", rdclass="CH").answer
    assert str(rrset) == 'version.bind. 0 CH TXT "nine"'
    assert not dns64.ask("version.bind.", "AAAA", rdclass="CH").answer
    assert [rdtype for _, _, rdtype in dns64.asked] == ["TXT", "AAAA"]


def test_rfc6147_5_3_2_any_is_relayed_and_not_synthesized(dns64: Lab) -> None:
    response = dns64.ask(NAME, "ANY")
    assert {rrset.rdtype for rrset in response.answer} == {dns.rdatatype.A, dns.rdatatype.TXT}
    assert [rdtype for _, _, rdtype in dns64.asked] == ["ANY"]
    assert_still_serves(dns64)


def test_rfc1035_4_1_1_rd_clear_comes_back_clear_and_the_answer_is_the_same(dns64: Lab) -> None:
    query = dns.message.make_query(NAME, "AAAA")
    query.flags = 0
    response = dns.message.from_wire(dns64.send(query.to_wire()))
    assert query.is_response(response)
    assert not response.flags & dns.flags.RD
    assert response.flags & dns.flags.RA
    assert len(response.answer) == 1


@TRANSPORTS
@pytest.mark.parametrize("rest", [b"\0", b"trailing", b"\xc0\x0c" * 500, OPT])
def test_bytes_behind_a_whole_query_change_nothing(dns64: Lab, rest: bytes, tcp: bool) -> None:
    query = dns.message.make_query(NAME, "AAAA")
    response = dns.message.from_wire(dns64.send(query.to_wire() + rest, tcp=tcp))
    assert query.is_response(response)
    assert len(response.answer) == 1
    assert response.edns == -1
    assert_still_serves(dns64)


def test_a_query_may_have_some_records_that_are_of_no_use(dns64: Lab) -> None:
    response = dns.message.from_wire(dns64.send(message(QUESTION + NULL * 64, 1, 20, 20, 24)))
    assert response.rcode() == dns.rcode.NOERROR
    assert len(response.answer) == 1


@pytest.mark.parametrize("pointers", [2, 1000, 4000])
def test_a_chain_of_pointers_that_lead_back_is_read_to_its_end(dns64: Lab, pointers: int) -> None:
    query = dns.message.make_query(NAME, "AAAA", id=IDENT)
    response = dns.message.from_wire(dns64.send(chain(pointers), tcp=True))
    assert query.is_response(response)
    assert len(response.answer) == 1
    assert_still_serves(dns64)


def test_a_name_of_255_bytes_is_asked_and_comes_back(lab: Make, reply: Make) -> None:
    labels = [b"a" * 63] * 3 + [b"a" * 61]
    name = ".".join(label.decode() for label in labels) + "."
    response = lab({(name, "AAAA"): reply(), (name, "A"): reply()}).ask(name)
    assert response.question[0].name.labels[:-1] == tuple(labels)


@pytest.mark.parametrize("size", [0, 1, 511])
def test_rfc6891_6_2_3_sizes_below_512_count_as_512(dns64: Lab, size: int) -> None:
    small, least = (
        dns64.send(dns.message.make_query(NAME, "TXT", id=IDENT, use_edns=0, payload=payload).to_wire())
        for payload in (size, 512)
    )
    assert small == least
    assert len(least) == 512, "the zone has to be such that a smaller size would truncate"
    assert not dns.message.from_wire(small).flags & dns.flags.TC


def test_rfc6891_6_1_3_a_version_of_the_future_gets_badvers_though_its_options_are_strange(
    dns64: Lab,
) -> None:
    strange = struct.pack("!BHHIH", 0, dns.rdatatype.OPT, 1232, 255 << 16, 5) + b"\xff\xff\0\x01x"
    response = dns.message.from_wire(dns64.send(message(QUESTION + strange, 1, 0, 0, 1)))
    assert (response.rcode(), response.edns) == (dns.rcode.BADVERS, 0)
    assert_still_serves(dns64)


def test_types_65_and_97_are_two_questions_though_a_letters_case_is_all_that_differs(
    lab: Make, reply: Make
) -> None:
    own = {
        dns.rdatatype.HTTPS: reply(answer=(f"{NAME} 60 IN HTTPS 1 .",)),
        dns.rdatatype.RdataType.make(97): reply(answer=(f"{NAME} 60 IN TYPE97 \\# 1 61",)),
    }
    dns64 = lab({(NAME, dns.rdatatype.to_text(rdtype)): said for rdtype, said in own.items()})
    wires = {rdtype: dns.message.make_query(NAME, rdtype, id=IDENT).to_wire() for rdtype in own}
    for rdtype, query in wires.items():
        responses: list[bytes] = []
        assert isinstance(dns64.put(query, responses.append), Later)
        (flight,) = dns64.service.flights_to_begin()
        (ask,) = flight.asks_to_send()
        (other,) = own.keys() - {rdtype}
        wrong = own[other].to_wire(ask.data).replace(bytes((0, rdtype)), bytes((0, other)), 1)
        assert not flight.reply_received(ask, wrong, 0.1)
        assert flight.reply_received(ask, own[rdtype].to_wire(ask.data), 0.2)
        response = dns.message.from_wire(responses.pop())
        assert dns.message.from_wire(query).is_response(response)
        assert [rrset.rdtype for rrset in response.answer] == [rdtype]
