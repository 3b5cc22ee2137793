"""A gateway of a random configuration, twice: as Python's translator, and as the program with its maps."""

from __future__ import annotations

import time
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

from nat64.addressing.address_map import AddressMap, Hairpin
from nat64.addressing.eamt import Eam, Eamt
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.addressing.prefix_map import PrefixMap
from nat64.addressing.router_pool import RouterPool
from nat64.device.fast_path import contents, program
from nat64.siit.settings import Settings, UdpZeroChecksum
from nat64.siit.translator import Translator
from tests.fast_path.prog_run import LINK_HEADER, TestRun

if TYPE_CHECKING:
    from random import Random

    from nat64.addressing.lease import Lease

PREFIXES: Final = (
    *("64:ff9b::/96",) * 3,  # the one that has a rule of its own
    "2001:db8:64:ff9b::/96",
    "2001:db8::/32",
    "2001:db8:100::/40",
    "2001:db8:122::/48",
    "2001:db8:122:300::/56",
    "2001:db8:122:344::/64",
    "64:ff9b:1::/48",
)
OTHER_PREFIX: Final = "3fff:64:ff9b::/96"
OTHER_PREFIX_SHORTER: Final = "3fff:6400::/32"
EXACT_MAPS: Final = (
    ("192.0.2.9/32", "3fff:9::8201/128"),  # the same sum: through 64:ff9b::/96 no checksum changes
    ("192.0.2.77/32", "3fff:9::77/128"),
)
NETWORK_MAPS: Final = (
    ("198.51.100.0/24", "3fff:a::/120"),
    ("198.51.100.64/26", "3fff:b::/122"),
    ("192.0.2.128/25", "3fff:d:0:0:400::/70"),
    ("198.51.101.5/32", "3fff:e::/64"),
    ("198.18.0.0/15", "3fff:f:8000::/33"),
    ("192.168.240.40/32", "3fff:9::40/128"),  # in the pool
)
OTHER_MAPS: Final = (
    ("203.0.113.0/28", "3fff:c::/64"),
    ("203.0.113.200/32", "3fff:9::200/128"),
    ("203.0.113.202/32", "3fff:9::8201/128"),  # these three have another address by the first prefix
    ("203.0.113.64/26", "3fff:b::/122"),
    ("203.0.113.16/28", "3fff:a::/124"),
)
POOL: Final = IPv4Network("192.168.240.0/26")
OTHER_POOL: Final = IPv4Network("192.168.242.0/28")
OWN4: Final = IPv4Address("192.168.240.1")
OWN6: Final = IPv6Address("3fff:64::1")
_OWN_EMBEDDED: Final = IPv4Address("203.0.113.201").packed
"""By a prefix, where it gives the own IPv6 address: so TAYGA makes one for itself."""
ROUTERS: Final = IPv4Network("192.168.241.0/29")
MTUS: Final = (1500, 1500, 1280, 1300, 1420, 3000)
OFFLINK_MTUS: Final = (1280, 1280, 1300, 1500, 9000)
HOSTS: Final = tuple(IPv6Address(f"3fff:1::{number}").packed for number in range(1, 9))
DORMANT: Final = 7500.0
"""Seconds since the last packet of a lease that sleeps."""
_NOW: Final = 100000.0
_FOR_EVER: Final = 1 << 62
_WRITTEN: Final = frozenset((0, _FOR_EVER))


def _eamt(maps: tuple[tuple[str, str], ...]) -> Eamt:
    return Eamt(Eam(IPv4Network(ipv4), IPv6Network(ipv6)) for ipv4, ipv6 in maps)


