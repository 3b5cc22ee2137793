"""A translator to send packets to, with addresses that all its tests share."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from nat64.addressing.address_map import AddressMap, Hairpin
from nat64.addressing.eamt import Eam, Eamt
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.addressing.prefix_map import PrefixMap
from nat64.siit.settings import Settings
from nat64.siit.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scapy.packet import Packet

    from nat64.addressing.host_limit import HostsPerPrefix

PREFIX: Final = Pref64(IPv6Network("2001:db8:64:ff9b::/96"))
POOL: Final = IPv4Network("192.168.240.0/24")
HOST: Final = "2001:db8:1::5"
LEASED: Final = "192.168.240.10"
SERVER4: Final = "203.0.113.80"
SERVER6: Final = "2001:db8:64:ff9b::cb00:7150"
OWN4: Final = "192.168.240.1"
OWN6: Final = "2001:db8:1:64::1"
MAPPED4: Final = "192.0.2.9"
MAPPED6: Final = "2001:db8:9::9"


class Gateway:
    """A translator whose dynamic pool has one lease, `LEASED` for `HOST`, and a map of `MAPPED4` to `MAPPED6`."""

    def __init__(self, prefix: Pref64 | None = PREFIX, pool: IPv4Network = POOL, **settings: object) -> None:
        hosts_per_prefix = cast("HostsPerPrefix | None", settings.pop("hosts_per_prefix", None))
        hairpin = cast("Hairpin", settings.pop("hairpin", Hairpin.INTRINSIC))
        others = cast("Sequence[PrefixMap]", settings.pop("others", ()))
        self.pool = DynamicPool(pool, [IPv4Network(OWN4)], hosts_per_prefix)
        self.pool.restore(IPv6Address(HOST).packed, prefix, IPv4Address(LEASED).packed, 0)
        eamt = Eamt([Eam(IPv4Network(MAPPED4), IPv6Network(MAPPED6))])
        own = Settings(IPv4Address(OWN4).packed, IPv6Address(OWN6).packed)
        self.seen: list[str] = []
        self.translator = Translator(
            replace(own, **cast("dict[str, Any]", settings)),
            AddressMap([PrefixMap(prefix, eamt, self.pool, wkpf_strict=True), *others], hairpin),
            lambda counter, _: self.seen.append(counter),
        )
        self.counts = self.translator.counts

    def send(self, packet: Packet | bytes, now: float = 0.0) -> list[bytes]:
        """Hand a packet to the translator and return what it sends."""
        return [b"".join(parts) for parts in self.translator.receive(memoryview(bytes(packet)), now)]

    def send_one(self, packet: Packet | bytes, now: float = 0.0) -> bytes:
        """Hand a packet over that must become exactly one."""
        (sent,) = self.send(packet, now)
        return sent

    def drop(self, packet: Packet | bytes, counter: str, now: float = 0.0) -> None:
        """Hand a packet over that must vanish, counted by `counter`."""
        before = self.counts[counter]
        assert self.send(packet, now) == []
        assert self.counts[counter] == before + 1
        assert self.seen[-1] == counter


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()
