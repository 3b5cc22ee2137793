"""A worker's translator does for known pairs what the whole one does, and nothing for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt

from nat64.siit import offload
from nat64.siit.known_pairs import IDLE_SECONDS, KnownPairs
from tests.unit.siit.conftest import HOST, LEASED, MAPPED4, MAPPED6, SERVER4, SERVER6, Gateway

if TYPE_CHECKING:
    from scapy.packet import Packet

PLAIN = [
    IPv6(src=HOST, dst=SERVER6, hlim=9) / TCP(sport=1, dport=2) / b"data",
    IPv6(src=HOST, dst=SERVER6, hlim=9) / UDP(sport=1, dport=2) / b"data",
    IPv6(src=MAPPED6, dst=SERVER6, hlim=9) / UDP(sport=1, dport=2) / b"data",
    IP(src=SERVER4, dst=LEASED, ttl=9) / TCP(sport=1, dport=2) / b"data",
    IP(src=SERVER4, dst=MAPPED4, ttl=9) / UDP(sport=1, dport=2) / b"data",
]


def told(gateway: Gateway, known: KnownPairs, packet: Packet, now: float = 0.0) -> None:
    """Do what a daemon does with a packet that a worker asks about."""
    gateway.send(packet, now)
    found = gateway.translator.pair_of(memoryview(raw(packet)))
    assert found is not None
    addresses, pair = found
    known.learn(addresses, pair.translated, pair.lease.address if pair.lease else b"", now)


def ask(known: KnownPairs, packet: Packet | bytes, now: float = 0.0) -> list[bytes] | None:
    done = known.translate(memoryview(bytes(packet)), now)
    return None if done is None else [b"".join(parts) for parts in done[1]]


@pytest.mark.parametrize("packet", PLAIN)
def test_a_known_pair_becomes_what_the_whole_translator_makes_of_it(gateway: Gateway, packet: Packet) -> None:
    known = KnownPairs(gateway.translator.settings)
    assert ask(known, packet) is None
    told(gateway, known, packet)
    sent = ask(known, packet)
    assert sent is not None
    (one,) = sent
    expected = gateway.send_one(packet)
    if one[0] >> 4 == 4:  # each counts its identifications by itself
        one, expected = one[:4] + one[6:10] + one[12:], expected[:4] + expected[6:10] + expected[12:]
    assert one == expected
    assert known.counts == {name: count // 2 for name, count in gateway.counts.items()}


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x60",
        b"\x45" + bytes(30),
        IPv6(src=HOST, dst=SERVER6, hlim=1) / UDP(sport=1, dport=2),
        IPv6(src=HOST, dst=SERVER6) / IPv6ExtHdrDestOpt() / UDP(sport=1, dport=2),
        IP(src=SERVER4, dst=LEASED) / ICMP(),
        IP(src=SERVER4, dst=LEASED, ttl=1) / UDP(sport=1, dport=2),
        IP(src=SERVER4, dst=LEASED) / UDP(sport=1, dport=2, chksum=0),
    ],
)
def test_what_is_not_plain_is_not_for_a_worker(gateway: Gateway, packet: Packet | bytes) -> None:
    known = KnownPairs(gateway.translator.settings)
    for plain in PLAIN:
        told(gateway, known, plain)
    assert ask(known, packet) is None
    assert not any(known.counts.values())


def test_a_checksum_to_finish_stays_one(gateway: Gateway) -> None:
    known = KnownPairs(gateway.translator.settings)
    packet = IPv6(src=HOST, dst=SERVER6) / UDP(sport=1, dport=2) / b"data"
    told(gateway, known, packet)
    left = offload.parse(bytes((1, 0, 0, 0, 0, 0, 40, 0, 6, 0)))
    done = known.translate(memoryview(raw(packet)), 0, left)
    assert done is not None
    assert done[0] == bytes((1, 0, 0, 0, 0, 0, 20, 0, 6, 0))
    elsewhere = offload.parse(bytes((1, 0, 0, 0, 0, 0, 44, 0, 6, 0)))
    assert known.translate(memoryview(raw(packet)), 0, elsewhere) is None


def test_uses_of_a_lease_are_told_and_an_idle_one_is_asked_about_anew(gateway: Gateway) -> None:
    known = KnownPairs(gateway.translator.settings)
    told(gateway, known, PLAIN[0])
    told(gateway, known, PLAIN[3])
    leased = raw(IP(src=LEASED))[12:16]
    assert known.used_since(0, 1) == [leased]
    assert known.used_since(5, 10) == []
    assert ask(known, PLAIN[3], now=10) is not None
    assert known.used_since(5, 11) == [leased]
    assert known.used_since(11, 11 + IDLE_SECONDS) == []
    assert ask(known, PLAIN[0], now=11 + IDLE_SECONDS) is None
    assert ask(known, PLAIN[3], now=11 + IDLE_SECONDS) is None


def test_after_a_reset_nothing_is_known(gateway: Gateway) -> None:
    known = KnownPairs(gateway.translator.settings)
    told(gateway, known, PLAIN[2])
    known.reset(gateway.translator.settings)
    assert ask(known, PLAIN[2]) is None