class Gateway:
    """Both, with the leases of one in the maps of the other, as the daemon would keep them."""

    def __init__(self, random: Random, object_file: bytes | None = None) -> None:
        self.address_map = _address_map(random)
        prefix = self.address_map.prefixes[0].prefix
        embedded = [prefix.embed(_OWN_EMBEDDED)] if prefix is not None else []
        self.settings = Settings(
            ipv4_addr=OWN4.packed,
            ipv6_addr=random.choice([OWN6.packed, *embedded]),
            mtu=random.choice(MTUS),
            offlink_mtu=random.choice(OFFLINK_MTUS),
            udp_zero_checksum=random.choice(tuple(UdpZeroChecksum)),
            rfc6791_pool=RouterPool(ROUTERS) if random.random() < 0.5 else None,
            tos_to_ipv4=random.choice((None, None, 0, 0x20)),
            tos_to_ipv6=random.choice((None, None, 0, 0xB8)),
            pairs_kept=64,
        )
        self.translator = Translator(self.settings, self.address_map)
        self.slots = contents.Slots(self.address_map)
        self.now = _NOW
        self.program = program.load(
            program.Sizes(hosts=256, maps=64, last_used=self.slots.size),
            object_file=object_file,
            link_header=LINK_HEADER,
        )
        self.run = TestRun(self.program)
        self._leases: dict[bytes, Lease] = {}
        self._slots: dict[bytes, int] = {}
        self._fill(random)

    def close(self) -> None:
        """Let go of the program."""
        self.program.close()

    def prepare(self, *, asleep: frozenset[bytes] = frozenset()) -> None:
        """Set back the time of each lease: used just now, but for those of the addresses that are asleep."""
        times = self.program.maps.last_used.times
        for ipv4, lease in self._leases.items():
            sleeps = ipv4 in asleep
            lease.last_use = self.now - (DORMANT if sleeps else 0.0)
            times[self._slots[ipv4]] = 0 if sleeps else _FOR_EVER

    def marked(self) -> set[bytes]:
        """Return the addresses of the leases whose time the program has written since `prepare`."""
        times = self.program.maps.last_used.times
        return {ipv4 for ipv4, slot in self._slots.items() if times[slot] not in _WRITTEN}

    @property
    def leases(self) -> tuple[Lease, ...]:
        """The leases that there are."""
        return tuple(self._leases.values())

    def _fill(self, random: Random) -> None:
        for number, of in enumerate(self.address_map.prefixes):
            if of.pool is None:
                continue
            of.pool.observers.append(partial(self._lease_event, of=number))
            for host in random.sample(HOSTS, 5):
                of.pool.assign(host, of.prefix, self.now)
        maps = self.program.maps
        maps.put(contents.prefix_entries(self.address_map))
        maps.put(contents.map_entries(self.address_map))
        self.put_settings()
        maps.beat(time.monotonic_ns() + 10**15)

    def put_settings(self) -> None:
        """Tell the program the settings."""
        settings = contents.settings_entry(self.settings, self.address_map)
        # A lease sleeps after hours, which a machine just started has not seen: a second stands for them.
        active = int(7440e9).to_bytes(8, "little")
        assert settings.value.count(active) == 1
        value = settings.value.replace(active, (10**9).to_bytes(8, "little"))
        self.program.maps.put([settings._replace(value=value)])

    def _lease_event(self, event: str, lease: Lease, of: int) -> None:
        slot = self.slots.of(lease.address)
        entries = contents.lease_entries(lease.host, lease.address, of, slot)
        if event == "assigned":
            self._leases[lease.address] = lease
            self._slots[lease.address] = slot
            self.program.maps.put(entries)
        else:
            del self._leases[lease.address], self._slots[lease.address]
            self.program.maps.remove(entries)


def _address_map(random: Random) -> AddressMap:
    prefix = Pref64(IPv6Network(random.choice(PREFIXES)))
    pool = DynamicPool(POOL, [IPv4Network(OWN4), IPv4Network("192.168.240.40/32")])
    maps = (EXACT_MAPS if random.random() < 0.6 else ()) + (NETWORK_MAPS if random.random() < 0.6 else ())
    prefixes = [
        PrefixMap(
            prefix,
            _eamt(maps),
            pool if random.random() < 0.9 else None,
            wkpf_strict=random.random() < 0.5,
        )
    ]
    if random.random() < 0.5:
        other = Pref64(IPv6Network(random.choice((OTHER_PREFIX, OTHER_PREFIX_SHORTER))))
        prefixes.append(
            PrefixMap(
                other if random.random() < 0.9 else None,
                _eamt(OTHER_MAPS),
                DynamicPool(OTHER_POOL) if random.random() < 0.5 else None,
                wkpf_strict=True,
            )
        )
    return AddressMap(prefixes, random.choice(tuple(Hairpin)))
