"""A translator for plain packets of pairs that it was told: what a worker beside the whole translator does.

It makes no lease and sends no error. A packet that it does not know how to translate is for the whole translator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nat64.addressing.address_map import AddressMap
from nat64.addressing.lease import Lease
from nat64.siit import counters
from nat64.siit.address_pair import AddressPair
from nat64.siit.ipv4_to_ipv6 import IPv4ToIPv6
from nat64.siit.ipv6_to_ipv4 import IPv6ToIPv4
from nat64.siit.offload import NOTHING_LEFT

if TYPE_CHECKING:
    from nat64.siit.offload import Offload
    from nat64.siit.settings import Settings
    from nat64.siit.verdicts import Packets

IDLE_SECONDS: Final = 60.0
"""A lease that was not used here for so long is forgotten here. The pool hears of each use within seconds and gives no
lease to another host before it was idle for hours, so one that is remembered here is never another host's."""

_IPV6_PAIR: Final = 32


class KnownPairs:
    """Translates packets of the pairs that it was told. `counts` is as the translator's."""

    def __init__(self, settings: Settings) -> None:
        self.counts = counters.fresh()
        self.reset(settings)

    def reset(self, settings: Settings) -> None:
        """Forget all pairs and go on with other settings; the counters stay."""
        nothing = AddressMap(())
        self._to_ipv4 = IPv6ToIPv4(settings, nothing, self.counts)
        self._to_ipv6 = IPv4ToIPv6(settings, nothing, self.counts)
        self._leases: dict[bytes, Lease] = {}

    def learn(self, addresses: bytes, translated: bytes, leased: bytes, now: float) -> None:
        """Remember what a pair becomes: source and destination of one family, then of the other (network order).

        `leased` is the address of the dynamic pool in it, empty if there is none.
        """
        lease = None
        if leased:
            lease = self._leases.setdefault(leased, Lease(b"", None, leased, now))
            lease.last_use = now
        direction = self._to_ipv4 if len(addresses) == _IPV6_PAIR else self._to_ipv6
        direction.pairs.keep(addresses, AddressPair(addresses, translated, lease))

    def translate(
        self, packet: memoryview, now: float, offload: Offload | None = None
    ) -> tuple[bytes, Packets] | None:
        """Return what is left to do, as the header before it, and the packet to send; None if that is not known here."""
        if not packet or (offload is not None and not offload.is_plain(packet)):
            return None
        direction = self._to_ipv4 if packet[0] >> 4 == 6 else self._to_ipv6
        packets = direction.translate_plain(packet, now, offload)
        if packets is None:
            return None
        if offload is None:
            return NOTHING_LEFT, packets
        return offload.as_ipv4 if direction is self._to_ipv4 else offload.as_ipv6, packets

    def used_since(self, then: float, now: float) -> list[bytes]:
        """Return the leased addresses that were used since `then` (seconds), and forget those that are idle."""
        idle = [lease for lease in self._leases.values() if now - lease.last_use > IDLE_SECONDS]
        for lease in idle:
            lease.ended = True
            del self._leases[lease.address]
        return [lease.address for lease in self._leases.values() if lease.last_use >= then]
