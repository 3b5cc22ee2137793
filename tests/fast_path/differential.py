"""Compares what the program makes of a packet with what Python's translator sends for it."""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING, Final

from nat64.device.fast_path.layout import Outcome
from nat64.siit import counters, offload, segmentation
from tests.fast_path import claims, icmp_errors
from tests.fast_path.claims import CHECKSUM_AT
from tests.fast_path.prog_run import PASSED, REDIRECTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fast_path.gateway import Gateway
    from tests.fast_path.packets import Case

_VIRTIO: Final = struct.Struct("=BBHHHH")
_HEADER: Final = {4: 20, 6: 40}
WITHOUT_CHECKSUM: Final = "translated: UDP that has no checksum"
GIVEN_CHECKSUM: Final = "translated: UDP that had no checksum, and got one"
TURNED_BACK: Final = "translated: turned back to another host"
FRAGMENT_TO_IPV4: Final = "translated: a fragment from IPv6"
FRAGMENT_TO_IPV6: Final = "translated: a fragment from IPv4"
FRAGMENT_TURNED_BACK: Final = "translated: a fragment turned back"
TURNED_BACK_SEGMENTS: Final = "translated: turned back, as segments"
SEEN_THROUGH_PREFIX: Final = "translated: from another host, seen through the prefix"
RARE: Final = (
    WITHOUT_CHECKSUM,
    GIVEN_CHECKSUM,
    TURNED_BACK,
    TURNED_BACK_SEGMENTS,
    SEEN_THROUGH_PREFIX,
    FRAGMENT_TO_IPV4,
    FRAGMENT_TO_IPV6,
    FRAGMENT_TURNED_BACK,
)
"""Names under which `Comparison.seen` counts translated packets of a rare kind; each is to be among many packets."""
_MAY_BE_LEFT: Final = frozenset(
    (
        Outcome.PASSED_UNKNOWN_ADDRESS,  # a host without a lease yet, or an address that only a prefix knows
        Outcome.PASSED_HAIRPIN,
        Outcome.PASSED_CHECKSUM_UNFINISHED,  # a pair of addresses whose sums do not differ
    )
)
"""Why the program may leave a plain packet that Python translates."""


class Difference(AssertionError):  # noqa: N818 - what was found
    """The program does not do what Python does; the text tells the packets."""


