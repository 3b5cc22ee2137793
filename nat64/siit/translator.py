"""The translator: takes each packet that arrives, and says which packets to send for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nat64.addressing.special_purpose import may_translate_ipv4, may_translate_ipv6
from nat64.siit import (
    counters,
    icmp_errors,
    icmp_tables,
    ipv4_header,
    ipv6_header,
    protocols,
    transport,
)
from nat64.siit.ipv4_to_ipv6 import IPv4ToIPv6
from nat64.siit.ipv6_to_ipv4 import IPv6ToIPv4
from nat64.siit.offload import NOTHING_LEFT
from nat64.siit.rate_limit import TokenBucket
from nat64.siit.segmentation import ready_packets
from nat64.siit.verdicts import Discard, InParts, Reject

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.addressing.address_map import AddressMap
    from nat64.siit.address_pair import AddressPair
    from nat64.siit.offload import Offload
    from nat64.siit.settings import Settings
    from nat64.siit.verdicts import Packets


class Translator:
    """A stateless IP/ICMP translator (RFC 7915) with two addresses of its own.

    `counts` holds a number for each of `counters.MEANINGS`. `observe`, if given, is called with the counter's
    name and the packet for each packet that did not go on, and for those to the own addresses.
    """

    def __init__(
        self,
        settings: Settings,
        address_map: AddressMap,
        observe: Callable[[str, memoryview], None] | None = None,
    ) -> None:
        self.counts = counters.fresh()
        self._observe = observe
        self._errors = TokenBucket(settings.error_rate, settings.error_burst)
        self.reconfigure(settings, address_map, observe)

    def reconfigure(
        self,
        settings: Settings,
        address_map: AddressMap,
        observe: Callable[[str, memoryview], None] | None = None,
    ) -> None:
        """Take other settings and another address map; the counters go on."""
        self.settings = settings
        self.address_map = address_map
        self._observe = observe
        self._errors = TokenBucket(settings.error_rate, settings.error_burst)
        self._to_ipv4 = IPv6ToIPv4(settings, address_map, self.counts)
        self._to_ipv6 = IPv4ToIPv6(settings, address_map, self.counts)

    def receive(self, packet: memoryview, now: float) -> Packets:
        """Return the packets to send for one IP packet, none if it is dropped. Never raises, whatever it holds.

        `packet` must stay unchanged until they are sent. `now` is in seconds, on a clock that does not jump.
        """
        version = packet[0] >> 4 if packet else 0
        try:
            if version == 6:
                return self._to_ipv4.translate_plain(packet, now) or self._receive_ipv6(packet, now)
            if version == 4:
                return self._to_ipv6.translate_plain(packet, now) or self._receive_ipv4(packet, now)
        except Discard as discard:
            self._count(discard.counter, packet)
            return ()
        except Reject as reject:
            self._count(reject.counter, packet)
            return self._reject(packet, version, reject, now)
        self._count(counters.NOT_IP, packet)
        return ()

    def receive_offloaded(self, packet: memoryview, offload: Offload, now: float) -> tuple[bytes, Packets]:
        """Do the same for a packet that leaves something to do.

        Returns what is left to do for each packet to send, as the header before it, and these. The packet goes on whole
        where it can, and else as what it stands for. `packet` must be writable, and may be changed.
        """
        if offload.is_plain(packet):
            whole = self._translate_whole(packet, offload, now)
            if whole is not None:
                return whole
        try:
            ready = tuple(ready_packets(packet, offload))
        except Discard as discard:
            self._count(discard.counter, packet)
            return NOTHING_LEFT, ()
        return NOTHING_LEFT, tuple(sent for part in ready for sent in self.receive(part, now))

    def pair_of(self, packet: memoryview) -> tuple[bytes, AddressPair] | None:
        """Return the addresses of a TCP or UDP packet with what they become, if that is remembered."""
        version = packet[0] >> 4 if len(packet) >= ipv4_header.LENGTH else 0
        if version == 6 and packet[6] in protocols.CHECKSUM_AT:
            addresses, pairs = bytes(packet[8:40]), self._to_ipv4.pairs
        elif version == 4 and packet[9] in protocols.CHECKSUM_AT:
            addresses, pairs = bytes(packet[12:20]), self._to_ipv6.pairs
        else:
            return None
        pair = pairs.recent.get(addresses)
        return (addresses, pair) if pair is not None else None

    def _translate_whole(
        self, packet: memoryview, offload: Offload, now: float
    ) -> tuple[bytes, Packets] | None:
        """Translate a plain packet with its offload, or None where that is for each of its parts to say."""
        from_ipv6 = packet[0] >> 4 == 6
        direction = self._to_ipv4 if from_ipv6 else self._to_ipv6
        try:
            packets = direction.translate_plain(packet, now, offload)
            if packets is None and not self._is_own(packet):
                packets = direction.translate(packet, now, offload)
        except (Discard, InParts, Reject):
            return None
        return (offload.as_ipv4 if from_ipv6 else offload.as_ipv6, packets) if packets else None

    def _is_own(self, packet: memoryview) -> bool:
        """Whether an IP packet comes from an address of the translator, or goes to one."""
        if packet[0] >> 4 == 6:
            return self.settings.ipv6_addr in {bytes(packet[8:24]), bytes(packet[24:40])}
        return self.settings.ipv4_addr in {bytes(packet[12:16]), bytes(packet[16:20])}

    def _receive_ipv6(self, packet: memoryview, now: float) -> Packets:
        if packet[24:40] == self.settings.ipv6_addr:
            return self._answer_ipv6(packet)
        if packet[8:24] == self.settings.ipv6_addr:
            raise Discard(counters.FROM_SELF)
        return self._to_ipv4.translate(packet, now)

    def _receive_ipv4(self, packet: memoryview, now: float) -> Packets:
        if packet[16:20] == self.settings.ipv4_addr:
            return self._answer_ipv4(packet)
        if packet[12:16] == self.settings.ipv4_addr:
            raise Discard(counters.FROM_SELF)
        return self._to_ipv6.translate(packet, now)

    def _count(self, counter: str, packet: memoryview) -> None:
        self.counts[counter] += 1
        if self._observe is not None:
            self._observe(counter, packet)

    def _reject(self, packet: memoryview, version: int, reject: Reject, now: float) -> Packets:
        """Return the ICMP error to the packet's sender, if one may be sent."""
        if version == 6:
            error = icmp_errors.error_to_ipv6_sender(packet, self.settings.ipv6_addr, reject)
        else:
            identification = self._to_ipv4.next_identification()
            error = icmp_errors.error_to_ipv4_sender(packet, self.settings.ipv4_addr, identification, reject)
        if error is None:
            self.counts[counters.ERROR_UNANSWERABLE] += 1
            return ()
        if not self._errors.take(now):
            self.counts[counters.ERROR_RATE_LIMITED] += 1
            return ()
        self.counts[counters.ERROR_SENT] += 1
        return ((error, packet[:0]),)

    def _answer_ipv6(self, packet: memoryview) -> Packets:
        """Answer an echo request to the own IPv6 address; nothing but ICMPv6 is spoken here."""
        header = ipv6_header.parse(packet)
        if not may_translate_ipv6(header.source):
            raise Discard(counters.NEVER_TRANSLATED)
        if header.protocol != protocols.ICMPV6 and header.source != self.settings.ipv6_addr:
            unknown, code, _ = icmp_tables.V6_PROTOCOL_UNKNOWN
            raise Reject(counters.SELF_OTHER, unknown, code, header.protocol_at)
        payload = packet[header.payload_at : header.payload_at + header.payload_length]
        start = None
        is_part = header.fragment is not None and header.fragment.is_part
        if header.protocol == protocols.ICMPV6 and not is_part:
            start = transport.echo_reply(payload, icmp_tables.V6_ECHO_REQUEST, icmp_tables.V6_ECHO_REPLY)
        if start is None or header.source == self.settings.ipv6_addr:
            raise Discard(counters.SELF_OTHER)
        if header.segments_left_at is not None:
            at = header.segments_left_at
            raise Reject(counters.ROUTING_HEADER, icmp_tables.V6_PARAMETER_PROBLEM, 0, at)
        self._count(counters.SELF_ECHO, packet)
        head = ipv6_header.build(
            header.traffic_class,
            len(payload),
            protocols.ICMPV6,
            icmp_errors.HOP_LIMIT,
            header.destination + header.source,
        )
        return ((head + start, payload[len(start) :]),)

    def _answer_ipv4(self, packet: memoryview) -> Packets:
        """Answer an echo request to the own IPv4 address; nothing but ICMP is spoken here."""
        header = ipv4_header.parse(packet)
        if not may_translate_ipv4(header.source):
            raise Discard(counters.NEVER_TRANSLATED)
        if header.protocol != protocols.ICMP and header.source != self.settings.ipv4_addr:
            raise Reject(counters.SELF_OTHER, icmp_tables.UNREACHABLE, icmp_tables.PROTOCOL_UNREACHABLE)
        payload = packet[header.length : header.total_length]
        start = None
        if header.protocol == protocols.ICMP and not header.is_fragment:
            start = transport.echo_reply(payload, icmp_tables.ECHO_REQUEST, icmp_tables.ECHO_REPLY)
        if start is None or header.source == self.settings.ipv4_addr:
            raise Discard(counters.SELF_OTHER)
        if ipv4_header.has_unexpired_source_route(packet[ipv4_header.LENGTH : header.length]):
            raise Reject(counters.SOURCE_ROUTE, icmp_tables.UNREACHABLE, icmp_tables.SOURCE_ROUTE_FAILED)
        self._count(counters.SELF_ECHO, packet)
        head = ipv4_header.build(
            tos=header.tos,
            total_length=ipv4_header.LENGTH + len(payload),
            identification=self._to_ipv4.next_identification(),
            flags=0,
            ttl=icmp_errors.HOP_LIMIT,
            protocol=protocols.ICMP,
            addresses=header.destination + header.source,
        )
        return ((head + start, payload[len(start) :]),)
