"""Packets by grammar for a gateway, from a seeded generator: mostly plain ones of known hosts, and all that can be wrong."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.fast_path import icmp_errors
from tests.fast_path.gateway import HOSTS, OWN4

if TYPE_CHECKING:
    from random import Random

    from tests.fast_path.gateway import Gateway

_SERVERS4: Final = tuple(
    IPv4Address(text).packed
    for text in (
        "203.0.113.80",
        "203.0.113.5",
        "198.51.100.200",
        "8.8.8.8",
        "1.1.1.1",
        "100.63.255.255",
        "240.0.0.1",
    )
)
_ODD4: Final = tuple(
    IPv4Address(text).packed
    for text in (
        *(str(OWN4), "192.168.241.3", "192.168.240.14", "192.168.242.9", "127.0.0.1", "224.0.0.1", "0.1.2.3"),
        *("255.255.255.255", "169.254.1.1", "10.0.0.1", "100.64.0.1", "172.16.9.9", "192.0.0.9", "192.0.0.1"),
        *("192.168.1.1", "198.19.1.1", "239.255.255.255", "255.255.255.254", "192.0.2.1", "203.0.113.200"),
    )
)
_MAPPED4: Final = tuple(
    IPv4Address(text).packed
    for text in (
        *("192.0.2.9", "192.0.2.77", "198.51.100.7", "198.51.100.70", "192.0.2.130", "198.51.101.5"),
        *(
            "203.0.113.202",
            "203.0.113.70",
            "203.0.113.23",
            "198.18.3.4",
            "192.168.240.40",
            "203.0.113.5",
            "203.0.113.200",
        ),
    )
)
_MAPPED6: Final = tuple(
    IPv6Address(text).packed
    for text in (
        *(
            "3fff:9::8201",
            "3fff:9::77",
            "3fff:a::7",
            "3fff:a::46",
            "3fff:a::b",
            "3fff:b::6",
            "3fff:d:0:0:501::",
            "3fff:e::1",
        ),
        *(
            "3fff:d:0:0:7ff:ffff::1",
            "3fff:f:8001:2::",
            "3fff:f:ffff:ffff::",
            "3fff:9::40",
            "3fff:c:0:0:5000::",
        ),
        *("3fff:c::fff", "3fff:9::200"),
    )
)
_ODD6: Final = tuple(
    IPv6Address(text).packed
    for text in (
        *(
            "::1",
            "::",
            "::ffff:203.0.113.80",
            "ff02::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "fdff::1",
        ),
        *("3fff:1::99", "64:ff9b:2::1", "64:ff9c::1", "3fff:ffff::1"),
    )
)
_LENGTHS: Final = (0, 1, 7, 8, 9, 12, 19, 20, 21, 33, 64, 100, 500)
_EDGES: Final = (1220, 1232, 1240, 1248, 1260, 1280, 1300, 1420, 1480, 1500, 3000)
_SHORTEST: Final = {4: 20, 6: 40}  # octets: the kernel refuses a test run with less
_OFFSETS: Final = (0, 0, 0, 1, 154, 185, 8000, 8191)
"""Of fragments, in units of 8 octets."""
_TCP, _UDP, _FRAGMENT, _ICMP, _ICMPV6 = 6, 17, 44, 1, 58


class Case(NamedTuple):
    """A packet, the data in each that it stands for (0 for itself alone), and whether all is as it should be."""

    packet: bytes
    segment_size: int
    is_whole: bool


class Generator:
    """Makes packets for one gateway."""

    def __init__(self, gateway: Gateway, random: Random) -> None:
        self._random = random
        self._gateway = gateway
        self._prefixes = [of.prefix for of in gateway.address_map.prefixes if of.prefix is not None]

    def case(self) -> Case:
        """Return the next packet."""
        random = self._random
        from_ipv6 = random.random() < 0.5
        packet = self._ipv6() if from_ipv6 else self._ipv4()
        if not from_ipv6 and random.random() < 0.15:
            packet = self._error_about(packet)
        is_whole = True
        if random.random() < 0.15:
            damaged, is_whole = self._damaged(packet), False
            if len(damaged) >= _SHORTEST.get(damaged[0] >> 4, 1):
                packet = damaged
        protocol = packet[6] if from_ipv6 and len(packet) > 6 else packet[9] if len(packet) > 9 else 0
        segment_size = 0
        if protocol in {_TCP, _UDP} and is_whole and random.random() < 0.1:
            segment_size = random.choice((300, 500, 1220, 1240, 1400, 1460))
        return Case(packet, segment_size, is_whole)

    def _ipv6(self) -> bytes:
        random = self._random
        protocol = random.choices((_TCP, _UDP, _ICMPV6, _ICMP, random.randrange(256)), (35, 35, 25, 2, 3))[0]
        payload = self._payload(protocol, (128, 129))
        source, destination = self._addresses6()
        payload = self._finished(protocol, source + destination, payload)
        if random.random() < 0.12:
            payload, more = self._part(payload)
            position = random.choice(_OFFSETS) << 3 | random.choice((0, 0, 6)) | more
            payload = struct.pack("!BBHI", protocol, 0, position, random.getrandbits(32)) + payload
            protocol = _FRAGMENT
        first = 6 << 28 | random.choice((0, 0x0B80_0000, random.getrandbits(28)))
        hops = random.choices((64, 255, 2, 1, 0), (80, 10, 6, 2, 2))[0]
        return struct.pack("!IHBB", first, len(payload), protocol, hops) + source + destination + payload

    def _ipv4(self) -> bytes:
        random = self._random
        protocol = random.choices((_TCP, _UDP, _ICMP, _ICMPV6, random.randrange(256)), (35, 35, 25, 2, 3))[0]
        payload = self._payload(protocol, (8, 0))
        source, destination = self._addresses4()
        payload = self._finished(protocol, b"" if protocol == _ICMP else source + destination, payload)
        flags = random.choices(
            (0x4000, 0, 0x2000, 0xC000, 0x8000, random.getrandbits(16)), (50, 35, 3, 3, 3, 6)
        )[0]
        if random.random() < 0.12:
            payload, more = self._part(payload)
            flags = flags & 0xC000 | random.choice(_OFFSETS) | (0x2000 if more else 0)
        ttl = random.choices((64, 255, 2, 1, 0), (80, 10, 6, 2, 2))[0]
        tos = random.choice((0, 0xB8, random.getrandbits(8)))
        options = bytes(random.choice((4, 8, 40))) if random.random() < 0.04 else b""
        head = struct.pack(
            "!BBHHHBBH",
            0x45 + len(options) // 4,
            tos,
            20 + len(options) + len(payload),
            random.getrandbits(16),
            flags,
            ttl,
            protocol,
            random.getrandbits(16),
        )
        return head + source + destination + options + payload

    def _part(self, payload: bytes) -> tuple[bytes, bool]:
        """Return a beginning of the payload as a fragment may have it, and whether there shall be more."""
        more = self._random.random() < 0.7
        return (payload[: len(payload) // 8 * 8] if more and self._random.random() < 0.9 else payload), more

    def _finished(self, protocol: int, addresses: bytes, payload: bytes) -> bytes:
        """Return the payload, mostly with its checksum right; `addresses` are those that it covers. UDP may have none."""
        kind = self._random.random()
        if protocol == _UDP and kind < 0.15:
            return payload[:6] + b"\0\0" + payload[8:]
        return _with_checksum(protocol, addresses, payload) if kind < 0.75 else payload

    def _error_about(self, packet: bytes) -> bytes:
        """Return an ICMP error, mostly about what a host answered to a packet from IPv4."""
        random = self._random
        sent = packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
        payload = icmp_errors.message(random, sent)
        source = packet[12:16] if random.random() < 0.5 else self._far4()
        near = packet[16:20] if random.random() < 0.9 else self._addresses4()[1]
        ttl = random.choices((64, 255, 2, 1), (80, 10, 6, 4))[0]
        head = struct.pack(
            "!BBHHHBBH", 0x45, 0xC0, 20 + len(payload), random.getrandbits(16), 0, ttl, _ICMP, 0
        )
        return head + source + near + payload

    def _addresses6(self) -> tuple[bytes, bytes]:
        """Return a source, mostly a host, and a destination, mostly through a prefix."""
        random = self._random
        source = random.choice(random.choices((HOSTS, _MAPPED6, _ODD6), (70, 22, 8))[0])
        if self._prefixes and random.random() < 0.85:
            destination = random.choice(self._prefixes).embed(self._far4())
            if random.random() < 0.1:  # the suffix and bits 64 to 71 are not looked at
                destination = destination[:13] + random.randbytes(3)
        else:
            own = (self._gateway.settings.ipv6_addr,)
            destination = random.choice(random.choice((_MAPPED6, HOSTS, _ODD6, own)))
        if random.random() < 0.02 and self._prefixes:
            source = random.choice(self._prefixes).embed(self._far4())
        return source, destination

    def _addresses4(self) -> tuple[bytes, bytes]:
        random = self._random
        leases = self._gateway.leases
        kind = random.random()
        if kind < 0.65 and leases:
            near = random.choice(leases).address
        else:
            near = random.choice(_MAPPED4 if kind < 0.9 else _ODD4)
        return self._far4(), near

    def _far4(self) -> bytes:
        random = self._random
        kind = random.random()
        if kind < 0.7:
            return random.choice(_SERVERS4)
        if kind < 0.78 and self._gateway.leases:
            return random.choice(self._gateway.leases).address
        return random.choice(_MAPPED4 if kind < 0.87 else _ODD4) if kind < 0.97 else random.randbytes(4)

    def _payload(self, protocol: int, echoes: tuple[int, int]) -> bytes:
        random = self._random
        if random.random() < 0.75:
            length = random.choice(_LENGTHS)
        else:
            length = (
                random.choice(_EDGES) - random.choice((0, 8, 20, 28, 40, 48, 60)) + random.randrange(-1, 2)
            )
        data = random.randbytes(8) * (length // 8) + bytes(length % 8)
        match protocol:
            case 6:
                flags = random.choice((0x50, 0x50, 0x80, 0xF0, 0x00))
                head = random.randbytes(12) + bytes((flags, 0x10)) + random.randbytes(2)
                return head + random.choice((b"\0\0", b"\xff\xff", random.randbytes(2))) + bytes(2) + data
            case 17:
                number = random.choice((b"\0\0", b"\xff\xff", random.randbytes(2)))
                return random.randbytes(4) + struct.pack("!H", 8 + len(data)) + number + data
            case 1 | 58:
                kind = random.choice(echoes) if random.random() < 0.9 else random.randrange(256)
                return bytes((kind, random.choice((0, 0, 0, 1)))) + random.randbytes(6) + data
            case _:
                return data

    def _damaged(self, packet: bytes) -> bytes:
        """Return the packet with a few changes."""
        random = self._random
        data = bytearray(packet)
        for _ in range(random.randint(1, 3)):
            at = random.randrange(min(len(data), 60))  # where the headers are
            match random.randrange(5):
                case 0:
                    data[at] ^= 1 << random.randrange(8)
                case 1:
                    data[at] = random.choice((0, 1, 4, 5, 6, 17, 44, 58, 127, 128, 255))
                case 2:
                    del data[max(1, len(data) - random.randint(1, 30)) :]
                case 3:
                    data += random.randbytes(random.randint(1, 30))
                case _:
                    del data[max(1, at) :]
        if random.random() < 0.5:
            _say_length(data)
        return bytes(data)


def _say_length(packet: bytearray) -> None:
    """Make a packet say how long it is."""
    if packet[0] >> 4 == 4 and len(packet) >= 20:
        packet[2:4] = len(packet).to_bytes(2, "big")
    elif packet[0] >> 4 == 6 and len(packet) >= 40:
        packet[4:6] = (len(packet) - 40).to_bytes(2, "big")


def _with_checksum(protocol: int, addresses: bytes, payload: bytes) -> bytes:
    """Return the payload with its checksum right. `addresses` are those that it covers."""
    at = {_TCP: 16, _UDP: 6, _ICMP: 2, _ICMPV6: 2}.get(protocol)
    if at is None or len(payload) < at + 2:
        return payload
    blank = payload[:at] + b"\0\0" + payload[at + 2 :]
    covered = blank + bytes(len(blank) % 2)
    pseudo = addresses + struct.pack("!II", len(blank), protocol) if addresses else b""
    number = -int.from_bytes(covered + pseudo, "big") % 0xFFFF
    if protocol == _UDP:
        number = number or 0xFFFF
    return blank[:at] + number.to_bytes(2, "big") + blank[at + 2 :]
