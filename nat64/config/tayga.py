"""The translator's config: TAYGA 0.9.6's tayga.conf, and our own directives in the same grammar.

A file is read into one frozen `NatConfig`; every mistake of the file is told at once. What TAYGA accepts means the
same here. Accepted beyond TAYGA: the directives that docs/nat64.conf.md calls ours, several prefixes with a pool each
and maps for one of them, maps whose networks contain one another (the longest match counts), maps whose IPv6 network
is the larger one, and a `tun-ip` inside the pool, which is kept out of it. Refused beyond TAYGA: map networks with bits set
after their length (TAYGA accepts them and then never matches), a map that covers the whole pool, and pools or maps in
169.254.0.0/16.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv4Network, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nat64.addressing.address_map import Hairpin
from nat64.addressing.host_limit import HostsPerPrefix
from nat64.addressing.special_purpose import is_global, may_translate_ipv4, may_translate_ipv6
from nat64.config import fast_path_words, icmp_words, lease_words, tayga_words
from nat64.config.grammar import (
    Directive,
    Findings,
    Place,
    Placed,
    Refused,
    directives,
    read_flag,
    read_ipv4,
    read_ipv6,
    read_number,
)
from nat64.config.nat_config import DEFAULT_CONTROL_SOCKET, NatConfig
from nat64.config.tayga_overlaps import refuse_overlaps, refuse_router_pool_overlaps
from nat64.config.tayga_prefixes import GatheredPrefixes
from nat64.config.tayga_words import COPIED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from ipaddress import IPv4Address, IPv6Interface, IPv6Network

    from nat64.addressing.router_pool import RouterPool
    from nat64.config.dns64_config import Endpoint
    from nat64.config.fast_path_words import FastPathMode
    from nat64.config.icmp_words import IcmpRate
    from nat64.config.tayga_words import Tos, UdpCksumMode

_MOST_WORKERS: Final = 64

# The documentation names these for later versions; a config that relies on them must not run as if they were not there.
_LATER: Final = frozenset({"metrics-listen"})


def read(
    path: Path, name: str | None = None, *, state_directory: str | None = None, cores: int = 1
) -> NatConfig:
    """Read the config at `path`, and its map file; mistakes call it `name`.

    `state_directory` is the value of STATE_DIRECTORY, which stands in for a missing `data-dir`, and `cores` the number
    of processors, for a missing `workers`. Raises `ConfigError` for mistakes in it and `OSError` when it cannot be
    opened.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    return parse(
        text, name or str(path), state_directory=state_directory, cores=cores, read_map_file=_read_text
    )


