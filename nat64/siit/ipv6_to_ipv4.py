"""From IPv6 to IPv4, RFC 7915 section 5."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from nat64.addressing.special_purpose import may_translate_ipv6
from nat64.addressing.unmappable import Unmappable, UnmappableError
from nat64.siit import (
    checksum,
    counters,
    hairpin,
    icmp_tables,
    icmp_translation,
    ipv4_header,
    ipv6_header,
    protocols,
    transport,
)
from nat64.siit.address_pair import AddressPair, PairCache
from nat64.siit.inner_packet import ipv4_flags
from nat64.siit.offload import longest_on_link, packets_on_link, transport_header_length
from nat64.siit.verdicts import Discard, InParts, Reject

if TYPE_CHECKING:
    from nat64.addressing.address_map import AddressMap, Counterpart
    from nat64.siit.ipv6_header import IPv6Header
    from nat64.siit.offload import Offload
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
# Beside the two: the least transport header, what a checksum of zero is sent as, and the counter.
_PLAIN: Final = {
    protocols.TCP: (Struct("!IHBB32s16sH"), Struct("!HHHHHH8s16sH"), 20, 0, counters.TO_IPV4_TCP),
    protocols.UDP: (Struct("!IHBB32s6sH"), Struct("!HHHHHH8s6sH"), 8, 0xFFFF, counters.TO_IPV4_UDP),
}
_BY_PROTOCOL: Final = {
    protocols.TCP: counters.TO_IPV4_TCP,
    protocols.UDP: counters.TO_IPV4_UDP,
    protocols.ICMPV6: counters.TO_IPV4_ICMP,
}


class IPv6ToIPv4:
    """Translates IPv6 packets. `counts` is shared with the translator that owns this, `pairs` are those it knows."""

    def __init__(self, settings: Settings, address_map: AddressMap, counts: dict[str, int]) -> None:
        self._settings = settings
        self._map = address_map
        self._counts = counts
        self.pairs = PairCache(settings.pairs_kept)
        self._identification = 0
        self._tos_kept = 0xFF if settings.tos_to_ipv4 is None else 0
        self._tos_set = settings.tos_to_ipv4 or 0
        self._version_tos = 0x4500 | self._tos_set

    def next_identification(self) -> int:
        """Return the next value for the Identification field of a packet that begins here."""
        self._identification = self._identification + 1 & 0xFFFF
        return self._identification

    def translate_plain(
        self, packet: memoryview, now: float, offload: Offload | None = None
    ) -> Packets | None:
        """Translate TCP or UDP of a known pair without extension headers; None for all else.

        This is the hot path: it does what `translate` would do, and leaves every doubt to that.
        """
        plain = _PLAIN.get(packet[6]) if len(packet) >= 48 else None
        if plain is None:
            return None
        reader, writer, least, for_zero, counter = plain
        if len(packet) < reader.size:
            return None
        first, length, protocol, hop_limit, addresses, start, number = reader.unpack_from(packet)
        pair = self.pairs.recent.get(addresses)
        end = length + 40
        total_length = length + 20
        if pair is None or not number or hop_limit < 2 or length < least or end > len(packet):
            return None
        longest = total_length
        delta = pair.delta
        if offload is not None:
            delta = -delta  # what is there is a sum, not yet a checksum
            if offload.segment_size:
                longest = offload.longest(total_length, 20 + transport_header_length(protocol, start))
        if longest > self._settings.mtu or longest < min(total_length, _SMALL + 1):
            return None
        lease = pair.lease
        if lease is not None:
            if lease.ended:
                return None
            lease.last_use = now
        number = (number - delta) % checksum.MODULUS or for_zero
        if longest <= _SMALL:
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
        self._counts[counter] += 1
        return ((header, packet[reader.size : end]),)

    def translate(self, packet: memoryview, now: float, offload: Offload | None = None) -> Packets:
        """Return the IPv4 packet for any IPv6 packet. Raises `Discard` or `Reject`.

        `offload` is what is left to do for a TCP or UDP packet without extension headers, if anything is; then raises
        `InParts` where the packet turns back.
        """
        header = ipv6_header.parse(packet)
        if not (may_translate_ipv6(header.source) and may_translate_ipv6(header.destination)):
            raise Discard(counters.NEVER_TRANSLATED)
        if header.segments_left_at is not None:
            raise Reject(
                counters.ROUTING_HEADER, icmp_tables.V6_PARAMETER_PROBLEM, 0, header.segments_left_at
            )
        payload = packet[header.payload_at : header.payload_at + header.payload_length]
        if header.protocol == protocols.ICMPV6:
            if _is_icmp_error(header, payload):
                return self._translate_error(header, payload, now)
        elif header.protocol == protocols.ICMP:
            raise Discard(counters.PROTOCOL)
        if header.hop_limit < 2:
            raise Reject(counters.HOP_LIMIT, icmp_tables.V6_TIME_EXCEEDED, 0)
        total_length = ipv4_header.LENGTH + header.payload_length
        longest = longest_on_link(offload, total_length, ipv4_header.LENGTH, header.protocol, payload)
        if longest > self._settings.mtu and header.fragment is None:
            raise Reject(counters.TOO_BIG, icmp_tables.V6_TOO_BIG, 0, self._settings.mtu + 20)
        if total_length > 0xFFFF:
            raise Discard(counters.MALFORMED)
        start, pair = self._translate_payload(header, payload, now, partial=offload is not None)
        if pair.is_hairpinned:
            turned = hairpin.packet(header, start, payload, pair.translated, self._settings.mtu)
            self._counts[counters.HAIRPINNED] += 1
            return turned
        self._counts[counters.TO_IPV4] += 1
        self._counts[_BY_PROTOCOL.get(header.protocol, counters.TO_IPV4_OTHER)] += 1
        head = self._header(header, total_length, longest, pair.translated)
        self._identification += (
            packets_on_link(offload, header.protocol, payload) - 1
        )  # the kernel counts on for each
        return ((head + start, payload[len(start) :]),)

    def _translate_payload(
        self, header: IPv6Header, payload: memoryview, now: float, *, partial: bool
    ) -> tuple[bytes, AddressPair]:
        """Return the changed beginning of the payload, and the pair of addresses; a lease may be made."""
        if header.protocol == protocols.ICMPV6:
            if len(payload) < transport.ECHO_HEADER:
                raise Discard(counters.MALFORMED)  # before a lease is made for it
            pair = self._pair(header, now)
            if pair.is_hairpinned:
                return hairpin.echo(payload, pair), pair
            return transport.echo_to_ipv4(payload, len(payload), pair), pair
        begins_here = header.fragment is None or not header.fragment.offset
        if not begins_here or header.protocol not in protocols.CHECKSUM_AT:
            return b"", self._pair(header, now)
        if len(payload) < protocols.CHECKSUM_AT[header.protocol] + 2:
            raise Discard(counters.MALFORMED)
        pair = self._pair(header, now)
        if partial and pair.is_hairpinned:
            raise InParts
        adjust = transport.with_adjusted_sum if partial else transport.with_adjusted_checksum
        return adjust(header.protocol, payload, pair.delta) or b"", pair

    def _pair(self, header: IPv6Header, now: float) -> AddressPair:
        """Return the pair's translation, with a lease for its source where it needs one."""
        addresses = header.source + header.destination
        pair = self.pairs.find(addresses)
        if pair is not None and (pair.lease is None or not pair.lease.ended):
            if pair.lease is not None:
                pair.lease.last_use = now
            return pair
        try:
            far = self._map.far_to_ipv4(header.destination)
            routers = self._settings.rfc6791_pool
            if routers is not None and routers.contains(far.address):
                raise Reject(
                    counters.ROUTER_POOL, icmp_tables.V6_UNREACHABLE, icmp_tables.V6_ADDRESS_UNREACHABLE
                )
            source, lease = self._map.near_to_ipv4(header.source, far.of, now)
            back = self._map.turned_back(far, now)
            translated = source + far.address if back is None else back.of.embed(source) + back.address
        except UnmappableError as error:
            if error.reason is Unmappable.NEVER_TRANSLATED:
                raise Discard(counters.NEVER_TRANSLATED) from None
            counter, code = _UNMAPPABLE[error.reason]
            raise Reject(counter, icmp_tables.V6_UNREACHABLE, code) from None
        pair = AddressPair(addresses, translated, lease)
        if back is not None:
            if back.lease is not None:
                back.lease.last_use = now
        # A pair remembers one lease, that of its source; and it does not learn when its destination gets one.
        elif far.lease is None and not self._map.may_turn_back(far.address):
            self.pairs.keep(addresses, pair)
        return pair

    def _header(self, header: IPv6Header, total_length: int, longest: int, addresses: bytes) -> bytes:
        """Return the IPv4 header of a packet that goes on as ones of at most `longest` octets."""
        fragment = header.fragment
        flags = ipv4_flags(fragment, longest)
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

    def _translate_error(self, header: IPv6Header, payload: memoryview, now: float) -> Packets:
        """Translate an ICMPv6 error. It makes no lease, and it is never answered with an error."""
        if header.hop_limit < 2:
            raise Discard(counters.ICMP_HOP_LIMIT)
        try:
            far = self._map.far_to_ipv4(header.destination)
        except UnmappableError:
            raise Discard(counters.ICMP_ADDRESS) from None
        back = self._map.turned_back(far, now)
        if back is not None:
            return self._turn_error_back(header, payload, far, back, now)
        router: bytes | None = None
        try:
            source = self._map.known_to_ipv4(header.source, far.of)
        except UnmappableError:
            router = header.source
            pool = self._settings.rfc6791_pool
            source = self._settings.ipv4_addr if pool is None else pool.of_router(router)
        message = icmp_translation.error_to_ipv4(
            payload,
            header.source + header.destination,
            self._map,
            self._settings.mtu,
            router=router if self._settings.rfc5837 else None,
        )
        self._counts[counters.SOURCE_REPLACED] += router is not None
        total_length = ipv4_header.LENGTH + len(message)
        self._counts[counters.ERROR_TO_IPV4] += 1
        head = self._header(header, total_length, total_length, source + far.address)
        return ((head + message, payload[:0]),)

    def _turn_error_back(
        self, header: IPv6Header, payload: memoryview, far: Counterpart, back: Counterpart, now: float
    ) -> Packets:
        """Return an error about a packet of the host `back` that turned back here."""
        own = self._settings.ipv6_addr
        try:
            source = back.of.embed(self._map.known_to_ipv4(header.source, far.of))
        except UnmappableError:  # a router on the way
            source = own
        turned = hairpin.error(header, payload, source + back.address, self._map, now)
        self._counts[counters.SOURCE_REPLACED] += source == own
        self._counts[counters.ERROR_HAIRPINNED] += 1
        return turned


def _is_icmp_error(header: IPv6Header, payload: memoryview) -> bool:
    """Whether an ICMPv6 message is an error. Raises `Discard`, in silence, for one without a counterpart.

    A fragment has none: the checksum covers a length that it does not show.
    """
    if header.fragment is not None and header.fragment.is_part:
        raise Discard(counters.ICMP_FRAGMENT)
    if not payload or payload[0] in icmp_tables.ECHO_TO_IPV4:
        return False
    if icmp_tables.is_ipv6_error(payload[0]):
        return True
    raise Discard(counters.ICMP_TYPE)
