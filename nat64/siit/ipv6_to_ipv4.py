"""From IPv6 to IPv4, RFC 7915 section 5."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from nat64.addressing.address_map import UnmappableError
from nat64.addressing.special_purpose import may_translate_ipv6
from nat64.addressing.unmappable import Unmappable
from nat64.siit import (
    checksum,
    counters,
    icmp_tables,
    icmp_translation,
    ipv4_header,
    ipv6_header,
    protocols,
    transport,
)
from nat64.siit.address_pair import AddressPair, PairCache
from nat64.siit.inner_packet import ipv4_flags
from nat64.siit.verdicts import Discard, Reject

if TYPE_CHECKING:
    from nat64.addressing.address_map import AddressMap
    from nat64.siit.ipv6_header import IPv6Header
    from nat64.siit.settings import Settings
    from nat64.siit.verdicts import Packets

_SMALL: Final = ipv6_header.MINIMUM_MTU - 20
_UNMAPPABLE: Final = {
    Unmappable.NOT_GLOBAL: (counters.NOT_GLOBAL, icmp_tables.V6_PROHIBITED),
    Unmappable.NO_MAPPING: (counters.NO_MAPPING, icmp_tables.V6_ADDRESS_UNREACHABLE),
    Unmappable.POOL_EXHAUSTED: (counters.POOL_EXHAUSTED, icmp_tables.V6_ADDRESS_UNREACHABLE),
    Unmappable.PREFIX_EXHAUSTED: (counters.PREFIX_EXHAUSTED, icmp_tables.V6_PROHIBITED),
}

# A plain packet is read up to its transport checksum in one go, and written in one go: all of the IPv6 header, what
# stands before the checksum, the checksum; then the same of IPv4.
# Beside the two: the least transport header, and what a checksum of zero is sent as.
_PLAIN: Final = {
    protocols.TCP: (Struct("!IHBB32s16sH"), Struct("!HHHHHH8s16sH"), 20, 0),
    protocols.UDP: (Struct("!IHBB32s6sH"), Struct("!HHHHHH8s6sH"), 8, 0xFFFF),
}


class IPv6ToIPv4:
    """Translates IPv6 packets. `counts` is shared with the translator that owns this."""

    def __init__(self, settings: Settings, address_map: AddressMap, counts: dict[str, int]) -> None:
        self._settings = settings
        self._map = address_map
        self._counts = counts
        self._pairs = PairCache(settings.pairs_kept)
        self._identification = 0
        self._tos_kept = 0xFF if settings.tos_to_ipv4 is None else 0
        self._tos_set = settings.tos_to_ipv4 or 0
        self._version_tos = 0x4500 | self._tos_set

    def next_identification(self) -> int:
        """Return the next value for the Identification field of a packet that begins here."""
        self._identification = self._identification + 1 & 0xFFFF
        return self._identification

    def translate_plain(self, packet: memoryview, now: float) -> Packets | None:
        """Translate TCP or UDP of a known pair without extension headers; None for all else.

        This is the hot path: it does what `translate` would do, and leaves every doubt to that.
        """
        plain = _PLAIN.get(packet[6]) if len(packet) >= 48 else None
        if plain is None:
            return None
        reader, writer, least, for_zero = plain
        if len(packet) < reader.size:
            return None
        first, length, protocol, hop_limit, addresses, start, number = reader.unpack_from(packet)
        pair = self._pairs.recent.get(addresses)
        end = length + 40
        total_length = length + 20
        if (
            pair is None
            or not number
            or hop_limit < 2
            or length < least
            or end > len(packet)
            or total_length > self._settings.mtu
        ):
            return None
        lease = pair.lease
        if lease is not None:
            if lease.ended:
                return None
            lease.last_use = now
        number = (number - pair.delta) % checksum.MODULUS or for_zero
        if total_length <= _SMALL:
            self._identification = identification = self._identification + 1 & 0xFFFF
            flags = 0
        else:
            identification = 0
            flags = ipv4_header.DONT_FRAGMENT
        version_tos = self._version_tos | first >> 20 & self._tos_kept
        ttl_protocol = (hop_limit - 1) << 8 | protocol
        words = version_tos + total_length + identification + flags + ttl_protocol + pair.translated_sum
        header = writer.pack(
            version_tos,
            total_length,
            identification,
            flags,
            ttl_protocol,
            -words % checksum.MODULUS,
            pair.translated,
            start,
            number,
        )
        self._counts[counters.TO_IPV4] += 1
        return ((header, packet[reader.size : end]),)

    def translate(self, packet: memoryview, now: float) -> Packets:
        """Return the IPv4 packet for any IPv6 packet. Raises `Discard` or `Reject`."""
        header = ipv6_header.parse(packet)
        if not (may_translate_ipv6(header.source) and may_translate_ipv6(header.destination)):
            raise Discard(counters.NEVER_TRANSLATED)
        if header.segments_left_at is not None:
            raise Reject(
                counters.ROUTING_HEADER, icmp_tables.V6_PARAMETER_PROBLEM, 0, header.segments_left_at
            )
        payload = packet[header.payload_at : header.payload_at + header.payload_length]
        if header.protocol == protocols.ICMPV6:
            _refuse_icmp_fragment(header)
            if payload and icmp_tables.is_ipv6_error(payload[0]):
                return self._translate_error(header, payload)
        elif header.protocol == protocols.ICMP:
            raise Discard(counters.PROTOCOL)
        if header.hop_limit < 2:
            raise Reject(counters.HOP_LIMIT, icmp_tables.V6_TIME_EXCEEDED, 0)
        total_length = ipv4_header.LENGTH + header.payload_length
        if total_length > self._settings.mtu and header.fragment is None:
            raise Reject(counters.TOO_BIG, icmp_tables.V6_TOO_BIG, 0, self._settings.mtu + 20)
        if total_length > 0xFFFF:
            raise Discard(counters.MALFORMED)
        start, pair = self._translate_payload(header, payload, now)
        self._counts[counters.TO_IPV4] += 1
        return ((self._header(header, total_length, pair.translated) + start, payload[len(start) :]),)

    def _translate_payload(
        self, header: IPv6Header, payload: memoryview, now: float
    ) -> tuple[bytes, AddressPair]:
        """Return the changed beginning of the payload, and the pair of addresses; a lease may be made."""
        if header.protocol == protocols.ICMPV6:
            if not payload or payload[0] not in icmp_tables.ECHO_TO_IPV4:
                raise Discard(counters.ICMP_TYPE)  # before a lease is made for it
            pair = self._pair(header, now)
            return transport.echo_to_ipv4(payload, len(payload), pair), pair
        begins_here = header.fragment is None or not header.fragment.offset
        if not begins_here or header.protocol not in protocols.CHECKSUM_AT:
            return b"", self._pair(header, now)
        if len(payload) < protocols.CHECKSUM_AT[header.protocol] + 2:
            raise Discard(counters.MALFORMED)
        pair = self._pair(header, now)
        return transport.with_adjusted_checksum(header.protocol, payload, pair.delta) or b"", pair

    def _pair(self, header: IPv6Header, now: float) -> AddressPair:
        """Return the pair's translation, with a lease for its source where it needs one."""
        addresses = header.source + header.destination
        pair = self._pairs.find(addresses)
        if pair is not None and (pair.lease is None or not pair.lease.ended):
            if pair.lease is not None:
                pair.lease.last_use = now
            return pair
        try:
            destination, destination_lease = self._map.to_ipv4(header.destination)
            source, lease = self._map.source_to_ipv4(header.source, now)
        except UnmappableError as error:
            if error.reason is Unmappable.NEVER_TRANSLATED:
                raise Discard(counters.NEVER_TRANSLATED) from None
            counter, code = _UNMAPPABLE[error.reason]
            raise Reject(counter, icmp_tables.V6_UNREACHABLE, code) from None
        pair = AddressPair(addresses, source + destination, lease)
        if destination_lease is None:  # a pair remembers one lease, that of its source
            self._pairs.keep(addresses, pair)
        return pair

    def _header(self, header: IPv6Header, total_length: int, addresses: bytes) -> bytes:
        fragment = header.fragment
        flags = ipv4_flags(fragment, total_length)
        if fragment is not None:
            identification = fragment.identification & 0xFFFF
        else:
            identification = 0 if flags else self.next_identification()
        return ipv4_header.build(
            tos=header.traffic_class & self._tos_kept | self._tos_set,
            total_length=total_length,
            identification=identification,
            flags=flags,
            ttl=header.hop_limit - 1,
            protocol=protocols.ICMP if header.protocol == protocols.ICMPV6 else header.protocol,
            addresses=addresses,
        )

    def _translate_error(self, header: IPv6Header, payload: memoryview) -> Packets:
        """Translate an ICMPv6 error. It makes no lease, and it is never answered with an error."""
        if header.hop_limit < 2:
            raise Discard(counters.ICMP_HOP_LIMIT)
        try:
            destination, _ = self._map.to_ipv4(header.destination)
        except UnmappableError:
            raise Discard(counters.ICMP_ADDRESS) from None
        addresses = header.source + header.destination
        message = icmp_translation.error_to_ipv4(payload, addresses, self._map, self._settings.mtu)
        try:
            source, _ = self._map.to_ipv4(header.source)
        except UnmappableError:  # a router on the way: RFC 6791
            source = self._settings.ipv4_addr
            self._counts[counters.SOURCE_REPLACED] += 1
        total_length = ipv4_header.LENGTH + len(message)
        self._counts[counters.ERROR_TO_IPV4] += 1
        return ((self._header(header, total_length, source + destination) + message, payload[:0]),)


def _refuse_icmp_fragment(header: IPv6Header) -> None:
    """Raise `Discard` for a fragment of ICMPv6: its checksum covers a length that a fragment does not show."""
    if header.fragment is not None and (header.fragment.offset or header.fragment.more_fragments):
        raise Discard(counters.ICMP_FRAGMENT)