def parse(
    text: str,
    file: str,
    *,
    state_directory: str | None = None,
    cores: int = 1,
    read_map_file: Callable[[Path], str] | None = None,
) -> NatConfig:
    """Read the text of a config, which mistakes call `file`. Raises `ConfigError` with all its mistakes.

    `read_map_file` returns the text of the `map-file` or raises `OSError`; without it that file is not read.
    """
    workers = min(max(cores, 1), _MOST_WORKERS)
    return _Parser(file, state_directory, read_map_file, workers).parse(text)


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@dataclass(slots=True)
class _Parser:
    """Gathers the directives of one file."""

    file: str
    state_directory: str | None
    read_map_file: Callable[[Path], str] | None
    workers: int
    findings: Findings = field(default_factory=Findings)
    places: dict[str, Place] = field(default_factory=dict)
    tun_device: str = ""
    ipv4_addr: Placed[IPv4Address] | None = None
    ipv6_addr: Placed[IPv6Address] | None = None
    gathered: GatheredPrefixes = field(default_factory=GatheredPrefixes)
    prefixes_read: bool = True  # false when one was refused, and others may miss it
    max_hosts_per_prefix: HostsPerPrefix | None = None
    hairpin: Hairpin = Hairpin.INTRINSIC
    wkpf_strict: bool = True
    data_dir: Path | None = None
    map_file: str | None = None
    log: frozenset[str] = frozenset()
    udp_cksum_mode: UdpCksumMode = "drop"
    offlink_mtu: int = 1280
    offload: bool = True
    fast_path: FastPathMode = "auto"
    linger: int = fast_path_words.DEFAULT_LINGER
    new_hosts: int = fast_path_words.DEFAULT_NEW_HOSTS
    bpffs: Path = fast_path_words.DEFAULT_BPFFS
    icmp_rate: IcmpRate = icmp_words.DEFAULT_RATE
    rfc6791_pool: Placed[RouterPool] | None = None
    rfc5837: bool = False
    tos: Tos = COPIED
    tun_up: bool = False
    tun_ips: list[Placed[IPv4Interface | IPv6Interface]] = field(default_factory=list)
    tun_routes: list[IPv4Network | IPv6Network] = field(default_factory=list)
    control_socket: Path | None = DEFAULT_CONTROL_SOCKET
    lease_listen: Placed[Endpoint] | None = None
    lease_peers: list[Placed[Endpoint]] = field(default_factory=list)

    def parse(self, text: str) -> NatConfig:
        found = directives(text, self.file, inline_comment="")
        self.findings.read_each(found, self._readers(), _LATER, self.places)
        self._find_data_dir()
        map_file = self._read_map_file()
        self._check_presence()
        own_ipv6 = self._own_ipv6()
        refuse_overlaps(
            self.findings,
            ipv4_addr=self.ipv4_addr,
            ipv6_addr=self.ipv6_addr,
            prefixes=self.gathered.prefixes(),
            pools=self.gathered.pools(),
            eams=[
                (Placed(words.value.eam, words.place), self.gathered.prefix_of(words.value))
                for words in self.gathered.maps
            ],
        )
        if self.prefixes_read:
            self.gathered.check(self.findings)
        self._refuse_router_pool_overlaps()
        lease_words.check_link(self.findings, self.lease_listen, self.lease_peers)
        self._warn_of_own_tun_ips(own_ipv6)
        self.findings.raise_if_any()
        if self.ipv4_addr is None or own_ipv6 is None:
            raise AssertionError("a config without its addresses has a mistake")
        return NatConfig(
            tun_device=self.tun_device,
            ipv4_addr=self.ipv4_addr.value,
            ipv6_addr=own_ipv6,
            prefixes=self.gathered.configs(),
            wkpf_strict=self.wkpf_strict,
            hairpin=self.hairpin,
            max_hosts_per_prefix=self.max_hosts_per_prefix,
            data_dir=self.data_dir,
            map_file=map_file,
            log=self.log,
            udp_cksum_mode=self.udp_cksum_mode,
            offlink_mtu=self.offlink_mtu,
            offload=self.offload,
            fast_path=self.fast_path,
            linger=self.linger,
            new_hosts=self.new_hosts,
            bpffs=self.bpffs,
            workers=self.workers,
            icmp_rate=self.icmp_rate,
            rfc6791_pool=self.rfc6791_pool.value if self.rfc6791_pool else None,
            rfc5837=self.rfc5837,
            tos=self.tos,
            tun_up=self.tun_up,
            tun_ips=tuple(tun_ip.value for tun_ip in self.tun_ips),
            tun_routes=tuple(self.tun_routes),
            control_socket=self.control_socket,
            lease_listen=self.lease_listen.value if self.lease_listen else None,
            lease_peers=tuple(peer.value for peer in self.lease_peers),
            warnings=tuple(self.findings.warnings),
        )

    def _readers(self) -> Mapping[str, Callable[[Directive], None]]:
        return {
            "tun-device": self._read_tun_device,
            "ipv4-addr": self._read_ipv4_addr,
            "ipv6-addr": self._read_ipv6_addr,
            "prefix": self._read_prefix,
            "wkpf-strict": self._read_wkpf_strict,
            "dynamic-pool": self._read_dynamic_pool,
            "max-hosts-per-prefix": self._read_max_hosts_per_prefix,
            "hairpin": self._read_hairpin,
            "data-dir": self._read_data_dir,
            "map": self._read_map,
            "map-file": self._read_map_file_name,
            "log": self._read_log,
            "udp-cksum-mode": self._read_udp_cksum_mode,
            "offlink-mtu": self._read_offlink_mtu,
            "offload": self._read_offload,
            "fast-path": self._read_fast_path,
            "linger": self._read_linger,
            "new-hosts": self._read_new_hosts,
            "bpffs": self._read_bpffs,
            "icmp-rate": self._read_icmp_rate,
            "rfc6791-pool": self._read_rfc6791_pool,
            "rfc5837": self._read_rfc5837,
            "tos": self._read_tos,
            "workers": self._read_workers,
            "tun-up": self._read_tun_up,
            "tun-ip": self._read_tun_ip,
            "tun-route": self._read_tun_route,
            "strict-frag-hdr": self._read_strict_frag_hdr,
            "control-socket": self._read_control_socket,
            "lease-listen": self._read_lease_listen,
            "lease-peer": self._read_lease_peer,
        }

    # What the whole file says

    def _check_presence(self) -> None:
        whole = Place(self.file, 0)
        if "tun-device" not in self.places:
            self.findings.refuse(whole, "no tun-device", "name the interface, e.g.: tun-device nat64")
        if "ipv4-addr" not in self.places:
            remedy = "give the translator an IPv4 address, e.g.: ipv4-addr 192.168.240.1"
            self.findings.refuse(whole, "no ipv4-addr", remedy)
        if not self.places.keys() & {"prefix", "map", "map-file"}:
            remedy = "say what to translate, e.g.: prefix 64:ff9b::/96"
            self.findings.refuse(whole, "neither prefix nor map", remedy)

    def _own_ipv6(self) -> IPv6Address | None:
        """Return the translator's IPv6 address: the one given, or the own IPv4 address inside the prefix."""
        whole = Place(self.file, 0)
        prefix = self.gathered.first
        if self.ipv6_addr is not None or "ipv6-addr" in self.places:
            return self.ipv6_addr.value if self.ipv6_addr else None
        if prefix is None:
            if "prefix" not in self.places:
                remedy = "give the translator an IPv6 address, e.g.: ipv6-addr 2001:db8::64"
                self.findings.refuse(whole, "no ipv6-addr, and no prefix to make one from", remedy)
            return None
        if self.ipv4_addr is None:
            return None
        if self.wkpf_strict and prefix.value.is_well_known and not is_global(self.ipv4_addr.value.packed):
            self.findings.refuse(
                self.ipv4_addr.place,
                f"{self.ipv4_addr.value} is not a global address, so it has no place in 64:ff9b::/96",
                "add an ipv6-addr from a network of your own, outside the prefix",
            )
            return None
        return IPv6Address(prefix.value.embed(self.ipv4_addr.value.packed))

    def _find_data_dir(self) -> None:
        if self.data_dir is not None or "data-dir" in self.places or not self.state_directory:
            return
        first, _, others = self.state_directory.partition(":")
        whole = Place(self.file, 0)
        if not first.startswith("/"):
            problem = f"STATE_DIRECTORY '{first}' is not an absolute path"
            self.findings.refuse(whole, problem, "set data-dir, e.g.: data-dir /var/lib/nat64")
            return
        if others:
            problem = "STATE_DIRECTORY names several directories"
            self.findings.warn(whole, problem, f"{first} is used; set data-dir to choose another")
        self.data_dir = Path(first)

    def _read_map_file(self) -> Path | None:
        """Read the `map` directives of the map file, and return its path."""
        if self.map_file is None:
            return None
        place = self.places["map-file"]
        if not self.map_file.startswith("/") and self.data_dir is None:
            self.findings.refuse(
                place, f"map-file '{self.map_file}' is relative to a data-dir that is not set", "set data-dir"
            )
            return None
        path = Path(self.map_file) if self.data_dir is None else self.data_dir / self.map_file
        if self.read_map_file is None:
            return path
        try:
            text = self.read_map_file(path)
        except OSError as error:
            problem = f"cannot read the map file {path}: {error.strerror}"
            self.findings.refuse(place, problem, "create it, or make it readable to the daemon's user")
            return path
        for directive in directives(text, str(path), inline_comment=""):
            if directive.keyword == "map":
                self.findings.attempt(directive, self._read_map)
            else:
                problem = f"'{directive.keyword}' cannot stand in a map file"
                self.findings.refuse(directive.place, problem, "only 'map' directives can")
        return path

    def _refuse_router_pool_overlaps(self) -> None:
        if self.rfc6791_pool is None:
            return
        others: list[tuple[str, Placed[IPv4Network]]] = [
            *(("pool", pool) for pool in self.gathered.pools()),
            *(("map", Placed(each.value.eam.ipv4, each.place)) for each in self.gathered.maps),
            *(
                ("tun-ip", Placed(IPv4Network(tun_ip.value.ip), tun_ip.place))
                for tun_ip in self.tun_ips
                if isinstance(tun_ip.value, IPv4Interface)
            ),
        ]
        if self.ipv4_addr is not None:
            others.append(("ipv4-addr", Placed(IPv4Network(self.ipv4_addr.value), self.ipv4_addr.place)))
        router_pool = Placed(self.rfc6791_pool.value.network, self.rfc6791_pool.place)
        refuse_router_pool_overlaps(self.findings, router_pool, others)

    def _warn_of_own_tun_ips(self, own_ipv6: IPv6Address | None) -> None:
        own = {own_ipv6, self.ipv4_addr.value if self.ipv4_addr else None}
        for tun_ip in self.tun_ips:
            if tun_ip.value.ip in own:
                self.findings.warn(
                    tun_ip.place,
                    f"tun-ip {tun_ip.value.ip} is the translator's own address, so the kernel keeps its packets",
                    "give the device another address",
                )

    # What one directive says

    def _once(self, directive: Directive) -> None:
        """Refuse a directive that stands here a second time."""
        earlier = self.places.get(directive.keyword)
        if earlier is not None:
            raise Refused(f"'{directive.keyword}' already stands at {earlier}", "keep one of the two")

    def _last_counts(self, directive: Directive) -> None:
        """Warn of a directive that TAYGA lets stand several times."""
        earlier = self.places.get(directive.keyword)
        if earlier is not None:
            problem = f"'{directive.keyword}' already stands at {earlier}"
            self.findings.warn(directive.place, problem, "the last one counts, remove the others")

    def _read_tun_device(self, directive: Directive) -> None:
        self._once(directive)
        self.tun_device = tayga_words.read_tun_device(directive)

    def _read_ipv4_addr(self, directive: Directive) -> None:
        self._once(directive)
        directive.count(1, 1, "ipv4-addr ADDRESS")
        address = read_ipv4(directive.words[0])
        if address.is_link_local:
            problem = f"ipv4-addr {address} is a link-local address"
            self.findings.warn(directive.place, problem, "take a private one unless you know that it works")
        elif not may_translate_ipv4(address.packed):
            raise Refused(f"{address} is reserved", "take a private address, e.g.: ipv4-addr 192.168.240.1")
        self.ipv4_addr = Placed(address, directive.place)

    def _read_ipv6_addr(self, directive: Directive) -> None:
        self._once(directive)
        directive.count(1, 1, "ipv6-addr ADDRESS")
        address = read_ipv6(directive.words[0])
        if not may_translate_ipv6(address.packed):
            raise Refused(f"{address} is reserved", "take one of a network of your own")
        self.ipv6_addr = Placed(address, directive.place)

    def _read_prefix(self, directive: Directive) -> None:
        try:
            words = tayga_words.read_prefix(directive)
        except Refused:
            self.prefixes_read = False
            raise
        if not words.prefix.has_u_octet_zero:
            self.findings.warn(
                directive.place,
                f"bits 64 to 71 of {words.prefix} are not zero",
                "RFC 6052 section 2.2 asks for a prefix where they are",
            )
        self.gathered.directives.append(Placed(words, directive.place))

    def _read_wkpf_strict(self, directive: Directive) -> None:
        self._last_counts(directive)
        directive.count(1, 1, "wkpf-strict yes|no")
        self.wkpf_strict = read_flag(directive.words[0], directive.keyword)

    def _read_dynamic_pool(self, directive: Directive) -> None:
        self._once(directive)
        self.gathered.dynamic_pool = Placed(tayga_words.read_dynamic_pool(directive), directive.place)

    def _read_max_hosts_per_prefix(self, directive: Directive) -> None:
        self._once(directive)
        directive.count(2, 2, "max-hosts-per-prefix LENGTH NUMBER, e.g.: max-hosts-per-prefix 64 1024")
        self.max_hosts_per_prefix = HostsPerPrefix(
            length=read_number(directive.words[0], "prefix length", 1, 128),
            hosts=read_number(directive.words[1], "number of hosts", 1, 2**24),
        )

    def _read_hairpin(self, directive: Directive) -> None:
        self._once(directive)
        self.hairpin = tayga_words.read_hairpin(directive)

    def _read_data_dir(self, directive: Directive) -> None:
        self._once(directive)
        self.data_dir = tayga_words.read_path(directive)

    def _read_map(self, directive: Directive) -> None:
        self.gathered.maps.append(Placed(tayga_words.read_map(directive), directive.place))

    def _read_map_file_name(self, directive: Directive) -> None:
        self._once(directive)
        directive.count(1, 1, "map-file PATH")
        if "\0" in directive.words[0]:
            raise Refused("a path cannot hold a NUL", "write: map-file PATH")
        self.map_file = directive.words[0]

    def _read_log(self, directive: Directive) -> None:
        self._once(directive)
        self.log = tayga_words.read_log(directive)

    def _read_udp_cksum_mode(self, directive: Directive) -> None:
        self._last_counts(directive)
        self.udp_cksum_mode = tayga_words.read_udp_cksum_mode(directive)

    def _read_offlink_mtu(self, directive: Directive) -> None:
        self._once(directive)
        directive.count(1, 1, "offlink-mtu OCTETS")
        self.offlink_mtu = read_number(directive.words[0], "offlink-mtu", 1280, 65535)

    def _read_offload(self, directive: Directive) -> None:
        self._once(directive)
        directive.count(1, 1, "offload yes|no")
        self.offload = read_flag(directive.words[0], directive.keyword)

    def _read_fast_path(self, directive: Directive) -> None:
        self._once(directive)
        self.fast_path = fast_path_words.read_fast_path(directive)

    def _read_linger(self, directive: Directive) -> None:
        self._once(directive)
        self.linger = fast_path_words.read_linger(directive)

    def _read_new_hosts(self, directive: Directive) -> None:
        self._once(directive)
        self.new_hosts = fast_path_words.read_new_hosts(directive)

    def _read_bpffs(self, directive: Directive) -> None:
        self._once(directive)
        self.bpffs = tayga_words.read_path(directive)

    def _read_icmp_rate(self, directive: Directive) -> None:
        self._once(directive)
        self.icmp_rate = icmp_words.read_icmp_rate(directive)

    def _read_rfc6791_pool(self, directive: Directive) -> None:
        self._once(directive)
        self.rfc6791_pool = Placed(icmp_words.read_rfc6791_pool(directive), directive.place)

    def _read_rfc5837(self, directive: Directive) -> None:
        self._once(directive)
        directive.count(1, 1, "rfc5837 yes|no")
        self.rfc5837 = read_flag(directive.words[0], directive.keyword)

    def _read_tos(self, directive: Directive) -> None:
        self._once(directive)
        self.tos = tayga_words.read_tos(directive)

    def _read_workers(self, directive: Directive) -> None:
        self._once(directive)
        directive.count(1, 1, "workers NUMBER")
        self.workers = max(1, read_number(directive.words[0], "number of workers", 0, _MOST_WORKERS))

    def _read_tun_up(self, directive: Directive) -> None:
        self._last_counts(directive)
        directive.count(1, 1, "tun-up yes|no")
        self.tun_up = read_flag(directive.words[0], directive.keyword)

    def _read_tun_ip(self, directive: Directive) -> None:
        self.tun_ips.append(Placed(tayga_words.read_tun_ip(directive), directive.place))

    def _read_tun_route(self, directive: Directive) -> None:
        self.tun_routes.append(tayga_words.read_tun_route(directive))

    def _read_strict_frag_hdr(self, directive: Directive) -> None:
        self.findings.warn(
            directive.place,
            "'strict-frag-hdr' has no function any more, as in TAYGA 0.9.5",
            "remove the line",
        )

    def _read_control_socket(self, directive: Directive) -> None:
        self._once(directive)
        directive.count(1, 1, "control-socket PATH|none")
        self.control_socket = (
            None if directive.words[0].lower() == "none" else tayga_words.read_path(directive)
        )

    def _read_lease_listen(self, directive: Directive) -> None:
        self._once(directive)
        self.lease_listen = Placed(lease_words.read_endpoint(directive), directive.place)

    def _read_lease_peer(self, directive: Directive) -> None:
        self.lease_peers.append(Placed(lease_words.read_endpoint(directive), directive.place))
