"""Fuzz target: the translator, through its one entrance, `Translator.receive`.

An input chooses a configuration and then says which packets arrive when. A record may ask that lengths, addresses or
checksums of its packet be put right first, so that mutated packets get past the first checks. What must hold for each
packet is in `check_one`; a breach raises `AssertionError`.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.addressing.address_map import AddressMap, Hairpin
from nat64.addressing.eamt import Eam, Eamt
from nat64.addressing.host_limit import HostsPerPrefix
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.addressing.prefix_map import PrefixMap
from nat64.addressing.router_pool import RouterPool
from nat64.siit import counters, offload
from nat64.siit.settings import Settings, UdpZeroChecksum
from nat64.siit.translator import Translator
from tests.fuzz import device, wire

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIXES: Final = tuple(
    Pref64(IPv6Network(text))
    for text in (
        "64:ff9b::/96",
        "2001:db8:64:ff9b::/96",
        "2001:db8::/32",
        "2001:db8:100::/40",
        "2001:db8:122::/48",
        "2001:db8:122:300::/56",
        "2001:db8:122:344::/64",
        "64:ff9b:1::/48",
    )
)
TOS: Final = 0x20
MTUS: Final = (1500, 1280, 1400, 9000, 65535)
OFFLINK_MTUS: Final = (1280, 1285, 1400, 1500, 65535)
MODES: Final = tuple(UdpZeroChecksum)
OWN4: Final = IPv4Address("192.168.240.1")
OWN6: Final = IPv6Address("3fff:64::1")
POOL: Final = IPv4Network("192.168.240.0/28")
HOST: Final = IPv6Address("3fff:1::5")
LEASED: Final = IPv4Address("192.168.240.10")
MAPS: Final = Eamt(
    Eam(IPv4Network(ipv4), IPv6Network(ipv6))
    for ipv4, ipv6 in (
        ("192.0.2.9/32", "3fff:9::9/128"),
        ("198.51.100.0/24", "3fff:a::/120"),
        ("198.51.100.64/26", "3fff:b::/122"),
    )
)
ROUTERS: Final = RouterPool(IPv4Network("192.168.241.0/29"))
NO_MAPS: Final = Eamt()
OTHER_PREFIX: Final = Pref64(IPv6Network("3fff:64:ff9b::/96"))
OTHER_MAPS: Final = Eamt([Eam(IPv4Network("203.0.113.0/28"), IPv6Network("3fff:c::/64"))])
HAIRPINS: Final = (Hairpin.INTRINSIC, Hairpin.INTRINSIC, Hairpin.SIMPLE, Hairpin.OFF)
NOT_LEASED: Final = (IPv4Network(OWN4),)
HOST_LIMIT: Final = HostsPerPrefix(64, 2)
ADDRESSES4: Final = tuple(
    IPv4Address(text).packed
    for text in (
        "203.0.113.80",
        str(LEASED),
        str(OWN4),
        "192.0.2.9",
        "198.51.100.7",
        "198.51.100.70",
        "192.168.240.14",
        "127.0.0.1",
        "224.0.0.1",
        "10.0.0.1",
        "8.8.8.8",
        "203.0.113.5",
        "192.168.241.3",
    )
)
HOSTS6: Final = tuple(
    IPv6Address(text).packed
    for text in (
        str(HOST),
        str(OWN6),
        "3fff:9::9",
        "3fff:a::7",
        "3fff:b::6",
        "3fff:1::6",
        "3fff:1::7",
        "3fff:64:ff9b::cb00:7150",
        "3fff:c:0:0:500::",
        "::1",
        "ff02::1",
        "fe80::1",
    )
)

FIX_LENGTHS: Final = 1
FIX_ADDRESSES: Final = 2
FIX_CHECKSUM: Final = 4
SEND_BACK: Final = 8
"""In place of the record's packet, the last one that was sent comes back: its addresses change places."""

UNFINISHED: Final = 16
"""The packet is handed over a third time, as a device does: its checksum to be finished, and standing for segments."""