class Comparison:
    """Compares packets of one gateway. `seen` counts what came of them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.seen: Counter[str] = Counter()

    def check(self, case: Case, asleep: frozenset[bytes] = frozenset()) -> bytes | None:
        """Give both one packet, while the leases of some addresses sleep. Raises `Difference`.

        Returns the translated packet, None for one that is left to Python.
        """
        gateway = self._gateway
        gateway.prepare(asleep=asleep)
        result = gateway.run(case.packet, case.segment_size)
        marked = gateway.marked()
        leased = {
            lease.address: lease.host for lease in gateway.leases
        }  # before Python makes one for a new host
        turned_back = gateway.translator.counts[counters.HAIRPINNED]
        is_whole, expected = self._segmented(case) if case.segment_size else (True, self._sent(case.packet))
        is_turned_back = gateway.translator.counts[counters.HAIRPINNED] > turned_back
        if result.verdict == PASSED:
            if result.packet != case.packet:
                raise self._difference("passed on changed", case, result.packet, expected)
            if marked:
                raise self._difference(
                    "passed on, and its lease marked as used", case, result.packet, expected
                )
            self._check_left(
                case, expected if is_whole else [], asleep, leased, is_turned_back=is_turned_back
            )
            return None
        if result.verdict != REDIRECTED:
            raise self._difference(f"has the verdict {result.verdict}", case, result.packet, expected)
        if not is_whole and is_turned_back:
            is_same = self._parts(result.packet, case.segment_size) == expected
        else:
            is_same = is_whole and len(expected) == 1 and _is_same(case, result.packet, expected[0])
        if not is_same:
            raise self._difference("translated otherwise", case, result.packet, expected)
        if marked != self._used(case.packet, expected[0]) & {lease.address for lease in gateway.leases}:
            raise self._difference(f"marked {marked} as used", case, result.packet, expected)
        self.seen["translated" if not case.segment_size else "translated as segments"] += 1
        self.seen.update(self._rare_kinds(case, result.packet))
        return result.packet

    def _sent(self, packet: bytes) -> list[bytes]:
        translator = self._gateway.translator
        return [b"".join(parts) for parts in translator.receive(memoryview(packet), self._gateway.now)]

    def _used(self, packet: bytes, sent: bytes) -> set[bytes]:
        """Return the IPv4 addresses of the hosts here that a packet comes from, or goes to."""
        if sent[0] >> 4 == 4:
            return {sent[12:16]}
        if packet[0] >> 4 == 4:
            return set() if icmp_errors.is_error(packet) else {packet[16:20]}
        prefixes = self._gateway.address_map.prefixes
        return {ipv4 for of in prefixes for one in (sent[8:24], packet[24:40]) if (ipv4 := of.extract(one))}

    def _rare_kinds(self, case: Case, translated: bytes) -> Iterator[str]:
        """Yield the names in `RARE` that a packet which became `translated` has."""
        packet = case.packet
        headers = claims.read(packet)
        is_turned_back = headers.version == translated[0] >> 4
        if headers.protocol == 17 and claims.checksum(packet) == b"\0\0":
            yield WITHOUT_CHECKSUM if claims.checksum(translated) == b"\0\0" else GIVEN_CHECKSUM
        if headers.position is not None:
            to_other = FRAGMENT_TO_IPV4 if headers.version == 6 else FRAGMENT_TO_IPV6
            yield FRAGMENT_TURNED_BACK if is_turned_back else to_other
        if is_turned_back:
            yield TURNED_BACK_SEGMENTS if case.segment_size else TURNED_BACK
        elif packet[0] >> 4 == 4 and packet[12:16] in {lease.address for lease in self._gateway.leases}:
            yield SEEN_THROUGH_PREFIX

    def _parts(self, packet: bytes, segment_size: int) -> list[bytes]:
        """Return the packets on a link that one which was turned back stands for."""
        at = _HEADER[6] + CHECKSUM_AT[packet[6]]
        unfinished = bytearray(packet)
        unfinished[at : at + 2] = _complement(packet[at : at + 2])
        left = _offload(packet, segment_size)
        return [bytes(part) for part in segmentation.ready_packets(memoryview(unfinished), left)]

    def _segmented(self, case: Case) -> tuple[bool, list[bytes]]:
        """Return what Python sends for a packet that stands for several, and whether that is one which does so, too.

        Such a one is returned with the sum left where its checksum is.

        A test run cannot leave a checksum to a device. Where it is finished it is the sum's complement, before and after.
        """
        packet = bytearray(case.packet)
        at = _HEADER[packet[0] >> 4] + CHECKSUM_AT[packet[6 if packet[0] >> 4 == 6 else 9]]
        if len(packet) < at + 2:
            return False, []
        packet[at : at + 2] = _complement(packet[at : at + 2])
        left = _offload(packet, case.segment_size)
        header, packets = self._gateway.translator.receive_offloaded(
            memoryview(packet), left, self._gateway.now
        )
        return header != offload.NOTHING_LEFT, [b"".join(parts) for parts in packets]

    def _check_left(
        self,
        case: Case,
        expected: list[bytes],
        asleep: frozenset[bytes],
        leased: dict[bytes, bytes],
        *,
        is_turned_back: bool,
    ) -> None:
        """Raise `Difference` for a packet that the program shall carry, and has left."""
        mtu = self._gateway.settings.mtu
        is_answer = bool(expected) and (case.packet[0] >> 4 == expected[0][0] >> 4) != is_turned_back
        own = self._gateway.settings.ipv6_addr
        if len(expected) != 1 or is_answer or not claims.is_claimed(case, expected[0], mtu, own):
            self.seen["left to Python"] += 1
            return
        # What was the reason is counted; the packet is given again to see which count grows.
        self._gateway.prepare(asleep=asleep)
        before = self._gateway.program.maps.outcomes()
        result = self._gateway.run(case.packet, case.segment_size)
        after = self._gateway.program.maps.outcomes()
        (outcome,) = (outcome for outcome, count in after.items() if count != before[outcome])
        if icmp_errors.is_error(case.packet):
            is_known = False  # there are four addresses
        elif is_turned_back:
            # A host that sends to itself wakes its own lease by that, which only Python sees in time.
            is_known = outcome is Outcome.PASSED_HAIRPIN and not self._used(case.packet, expected[0]) & asleep
        else:
            is_known = outcome is Outcome.PASSED_UNKNOWN_ADDRESS and _is_of_lease(
                case.packet, expected[0], leased
            )
        if result.verdict == PASSED and (outcome not in _MAY_BE_LEFT or is_known):
            raise self._difference(f"left ({outcome.name}), though plain", case, result.packet, expected)
        why = "its host was new" if outcome.is_translated else outcome.name
        self.seen[f"left to Python though plain: {why}"] += 1

    def _difference(self, what: str, case: Case, got: bytes, expected: list[bytes]) -> Difference:
        settings = self._gateway.settings
        prefixes = ", ".join(str(of.prefix) for of in self._gateway.address_map.prefixes)
        return Difference(
            f"a packet is {what}\n  {settings}\n  prefixes {prefixes}, {self._gateway.address_map.hairpin}\n"
            f"  segment size {case.segment_size}\n  packet   {case.packet.hex()}\n  program  {got.hex()}\n"
            + "".join(f"  Python   {one.hex()}\n" for one in expected)
        )


def _offload(packet: bytes | bytearray, segment_size: int) -> offload.Offload:
    """Return what is left to do for a TCP or UDP packet that stands for several."""
    version = packet[0] >> 4
    protocol = packet[6 if version == 6 else 9]
    kind = offload.GSO_UDP if protocol == 17 else offload.GSO_TCP6 if version == 6 else offload.GSO_TCP4
    return offload.parse(_VIRTIO.pack(1, kind, 0, segment_size, _HEADER[version], CHECKSUM_AT[protocol]))


def _complement(number: bytes | bytearray) -> bytes:
    return (0xFFFF - int.from_bytes(number, "big")).to_bytes(2, "big")


def _is_same(case: Case, got: bytes, expected: bytes) -> bool:
    """Whether the two that a packet became are the same but for an identification that is the translator's choice.

    Where the packet stands for several, the transport checksum of `expected` is the sum that a device would complement.
    """
    finished = not case.segment_size
    if finished and (got == expected or claims.read(case.packet).position is not None):
        return got == expected
    if len(got) != len(expected) or got[0] != expected[0]:
        return False
    one, other = bytearray(got), bytearray(expected)
    version = got[0] >> 4
    if version == 4 and not int.from_bytes(got[6:8], "big") & 0x3FFF and not got[6] & 0x40:
        if not _is_ipv4_checksum_right(got) or not _is_ipv4_checksum_right(expected):
            return False
        for packet in (one, other):
            packet[4:6] = packet[10:12] = bytes(2)
    if not finished:
        at = _HEADER[version] + CHECKSUM_AT[got[6 if version == 6 else 9]]
        done = int.from_bytes(one[at : at + 2], "big")
        left = int.from_bytes(_complement(other[at : at + 2]), "big")
        if done % 0xFFFF != left % 0xFFFF:
            return False
        one[at : at + 2] = other[at : at + 2]
    return one == other


def _is_of_lease(packet: bytes, sent: bytes, leased: dict[bytes, bytes]) -> bool:
    """Whether a lease gives the near side of a translated packet, and none the far side."""
    from_ipv6 = packet[0] >> 4 == 6
    source, destination = (sent if from_ipv6 else packet)[12:16], (sent if from_ipv6 else packet)[16:20]
    if from_ipv6:
        return leased.get(source) == packet[8:24] and destination not in leased
    return destination in leased and source not in leased


def _is_ipv4_checksum_right(packet: bytes) -> bool:
    return int.from_bytes(packet[:20], "big") % 0xFFFF == 0
