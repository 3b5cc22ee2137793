"""From IPv4 to IPv6, RFC 7915 section 4."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from nat64.addressing.special_purpose import may_translate_ipv4
from nat64.addressing.unmappable import Unmappable, UnmappableError
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
from nat64.siit.offload import longest_on_link, transport_header_length
from nat64.siit.settings import UdpZeroChecksum
from nat64.siit.verdicts import Discard, InParts, Reject

if TYPE_CHECKING:
    from nat64.addressing.address_map import AddressMap
    from nat64.siit.ipv4_header import IPv4Header
    from nat64.siit.offload import Offload
    from nat64.siit.settings import Settings
    from nat64.siit.verdicts import Packets

_LONGER_BY: Final = ipv6_header.LENGTH - ipv4_header.LENGTH
_FRAGMENTED: Final = ipv4_header.MORE_FRAGMENTS | ipv4_header.OFFSET
_UNMAPPABLE: Final = {
    Unmappable.NOT_GLOBAL: (counters.NOT_GLOBAL, icmp_tables.ADMINISTRATIVELY_PROHIBITED),
    Unmappable.NO_MAPPING: (counters.NO_MAPPING, icmp_tables.HOST_UNREACHABLE),
}

# As in `ipv6_to_ipv4`: a plain packet up to its transport checksum, read and written in one go.
_PLAIN: Final = {
    protocols.TCP: (Struct("!HHHHBBH8s16sH"), Struct("!IHBB32s16sH"), 20, 0, counters.TO_IPV6_TCP),
    protocols.UDP: (Struct("!HHHHBBH8s6sH"), Struct("!IHBB32s6sH"), 8, 0xFFFF, counters.TO_IPV6_UDP),
}
_BY_PROTOCOL: Final = {
    protocols.TCP: counters.TO_IPV6_TCP,
    protocols.UDP: counters.TO_IPV6_UDP,
    protocols.ICMP: counters.TO_IPV6_ICMP,
}


class IPv4ToIPv6:
    """Translates IPv4 packets. `counts` is shared with the translator that owns this, `pairs` are those it knows."""

    def __init__(self, settings: Settings, address_map: AddressMap, counts: dict[str, int]) -> None:
        self._settings = settings
        self._map = address_map
        self._counts = counts
        self.pairs = PairCache(settings.pairs_kept)
        self._unfragmented_mtu = min(settings.mtu, settings.offlink_mtu)
        self._tos_kept = 0xFF if settings.tos_to_ipv6 is None else 0
        self._tos_set = settings.tos_to_ipv6 or 0
        self._first_word = 6 << 28 | self._tos_set << 20

    def translate_plain(
        self, packet: memoryview, now: float, offload: Offload | None = None
    ) -> Packets | None:
        """Translate TCP or UDP of a known pair, without options, whole and not too long; None for all else.

        This is the hot path: it does what `translate` would do, and leaves every doubt to that.
        """
        plain = _PLAIN.get(packet[9]) if len(packet) >= 28 else None
        if plain is None:
            return None
        reader, writer, least, for_zero, counter = plain
        if len(packet) < reader.size:
            return None
        version_tos, total_length, _, flags, ttl, protocol, _, addresses, start, number = reader.unpack_from(
            packet
        )
        pair = self.pairs.recent.get(addresses)
        mtu = self._settings.mtu if flags & ipv4_header.DONT_FRAGMENT else self._unfragmented_mtu
        length = total_length - 20
        if (
            pair is None
            or not number
            or version_tos >> 8 != 0x45
            or flags & _FRAGMENTED
            or ttl < 2
            or length < least
            or total_length > len(packet)
        ):
            return None
        longest = total_length
        delta = pair.delta
        if offload is not None:
            delta = -delta  # what is there is a sum, not yet a checksum
            if offload.segment_size:
                longest = offload.longest(total_length, 20 + transport_header_length(protocol, start))
        if longest + 20 > mtu:
            return None
        lease = pair.lease
        if lease is not None:
            if lease.ended or not lease.is_active(now):
                return None
            lease.last_use = now
        number = (number - delta) % checksum.MODULUS or for_zero
        header = writer.pack(
            self._first_word | (version_tos & self._tos_kept) << 20,
            length,
            protocol,
            ttl - 1,
            pair.translated,
            start,
            number,
        )
        self._counts[counters.TO_IPV6] += 1
        self._counts[counter] += 1
        return ((header, packet[reader.size : total_length]),)

    def translate(self, packet: memoryview, now: float, offload: Offload | None = None) -> Packets:
        """Return the IPv6 packet, or its fragments, for any IPv4 packet. Raises `Discard` or `Reject`.

        `offload` is what is left to do for a TCP or UDP packet that is no fragment, if anything is; then raises
        `InParts` where there would have to be fragments.
        """
        header = ipv4_header.parse(packet)
        payload = packet[header.length : header.total_length]
        if header.protocol in protocols.NOT_FROM_IPV4:
            raise Discard(counters.PROTOCOL)
        is_error = header.protocol == protocols.ICMP and _is_icmp_error(header, payload)
        self._check_addresses(header, is_error=is_error)
        options = packet[ipv4_header.LENGTH : header.length]
        if options and ipv4_header.has_unexpired_source_route(options):
            raise Reject(counters.SOURCE_ROUTE, icmp_tables.UNREACHABLE, icmp_tables.SOURCE_ROUTE_FAILED)
        if is_error:
            return self._translate_error(header, payload, now)
        if header.ttl < 2:
            raise Reject(counters.HOP_LIMIT, icmp_tables.TIME_EXCEEDED, 0)
        pair = self._pair(header, now)
        start = self._translate_payload(header, payload, pair, partial=offload is not None)
        longest = longest_on_link(offload, len(payload), 0, header.protocol, payload)
        packets = self._whole(header, start, payload, longest, pair.translated)
        if packets is None and offload is not None:
            raise InParts
        if packets is None:
            packets = self._fragments(header, start, payload, pair.translated)
        self._counts[counters.TO_IPV6] += 1
        self._counts[_BY_PROTOCOL.get(header.protocol, counters.TO_IPV6_OTHER)] += 1
        return packets

    def _check_addresses(self, header: IPv4Header, *, is_error: bool) -> None:
        """Raise `Discard` or `Reject` for an address that may not be there.

        An error may come from anywhere: what a router sends of its misfortunes is to be seen (RFC 7915 section 4.1).
        But nobody is at the addresses that stand for routers, and only our own errors come from them.
        """
        if not may_translate_ipv4(header.destination) or not (is_error or may_translate_ipv4(header.source)):
            raise Discard(counters.NEVER_TRANSLATED)
        pool = self._settings.rfc6791_pool
        if pool is None:
            return
        if pool.contains(header.source):
            raise Discard(counters.FROM_SELF)
        if pool.contains(header.destination):
            raise Reject(counters.ROUTER_POOL, icmp_tables.UNREACHABLE, icmp_tables.HOST_UNREACHABLE)

    def _translate_payload(
        self, header: IPv4Header, payload: memoryview, pair: AddressPair, *, partial: bool
    ) -> bytes:
        """Return the changed beginning of the payload."""
        if header.protocol == protocols.ICMP:
            return transport.echo_to_ipv6(payload, len(payload), pair)
        if header.offset or header.protocol not in protocols.CHECKSUM_AT:
            return b""
        adjust = transport.with_adjusted_sum if partial else transport.with_adjusted_checksum
        start = adjust(header.protocol, payload, pair.delta)
        if start is None:
            raise Discard(counters.MALFORMED)
        if header.protocol == protocols.UDP and not partial and start.endswith(b"\0\0"):
            return self._udp_without_checksum(header, start, payload, pair)
        return start

    def _udp_without_checksum(
        self, header: IPv4Header, start: bytes, payload: memoryview, pair: AddressPair
    ) -> bytes:
        mode = self._settings.udp_zero_checksum
        if mode is UdpZeroChecksum.FORWARD:
            return start
        if mode is UdpZeroChecksum.CALCULATE and not header.is_fragment:
            return transport.udp_with_full_checksum(payload, pair.translated_sum)
        raise Discard(counters.UDP_ZERO_CHECKSUM)

    def _whole(
        self, header: IPv4Header, start: bytes, payload: memoryview, longest: int, addresses: bytes
    ) -> Packets | None:
        """Return the one packet, or None when it has to be fragmented. Raises `Reject` when it may not be.

        `longest` is the length of the payload, or of the longest where it stands for several.
        """
        fragment_header = ipv6_header.FRAGMENT_LENGTH if header.is_fragment else 0
        length = len(payload) + fragment_header
        on_link = ipv6_header.LENGTH + fragment_header + longest
        if header.dont_fragment:
            if on_link > self._settings.mtu:
                raise Reject(
                    counters.TOO_BIG,
                    icmp_tables.UNREACHABLE,
                    icmp_tables.FRAGMENTATION_NEEDED,
                    self._settings.mtu - _LONGER_BY - fragment_header,
                )
        elif on_link > self._unfragmented_mtu:
            return None
        protocol = _protocol_in_ipv6(header)
        if not header.is_fragment:
            head = ipv6_header.build(self._traffic_class(header), length, protocol, header.ttl - 1, addresses)
        else:
            head = ipv6_header.build(
                self._traffic_class(header), length, protocols.FRAGMENT, header.ttl - 1, addresses
            ) + ipv6_header.build_fragment(
                protocol,
                header.offset,
                more_fragments=header.more_fragments,
                identification=header.identification,
            )
        return ((head + start, payload[len(start) :]),)

    def _fragments(self, header: IPv4Header, start: bytes, payload: memoryview, addresses: bytes) -> Packets:
        """Return fragments that fit the off-link MTU, RFC 7915 section 4.1."""
        room = self._unfragmented_mtu - ipv6_header.LENGTH - ipv6_header.FRAGMENT_LENGTH & ~7
        protocol = _protocol_in_ipv6(header)
        packets = []
        for at in range(0, len(payload), room):
            part = payload[at : at + room]
            more = header.more_fragments or at + room < len(payload)
            head = ipv6_header.build(
                self._traffic_class(header),
                ipv6_header.FRAGMENT_LENGTH + len(part),
                protocols.FRAGMENT,
                header.ttl - 1,
                addresses,
            ) + ipv6_header.build_fragment(
                protocol,
                header.offset + at // 8,
                more_fragments=more,
                identification=header.identification,
            )
            changed = start if at == 0 else b""
            packets.append((head + changed, part[len(changed) :]))
        self._counts[counters.FRAGMENTED] += 1
        return tuple(packets)

    def _traffic_class(self, header: IPv4Header) -> int:
        return header.tos & self._tos_kept | self._tos_set

    def _pair(self, header: IPv4Header, now: float) -> AddressPair:
        """Return the pair's translation; a lease in it is used by that."""
        addresses = header.source + header.destination
        pair = self.pairs.find(addresses)
        if pair is None or (pair.lease is not None and (pair.lease.ended or not pair.lease.is_active(now))):
            try:
                near = self._map.near_to_ipv6(header.destination, header.source, now)
                far = self._map.far_to_ipv6(header.source, near, now)
            except UnmappableError as error:
                if error.reason is Unmappable.NEVER_TRANSLATED:
                    raise Discard(counters.NEVER_TRANSLATED) from None
                counter, code = _UNMAPPABLE[error.reason]
                raise Reject(counter, icmp_tables.UNREACHABLE, code) from None
            pair = AddressPair(addresses, far.address + near.address, near.lease or far.lease)
            if near.lease is None or far.lease is None:  # a pair remembers one; two are looked up each time
                self.pairs.keep(addresses, pair)
        if pair.lease is not None:
            pair.lease.last_use = now
        return pair

    def _translate_error(self, header: IPv4Header, payload: memoryview, now: float) -> Packets:
        """Translate an ICMPv4 error. It is never answered with an error."""
        if header.ttl < 2:
            raise Discard(counters.ICMP_HOP_LIMIT)
        try:
            near = self._map.near_to_ipv6(header.destination, header.source, now)
        except UnmappableError:
            raise Discard(counters.ICMP_ADDRESS) from None
        router: bytes | None = None
        try:
            source = self._map.far_to_ipv6(header.source, near, now).address
        except UnmappableError:  # a router that the prefix does not cover: as RFC 6791, the other way
            router = header.source
            source = self._settings.ipv6_addr
        addresses = source + near.address
        message = icmp_translation.error_to_ipv6(
            payload,
            addresses,
            self._map,
            self._settings.mtu,
            now,
            router=router if self._settings.rfc5837 else None,
        )
        self._counts[counters.SOURCE_REPLACED] += router is not None
        head = ipv6_header.build(
            self._traffic_class(header), len(message), protocols.ICMPV6, header.ttl - 1, addresses
        )
        self._counts[counters.ERROR_TO_IPV6] += 1
        return ((head + message, payload[:0]),)


def _is_icmp_error(header: IPv4Header, payload: memoryview) -> bool:
    """Whether an ICMP message is an error. Raises `Discard`, in silence, for one without a counterpart.

    A fragment has none: ICMPv6's checksum covers a length that it does not show.
    """
    if header.is_fragment:
        raise Discard(counters.ICMP_FRAGMENT)
    if not payload or payload[0] in icmp_tables.ECHO_TO_IPV6:
        return False
    if payload[0] in icmp_tables.ERRORS:
        return True
    raise Discard(counters.ICMP_TYPE)


def _protocol_in_ipv6(header: IPv4Header) -> int:
    return protocols.ICMPV6 if header.protocol == protocols.ICMP else header.protocol