MOST_RECORDS: Final = 24
HEAD: Final = struct.Struct("!BBBBB")
RECORD: Final = struct.Struct("!BBBH")

_TRANSLATED: Final = frozenset(
    (
        counters.TO_IPV4,
        counters.TO_IPV6,
        counters.ERROR_TO_IPV4,
        counters.ERROR_TO_IPV6,
        counters.HAIRPINNED,
        counters.ERROR_HAIRPINNED,
    )
)
_REASONS: Final = ("drop_", "reject_", "icmp_", "self_")


class Record(NamedTuple):
    """One arrival: what is put right, the seconds since the one before, which addresses, and the packet."""

    fixes: int
    seconds: int
    addresses: int
    packet: bytes


def encode(head: tuple[int, int, int, int, int], records: list[Record]) -> bytes:
    """Return the input that `run` takes apart again: what seeds the corpus."""
    parts = [HEAD.pack(*head)]
    parts += [RECORD.pack(*record[:3], len(record.packet)) + record.packet for record in records]
    return b"".join(parts)


def run(data: bytes) -> None:
    """Send one input's packets through a translator of its own. Raises `AssertionError` for what may not be."""
    if len(data) < HEAD.size:
        return
    under_test = UnderTest(*HEAD.unpack_from(data))
    for record in _records(data):
        under_test.arrive(record)
    under_test.check_pool()


def _records(data: bytes) -> Iterator[Record]:
    at = HEAD.size
    for _ in range(MOST_RECORDS):
        if at + RECORD.size > len(data):
            return
        fixes, seconds, addresses, length = RECORD.unpack_from(data, at)
        at += RECORD.size
        yield Record(fixes, seconds, addresses, data[at : at + length])
        at += length


