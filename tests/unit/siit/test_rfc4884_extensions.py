"""RFC 4884: extension structures behind the original datagram of an ICMP error, and what translation does to them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.compat import raw
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP, UDP, ICMPExtension_Header, ICMPExtension_Object
from scapy.layers.inet6 import ICMPv6Unknown, IPv6
from scapy.packet import Packet, Raw
from scapy.utils import checksum

from nat64.siit import counters
from tests.unit.siit.conftest import HOST, LEASED, SERVER4, SERVER6, Gateway

ROUTER4 = "198.51.100.1"
ROUTER4_IN_IPV6 = "2001:db8:64:ff9b::c633:6401"

LABELS = raw(
    ICMPExtension_Header() / ICMPExtension_Object(classnum=1, classtype=1) / MPLS(label=18, cos=0, s=1, ttl=1)
)


def icmpv4(icmp_type: int, code: int, rest: int, data: bytes, **fields: object) -> Packet:
    message = bytearray(bytes((icmp_type, code, 0, 0)) + rest.to_bytes(4, "big") + data)
    message[2:4] = checksum(bytes(message)).to_bytes(2, "big")
    arguments: dict[str, Any] = {"src": ROUTER4, "dst": LEASED, "proto": 1} | fields
    return IP(**arguments) / Raw(bytes(message))


def icmpv6(icmp_type: int, code: int, rest: int, data: bytes, **fields: object) -> Packet:
    arguments: dict[str, Any] = {"src": HOST, "dst": SERVER6} | fields
    return IPv6(**arguments) / ICMPv6Unknown(
        type=icmp_type, code=code, msgbody=rest.to_bytes(4, "big") + data
    )


def to_ipv6(icmp_type: int, code: int, rest: int, data: bytes) -> bytes:
    """The ICMPv6 error that the host gets."""
    return raw(icmpv6(icmp_type, code, rest, data, src=ROUTER4_IN_IPV6, dst=HOST, hlim=63))


def to_ipv4(icmp_type: int, code: int, rest: int, data: bytes, sent: bytes) -> bytes:
    """The ICMPv4 error that the server gets."""
    return raw(icmpv4(icmp_type, code, rest, data, src=LEASED, dst=SERVER4, ttl=63, id=IP(sent).id))


def datagram(payload: int) -> tuple[bytes, bytes]:
    """What the host sent, with so many octets behind the UDP header: as an IPv4 router saw it, and as it was."""
    data = (bytes(range(256)) * 6)[:payload]
    ipv4 = IP(src=LEASED, dst=SERVER4, ttl=9, id=0, flags="DF" if payload > 1232 else 0)
    ipv6 = IPv6(src=HOST, dst=SERVER6, hlim=9)
    return raw(ipv4 / UDP(sport=1000, dport=2000) / data), raw(ipv6 / UDP(sport=1000, dport=2000) / data)


def reply(payload: int) -> tuple[bytes, bytes]:
    """What the server sent: as the server did, and as an IPv6 router saw it."""
    data = (bytes(range(256)) * 6)[:payload]
    ipv4 = IP(src=SERVER4, dst=LEASED, ttl=9, id=0, flags="DF" if payload > 1232 else 0)
    ipv6 = IPv6(src=SERVER6, dst=HOST, hlim=9)
    return raw(ipv4 / UDP(sport=1000, dport=2000) / data), raw(ipv6 / UDP(sport=1000, dport=2000) / data)


@pytest.mark.parametrize(("icmp_type", "code", "new_type", "new_code"), [(3, 1, 1, 0), (11, 0, 3, 0)])
@pytest.mark.parametrize(
    ("payload", "shown", "becomes"),
    [
        (7, 128, 128),  # padded to 128 octets on both sides
        (100, 128, 152),  # all of it, 148 octets, is padded to whole 64 bits
        (900, 128, 152),  # the 128 octets that were shown
        (900, 132, 152),
        (900, 900, 920),
    ],
)
def test_rfc7915_4_2_extensions_are_kept_and_the_length_is_adjusted(  # noqa: PLR0917 - a row of the table
    icmp_type: int, code: int, new_type: int, new_code: int, payload: int, shown: int, becomes: int
) -> None:
    old, new = datagram(payload)
    data = old[:shown].ljust(shown, b"\0") + LABELS
    sent = Gateway().send_one(icmpv4(icmp_type, code, shown // 4 << 16, data))
    expected = new[: shown + 20].ljust(becomes, b"\0")[:becomes] + LABELS
    assert sent == to_ipv6(new_type, new_code, becomes // 8 << 24, expected)


@pytest.mark.parametrize(("icmp_type", "code", "new_type", "new_code"), [(1, 4, 3, 3), (3, 1, 11, 1)])
@pytest.mark.parametrize(
    ("payload", "shown", "becomes"),
    [
        (7, 128, 128),
        (100, 152, 128),
        (900, 128, 128),  # the 108 octets that were shown, padded
        (900, 152, 132),
        (900, 552, 532),
    ],
)
def test_rfc7915_5_2_extensions_are_kept_and_the_length_is_adjusted(  # noqa: PLR0917 - a row of the table
    icmp_type: int, code: int, new_type: int, new_code: int, payload: int, shown: int, becomes: int
) -> None:
    new, old = reply(payload)
    data = old[:shown].ljust(shown, b"\0") + LABELS
    sent = Gateway().send_one(icmpv6(icmp_type, code, shown // 8 << 24, data))
    expected = new[: shown - 20].ljust(becomes, b"\0")[:becomes] + LABELS
    assert sent == to_ipv4(new_type, new_code, becomes // 4 << 16, expected, sent)


def test_rfc4443_2_4_c_the_datagram_makes_room_for_extensions() -> None:
    old, new = datagram(1400)
    opaque = bytes(range(204))
    sent = Gateway().send_one(icmpv4(11, 0, 255 << 16, old[:1020] + opaque))
    assert sent == to_ipv6(3, 0, 128 << 24, new[:1024] + opaque)  # the next 8 octets would be too many
    assert len(sent) <= 1280 < len(sent) + 8


def test_rfc1812_4_3_2_3_the_datagram_makes_room_for_extensions() -> None:
    new, old = reply(1000)
    sent = Gateway().send_one(icmpv6(3, 0, 125 << 24, old[:1000] + LABELS))
    assert sent == to_ipv4(11, 0, 134 << 16, new[:536] + LABELS, sent)
    assert len(sent) == 576


def test_rfc4884_7_extensions_that_do_not_fit_whole_are_left_out() -> None:
    old, new = datagram(1400)
    for length, fits in ((1104, True), (1105, False)):
        sent = Gateway(mtu=9000).send_one(icmpv4(11, 0, 32 << 16, old[:128] + bytes(length)))
        shown = new[:128] + bytes(length) if fits else new[:148]
        assert sent == to_ipv6(3, 0, 16 << 24 if fits else 0, shown)
    new, old = reply(1000)
    for length, fits in ((420, True), (421, False)):
        sent = Gateway().send_one(icmpv6(3, 0, 21 << 24, old[:168] + bytes(length)))
        shown = new[:128] + bytes(length) if fits else new[:148]
        assert sent == to_ipv4(11, 0, 32 << 16 if fits else 0, shown, sent)


@pytest.mark.parametrize(
    ("icmp_type", "code", "rest", "new_type", "new_code", "new_rest"),
    [
        (3, 2, 0, 4, 1, 6),
        (3, 4, 1400, 2, 0, 1420),
        (12, 0, 8 << 24, 4, 0, 7),
    ],
)
def test_rfc4884_4_extensions_end_where_the_new_type_has_no_length(  # noqa: PLR0917 - a row of the RFC's table
    icmp_type: int, code: int, rest: int, new_type: int, new_code: int, new_rest: int
) -> None:
    old, new = datagram(7)
    sent = Gateway().send_one(icmpv4(icmp_type, code, 32 << 16 | rest, old.ljust(128, b"\0") + LABELS))
    assert sent == to_ipv6(new_type, new_code, new_rest, new)


def test_rfc4884_4_a_pointer_is_no_length() -> None:
    new, old = reply(200)
    sent = Gateway().send_one(icmpv6(4, 0, 7, old))
    assert sent == to_ipv4(12, 0, 8 << 24, new, sent)
    sent = Gateway().send_one(icmpv6(2, 0, 16 << 24, old))  # an MTU of 2 ** 28 octets
    assert sent == to_ipv4(3, 4, 1480, new, sent)


@pytest.mark.parametrize("length", [0, 1, 20, 31, 35, 36, 255])
def test_rfc4884_a_length_that_cannot_be_one_means_no_extensions(length: int) -> None:
    old, new = datagram(900)  # of which 140 octets are shown: 35 units of 32 bits
    sent = Gateway().send_one(icmpv4(11, 0, length << 16, old[:140]))
    assert sent == to_ipv6(3, 0, 0, new[:160])
    new, old = reply(900)  # 280 octets: 35 units of 64 bits
    sent = Gateway().send_one(icmpv6(3, 0, (length if length >= 35 else length // 2) << 24, old[:280]))
    assert sent == to_ipv4(11, 0, 0, new[:260], sent)


def test_rfc4884_5_4_a_length_of_zero_means_no_extensions() -> None:
    old, new = datagram(7)
    sent = Gateway().send_one(icmpv4(11, 0, 0, old.ljust(128, b"\0") + LABELS))
    assert sent == to_ipv6(3, 0, 0, new)


def test_rfc7915_4_2_extensions_are_opaque() -> None:
    old, new = datagram(7)
    for damaged in (LABELS[:-1], b"\x20", b"\x30" + LABELS[1:], LABELS[:3] + b"\xff" + LABELS[4:]):
        sent = Gateway().send_one(icmpv4(11, 0, 32 << 16, old.ljust(128, b"\0") + damaged))
        assert sent == to_ipv6(3, 0, 16 << 24, new.ljust(128, b"\0") + damaged)


@given(
    icmp_type=st.sampled_from([3, 11, 12]),
    length=st.integers(0, 255),
    payload=st.integers(0, 1400),
    shown=st.integers(28, 1400),
    extensions=st.binary(max_size=1300),
)
def test_rfc4884_whatever_a_length_says_the_errors_are_sound(
    icmp_type: int, length: int, payload: int, shown: int, extensions: bytes
) -> None:
    gateway = Gateway(mtu=9000)
    old, _ = datagram(payload)
    sent = gateway.send_one(icmpv4(icmp_type, 0, length << 16, old[:shown] + extensions))
    assert len(sent) <= 1280
    packet = IPv6(sent)
    assert (
        raw(
            IPv6(src=packet.src, dst=packet.dst, nh=58, hlim=packet.hlim)
            / ICMPv6Unknown(type=packet.payload.type, code=packet.payload.code, msgbody=sent[44:])
        )
        == sent
    )
    if sent[40] in {1, 3} and sent[44]:
        assert sent[44] >= 16
        assert 48 + sent[44] * 8 < len(sent)
    _, old = reply(payload)
    sent = gateway.send_one(
        icmpv6(1 if icmp_type == 3 else 3, 0, length << 24, old[: shown + 20] + extensions)
    )
    assert len(sent) <= 576
    assert checksum(sent[20:]) == 0
    if sent[25]:
        assert sent[25] >= 32
        assert 28 + sent[25] * 4 < len(sent)
    assert gateway.counts[counters.ICMP_INNER] == 0
