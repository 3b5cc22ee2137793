"""What the translator's config says, once it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nat64.addressing.address_map import Hairpin
from nat64.config import fast_path_words, icmp_words
from nat64.config.tayga_prefixes import PrefixConfig
from nat64.config.tayga_words import COPIED

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from nat64.addressing.eamt import Eam
    from nat64.addressing.host_limit import HostsPerPrefix
    from nat64.addressing.prefix import Pref64
    from nat64.addressing.router_pool import RouterPool
    from nat64.config.dns64_config import Endpoint
    from nat64.config.fast_path_words import FastPathMode
    from nat64.config.grammar import Mistake
    from nat64.config.icmp_words import IcmpRate
    from nat64.config.tayga_words import Tos, UdpCksumMode

DEFAULT_CONTROL_SOCKET: Final = Path("/run/nat64d/control.sock")


@dataclass(frozen=True, slots=True)
class NatConfig:
    """What nat64.conf says."""

    tun_device: str
    ipv4_addr: IPv4Address
    ipv6_addr: IPv6Address
    prefixes: tuple[PrefixConfig, ...] = (PrefixConfig(),)
    """One or more, the first one first, which alone may lack its prefix."""
    wkpf_strict: bool = True
    hairpin: Hairpin = Hairpin.INTRINSIC
    max_hosts_per_prefix: HostsPerPrefix | None = None
    data_dir: Path | None = None
    """Where `dynamic.map` is kept; None: leases end with the daemon."""
    map_file: Path | None = None
    log: frozenset[str] = frozenset()
    """Which of `tayga_words.LOG_CATEGORIES` are logged."""
    udp_cksum_mode: UdpCksumMode = "drop"
    offlink_mtu: int = 1280
    """Octets."""
    offload: bool = True
    """Whether packets come from the device as the kernel holds them, large and with checksums to finish."""
    fast_path: FastPathMode = "auto"
    """Whether the kernel translates what is plain and known."""
    linger: int = fast_path_words.DEFAULT_LINGER
    """Seconds for which it goes on when the daemon has ended."""
    new_hosts: int = fast_path_words.DEFAULT_NEW_HOSTS
    """Packets a second of hosts that it does not know, which it hands to the daemon; 0: all."""
    bpffs: Path = fast_path_words.DEFAULT_BPFFS
    """Where a BPF file system is mounted, in which the fast path outlives the daemon."""
    workers: int = 1
    """Processes that translate, each from a queue of the device of its own."""
    icmp_rate: IcmpRate = icmp_words.DEFAULT_RATE
    rfc6791_pool: RouterPool | None = None
    """Addresses for errors of IPv6 routers that have none; None: the own address."""
    rfc5837: bool = False
    """Whether errors with a replaced source tell it beside the packet."""
    tos: Tos = COPIED
    tun_up: bool = False
    tun_ips: tuple[IPv4Interface | IPv6Interface, ...] = ()
    tun_routes: tuple[IPv4Network | IPv6Network, ...] = ()
    control_socket: Path | None = DEFAULT_CONTROL_SOCKET
    lease_listen: Endpoint | None = None
    """Where other gateways hear of the leases; None: nowhere."""
    lease_peers: tuple[Endpoint, ...] = ()
    """Other gateways: where their leases are heard of, and who may hear of ours."""
    warnings: tuple[Mistake, ...] = field(default=(), compare=False)

    @property
    def prefix(self) -> Pref64 | None:
        """The first prefix."""
        return self.prefixes[0].prefix

    @property
    def dynamic_pool(self) -> IPv4Network | None:
        """The pool of the first prefix."""
        return self.prefixes[0].pool

    @property
    def eams(self) -> tuple[Eam, ...]:
        """All maps, by prefix; of each the `map` directives of the config, then those of the `map-file`."""
        return tuple(eam for each in self.prefixes for eam in each.eams)

    def reserved_in_pools(self) -> tuple[IPv4Network, ...]:
        """Return what may not be leased from any pool: our own address, maps, the device's addresses."""
        own = [self.ipv4_addr, *(tun_ip.ip for tun_ip in self.tun_ips if isinstance(tun_ip, IPv4Interface))]
        return (*(IPv4Network(address) for address in own), *(eam.ipv4 for eam in self.eams))