class UnderTest:
    """A translator of the configuration that an input's head chooses."""

    def __init__(self, prefix: int, mtu: int, offlink_mtu: int, mode: int, flags: int) -> None:
        self.prefix = PREFIXES[prefix % len(PREFIXES)]
        pool = None
        if not flags & 1:
            pool = DynamicPool(POOL, NOT_LEASED, HOST_LIMIT if flags & 2 else None)
            assert pool.restore(HOST.packed, self.prefix, LEASED.packed, 0.0) is None
        self.settings = Settings(
            ipv4_addr=OWN4.packed,
            ipv6_addr=OWN6.packed,
            mtu=MTUS[mtu % len(MTUS)],
            offlink_mtu=OFFLINK_MTUS[offlink_mtu % len(OFFLINK_MTUS)],
            udp_zero_checksum=MODES[mode % len(MODES)],
            error_rate=2.0,
            error_burst=6.0,
            tos_to_ipv4=TOS if flags & 16 else None,
            tos_to_ipv6=0 if flags & 16 else None,
            rfc6791_pool=ROUTERS if flags & 128 else None,
            rfc5837=bool(flags & 128),
            pairs_kept=4,
        )
        self.seen: list[str] = []
        self.translator = Translator(
            self.settings,
            AddressMap(
                [
                    PrefixMap(self.prefix, NO_MAPS if flags & 4 else MAPS, pool, wkpf_strict=not flags & 8),
                    PrefixMap(OTHER_PREFIX, OTHER_MAPS, None, wkpf_strict=True),
                ],
                HAIRPINS[flags >> 5 & 3],
            ),
            lambda counter, _: self.seen.append(counter),
        )
        self.pool = pool
        self.now = 0.0
        self.last = b""

    def arrive(self, record: Record) -> None:
        """Send one record's packet, and once more, which takes the short way for a known pair."""
        self.now += record.seconds * record.seconds  # up to 18 hours: leases sleep, and wake up
        packet = self._prepared(record)
        leases = self.pool and self.pool.revision
        first = self.send(packet)
        changed = leases != (self.pool and self.pool.revision)  # its destination may be a host by now
        again = self.send(packet)
        if not changed and not any(self._is_own(sent) for sent in (*first, *again)):
            assert [_unidentified(sent) for sent in first] == [_unidentified(sent) for sent in again]
        if record.fixes & UNFINISHED:
            self._hand_over_unfinished(packet, 1 + record.addresses * 8)
        if first:
            self.last = first[-1]

    def _hand_over_unfinished(self, packet: bytes, segment_size: int) -> None:
        """Hand the packet over with work left to do, and compare what a device would then send."""
        header = device.unfinished_header(packet, segment_size)
        if header is None:
            return
        as_ready = [b"".join(parts) for parts in self.translator.receive(memoryview(packet), self.now)]
        for before in (header, header._replace(gso_type=0, segment_size=0)):
            handed = memoryview(device.unfinished(packet))
            left = offload.parse(before.packed())
            after, packets = self.translator.receive_offloaded(handed, left, self.now)
            sent = [b"".join(parts) for parts in packets]
            if any(self._is_own(one) for one in (*as_ready, *sent)):
                continue
            on_link = [ready for one in sent for ready in device.finished(one, after)]
            for one in on_link:
                self._check_well_formed(one)
                assert wire.checksum_is_right(wire.read(one)) is not False, (
                    "a device would send a wrong checksum"
                )
            if not before.gso_type:
                assert [_unidentified(one) for one in on_link] == [_unidentified(one) for one in as_ready]
            elif on_link and as_ready:
                assert device.data(on_link) == device.data(as_ready), "the segments are not the packet"

    def _prepared(self, record: Record) -> bytes:
        packet = bytearray(record.packet)
        if record.fixes & SEND_BACK and self.last:
            packet = bytearray(self.last)
            if packet[0] >> 4 == 4:
                packet[12:20] = packet[16:20] + packet[12:16]
            else:
                packet[8:40] = packet[24:40] + packet[8:24]
        if record.fixes & FIX_LENGTHS:
            _fix_lengths(packet)
        if record.fixes & FIX_ADDRESSES:
            self._fix_addresses(packet, record.addresses)
        if record.fixes & FIX_CHECKSUM:
            packet = _fixed_checksum(packet)
        return bytes(packet)

    def _fix_addresses(self, packet: bytearray, chosen: int) -> None:
        source, destination = divmod(chosen, 16)
        if packet and packet[0] >> 4 == 4 and len(packet) >= 20:
            packet[12:16] = ADDRESSES4[source % len(ADDRESSES4)]
            packet[16:20] = ADDRESSES4[destination % len(ADDRESSES4)]
        elif packet and packet[0] >> 4 == 6 and len(packet) >= 40:
            packet[8:24] = HOSTS6[source % len(HOSTS6)]
            packet[24:40] = (
                self.prefix.embed(ADDRESSES4[destination])
                if destination < len(ADDRESSES4)
                else HOSTS6[destination % len(HOSTS6)]
            )

    def send(self, packet: bytes) -> list[bytes]:
        """Hand a packet over, and check what comes of it."""
        before = dict(self.translator.counts)
        del self.seen[:]
        sent = [b"".join(parts) for parts in self.translator.receive(memoryview(packet), self.now)]
        after = self.translator.counts
        grown = {name: after[name] - before[name] for name, _ in after.items() ^ before.items()}
        self._check_counters(grown, sent)
        for one in sent:
            self._check_well_formed(one)
        try:
            arrived = wire.read(packet)
        except wire.Malformed:
            assert not sent, "a packet that contradicts itself was translated"
            return sent
        if sent:
            self._check_against(arrived, sent, grown)
        return sent

    def check_pool(self) -> None:
        """No two hosts have one address, and no more are leased than there are."""
        if self.pool is not None:
            assert len({lease.address for lease in self.pool}) == len(self.pool) <= self.pool.size

    def _is_own(self, packet: bytes) -> bool:
        """Whether the translator sent this for itself: an error, which the rate limit may hold back."""
        source = packet[12:16] if packet[0] >> 4 == 4 else packet[8:24]
        return source in {self.settings.ipv4_addr, self.settings.ipv6_addr}

    def _check_counters(self, grown: dict[str, int], sent: list[bytes]) -> None:
        """Each packet is counted once for what became of it, and told once if it did not go on."""
        translated = [name for name in grown if name in _TRANSLATED]
        ended = [name for name in grown if name.startswith(_REASONS)]
        assert len(translated) + len(ended) == 1, f"counted as {grown}"
        assert all(number == 1 for number in grown.values()), f"counted as {grown}"
        assert self.seen == ended, f"told {self.seen}, counted {ended}"
        if translated or counters.SELF_ECHO in grown or counters.ERROR_SENT in grown:
            assert sent, f"nothing was sent, and counted is {grown}"
        else:
            assert not sent, f"something was sent, and counted is {grown}"
        about_errors = {counters.ERROR_SENT, counters.ERROR_RATE_LIMITED, counters.ERROR_UNANSWERABLE}
        assert len(about_errors & grown.keys()) <= len(ended)

    def _check_well_formed(self, packet: bytes) -> None:
        one = wire.read(packet)
        assert not wire.is_illegal(one.destination), "sent to an address that must not be sent to"
        assert not wire.is_illegal(one.source), "sent from an address that cannot be answered"
        assert one.hops >= 1
        if one.version == 4:
            assert packet[0] == 0x45, "options"
            assert int.from_bytes(packet[2:4], "big") == len(packet)
            assert wire.ones_complement(packet[:20]) == 0xFFFF, "IPv4 header checksum"
            flags = int.from_bytes(packet[6:8], "big")
            assert not flags & 0x8000, "reserved flag"
            assert not (one.is_fragment and flags & 0x4000), "a fragment with DF"
            assert one.is_fragment or bool(flags & 0x4000) is (len(packet) > 1260) or self._is_own(packet)
        else:
            assert int.from_bytes(packet[4:6], "big") + 40 == len(packet)
            assert not int.from_bytes(packet[1:4], "big") & 0xFFFFF, "flow label"
            if packet[6] == wire.FRAGMENT:
                assert packet[41] == 0, "reserved octet of the fragment header"
                assert not packet[43] & 6, "reserved bits of the fragment header"
                assert one.is_fragment, "a fragment header without fragmentation"
            else:
                assert packet[6] not in wire.SKIPPED
        if one.is_fragment:
            assert one.payload, "an empty fragment"
            assert not one.more or len(one.payload) % 8 == 0, "a fragment not of units of 8 octets"
            assert one.offset * 8 + len(one.payload) <= 0xFFFF, "a fragment beyond the largest packet"
        if wire.is_icmp_error(one):
            assert wire.checksum_is_right(one) is True, "an ICMP error with a wrong checksum"
            assert one.version == 4 or len(packet) <= 1280, "RFC 4443 section 2.4 c"

    def _check_against(self, arrived: wire.Wire, sent: list[bytes], grown: dict[str, int]) -> None:
        """Compare what was sent with what arrived."""
        out = wire.read(sent[0])
        if counters.ERROR_SENT in grown:
            assert not wire.is_icmp_error(arrived), "an error about an error"
            assert arrived.offset == 0 or arrived.version == 6, "an error about a later fragment"
            assert out.destination == arrived.source
            assert out.version == 6 or len(sent[0]) <= 576
            return
        if counters.SELF_ECHO in grown:
            assert (out.source, out.destination) == (arrived.destination, arrived.source)
            assert wire.checksum_is_right(out) == wire.checksum_is_right(arrived)
            return
        assert arrived.source not in {self.settings.ipv4_addr, self.settings.ipv6_addr}, (
            "from its own address"
        )
        turned_back = counters.HAIRPINNED in grown or counters.ERROR_HAIRPINNED in grown
        assert out.version == (6 if turned_back else 10 - arrived.version)
        assert out.hops == arrived.hops - 1
        asked = self.settings.tos_to_ipv4 if out.version == 4 else self.settings.tos_to_ipv6
        if turned_back:
            asked = None
        elif out.version == 6 and sent[0][6] == wire.FRAGMENT:
            assert all(one[44:46] == b"\0\0" for one in sent), "identification beyond 16 bits"
        assert out.traffic_class == (arrived.traffic_class if asked is None else asked)
        if {counters.ERROR_TO_IPV4, counters.ERROR_TO_IPV6, counters.ERROR_HAIRPINNED} & grown.keys():
            assert wire.is_icmp_error(arrived)
            assert wire.is_icmp_error(out)
            assert wire.checksum_is_right(arrived), "a fresh checksum hides damage"
            return
        self._check_sizes(arrived, sent)
        self._check_payload(arrived, sent)

    def _check_sizes(self, arrived: wire.Wire, sent: list[bytes]) -> None:
        if arrived.version == 6:
            assert len(sent) == 1
            assert arrived.has_fragment_header or len(sent[0]) <= self.settings.mtu
        elif arrived.may_fragment:
            assert max(map(len, sent)) <= min(self.settings.mtu, self.settings.offlink_mtu)
        else:
            assert len(sent) == 1
            assert len(sent[0]) <= self.settings.mtu

    def _check_payload(self, arrived: wire.Wire, sent: list[bytes]) -> None:
        """The payload is the same but for the checksum, and that is as right as it was."""
        pieces = [wire.read(one) for one in sent]
        out = pieces[0]._replace(
            payload=b"".join(piece.payload for piece in pieces),
            is_fragment=arrived.is_fragment,
            more=arrived.more,
        )
        at = 0
        for piece in pieces:
            assert piece.offset == arrived.offset + at // 8
            assert piece.more is (arrived.more or piece is not pieces[-1])
            at += len(piece.payload)
        numbers = {}
        if out.version != arrived.version:
            numbers = {wire.ICMP: wire.ICMPV6} if arrived.version == 4 else {wire.ICMPV6: wire.ICMP}
        assert out.protocol == numbers.get(arrived.protocol, arrived.protocol)
        was_right = wire.checksum_is_right(arrived)
        if was_right is not None:
            assert wire.checksum_is_right(out) is was_right, "the checksum is not as right as it was"
        elif arrived.protocol == wire.UDP and not arrived.offset and arrived.payload[6:8] == b"\0\0":
            mode = self.settings.udp_zero_checksum
            assert arrived.version == 6 or mode is not UdpZeroChecksum.DROP
            has_its_length = int.from_bytes(arrived.payload[4:6], "big") == len(arrived.payload)
            if arrived.version == 4 and mode is UdpZeroChecksum.CALCULATE and has_its_length:
                assert wire.checksum_is_right(out), "a checksum asked for is wrong"
        assert _masked(arrived) == _masked(out), "the payload changed"


def _masked(packet: wire.Wire) -> bytes:
    """Return the payload without what translation may change in it."""
    payload = packet.payload
    at = None if packet.offset else wire.CHECKSUM_AT.get(packet.protocol)
    if at is not None:
        payload = payload[:at] + b"\0\0" + payload[at + 2 :]
        if packet.protocol in {wire.ICMP, wire.ICMPV6}:
            payload = b"\0" + payload[1:]
    return payload


def _unidentified(packet: bytes) -> bytes:
    """Return the packet without an identification that is the translator's choice, and the checksum over it."""
    if packet[0] >> 4 == 4 and not int.from_bytes(packet[6:8], "big") & 0x3FFF:
        return packet[:4] + packet[6:10] + packet[12:]
    return packet


def _fix_lengths(packet: bytearray) -> None:
    if packet and packet[0] >> 4 == 4 and len(packet) >= 20:
        packet[2:4] = (len(packet) & 0xFFFF).to_bytes(2, "big")
    elif packet and packet[0] >> 4 == 6 and len(packet) >= 40:
        packet[4:6] = (len(packet) - 40 & 0xFFFF).to_bytes(2, "big")


def _fixed_checksum(packet: bytearray) -> bytearray:
    try:
        parsed = wire.read(bytes(packet))
    except wire.Malformed:
        return packet
    if parsed.is_fragment:
        return packet
    payload = wire.with_right_checksum(parsed)
    end = (
        int.from_bytes(packet[2:4], "big") if parsed.version == 4 else 40 + int.from_bytes(packet[4:6], "big")
    )
    packet[end - len(payload) : end] = payload
    return packet
