"""tayga.conf as TAYGA 0.9.6 reads it, and our additions."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.address_map import Hairpin
from nat64.addressing.eamt import Eam
from nat64.addressing.host_limit import HostsPerPrefix
from nat64.addressing.prefix import LENGTHS, Pref64
from nat64.config import tayga
from nat64.config.grammar import ConfigError
from nat64.config.tayga_prefixes import PrefixConfig
from nat64.config.tayga_words import Tos

if TYPE_CHECKING:
    from nat64.config.nat_config import NatConfig

LEAST = """\
tun-device nat64
ipv4-addr 192.168.240.1
prefix 2001:db8:64::/96
"""


def parse(*lines: str, base: str = LEAST, **options: str | int) -> NatConfig:
    return tayga.parse(base + "\n".join(lines), "t.conf", **options)  # type: ignore[arg-type] # those of the parser


def mistakes(*lines: str, base: str = LEAST) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse(*lines, base=base)
    return [str(mistake) for mistake in raised.value.mistakes]


def warnings(*lines: str, base: str = LEAST) -> list[str]:
    return [str(warning) for warning in parse(*lines, base=base).warnings]


def test_what_is_left_out_has_taygas_defaults() -> None:
    config = parse()
    assert config.tun_device == "nat64"
    assert config.ipv4_addr == IPv4Address("192.168.240.1")
    assert config.ipv6_addr == IPv6Address("2001:db8:64::192.168.240.1")
    assert config.prefix == Pref64(IPv6Network("2001:db8:64::/96"))
    assert config.wkpf_strict
    assert config.dynamic_pool is None
    assert config.eams == ()
    assert config.data_dir is None
    assert config.log == frozenset()
    assert config.udp_cksum_mode == "drop"
    assert config.offlink_mtu == 1280
    assert config.icmp_rate == (1000, 250)
    assert not config.tun_up
    assert config.control_socket == Path("/run/nat64d/control.sock")
    assert config.warnings == ()


def test_every_directive_is_read() -> None:
    config = parse(
        "ipv6-addr 2001:db8:1::2",
        "wkpf-strict no",
        "dynamic-pool 192.168.240.0/20",
        "max-hosts-per-prefix 64 1024",
        "data-dir /var/lib/nat64",
        "map 198.51.100.7 2001:db8:1::7",
        "map 198.51.100.128/25 2001:db8:2::/121",
        "log drop reject icmp self dyn",
        "udp-cksum-mode calc",
        "offlink-mtu 1492",
        "icmp-rate 500 burst 50",
        "tos 0x20 copy",
        "tun-up yes",
        "tun-ip 192.0.0.1/29",
        "tun-ip 2001:db8::1",
        "tun-route 192.168.240.0/20",
        "tun-route 64:ff9b::/96",
        "tun-route 2001:db8::9",
        "control-socket /run/x.sock",
    )
    assert config.ipv6_addr == IPv6Address("2001:db8:1::2")
    assert not config.wkpf_strict
    assert config.dynamic_pool == IPv4Network("192.168.240.0/20")
    assert config.max_hosts_per_prefix == HostsPerPrefix(64, 1024)
    assert config.data_dir == Path("/var/lib/nat64")
    assert config.eams == (
        Eam(IPv4Network("198.51.100.7"), IPv6Network("2001:db8:1::7")),
        Eam(IPv4Network("198.51.100.128/25"), IPv6Network("2001:db8:2::/121")),
    )
    assert config.log == {"drop", "reject", "icmp", "self", "dyn"}
    assert config.udp_cksum_mode == "calc"
    assert config.offlink_mtu == 1492
    assert config.icmp_rate == (500, 50)
    assert config.tos == Tos(to_ipv4=32, to_ipv6=None)
    assert config.tun_up
    assert config.tun_ips == (IPv4Interface("192.0.0.1/29"), IPv6Interface("2001:db8::1/128"))
    assert config.tun_routes == (
        IPv4Network("192.168.240.0/20"),
        IPv6Network("64:ff9b::/96"),
        IPv6Network("2001:db8::9/128"),
    )
    assert config.control_socket == Path("/run/x.sock")


def test_keywords_are_case_insensitive_and_comments_begin_a_word() -> None:
    config = parse("Offlink-MTU 1400 # octets", "#log drop", "\tLOG\tDrop  #more")
    assert config.offlink_mtu == 1400
    assert config.log == {"drop"}


@pytest.mark.parametrize(
    ("words", "tos"),
    [
        ("copy", Tos()),
        ("0", Tos(0, 0)),
        ("COPY 0", Tos(None, 0)),
        ("0xB8 255", Tos(184, 255)),
        ("0XfF", Tos(255, 255)),
    ],
)
def test_tos_is_for_both_directions_or_for_each(words: str, tos: Tos) -> None:
    assert parse(f"tos {words}").tos == tos


@pytest.mark.parametrize(
    ("word", "mode"),
    [("drop", "drop"), ("DR", "drop"), ("calculate", "calc"), ("fwd", "fwd"), ("Forward", "fwd")],
)
def test_tayga_spellings_of_udp_cksum_mode(word: str, mode: str) -> None:
    assert parse(f"udp-cksum-mode {word}").udp_cksum_mode == mode


@pytest.mark.parametrize(
    ("word", "expected"),
    [("yes", True), ("True", True), ("ON", True), ("1", True), ("no", False), ("off", False), ("0", False)],
)
def test_tayga_spellings_of_flags(word: str, expected: bool) -> None:
    assert parse(f"tun-up {word}").tun_up is expected


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("dynamic-poll 10.0.0.0/8", "unknown directive 'dynamic-poll'; did you mean 'dynamic-pool'?"),
        ("metrics-listen ::1", "'metrics-listen' is not supported by this version; remove the line"),
        ("fast-path on", "'on' is no fast-path; write: fast-path auto|require|off"),
        ("linger 3601", "'3601' is not a valid number of seconds to linger; give a number from 0 to 3600"),
        (
            "new-hosts none",
            "'none' is no number of new hosts; write: new-hosts NUMBER|unlimited, e.g.: new-hosts 1000",
        ),
        ("new-hosts 0", "'0' is not a valid number of new hosts per second; give a number from 1 to 1000000"),
        ("lease-listen link", "'link' is not an IPv4 or IPv6 address"),
        ("lease-listen ::", ":: is no address of one gateway; give that of the link between the gateways"),
        (
            "lease-peer 192.0.2.1 6464",
            "'6464' is not understood here; write: lease-peer ADDRESS [port NUMBER]",
        ),
        ("lease-listen 192.0.2.1", "lease-listen, and no lease-peer that may ask; name the other gateway"),
        ("bpffs sys/fs/bpf", "'sys/fs/bpf' is not an absolute path; write: bpffs /PATH"),
        ("dynamic-pool 10.0.0.0", "'10.0.0.0' is not an IPv4 network with a length"),
        ("dynamic-pool 10.0.0.1/8", "'10.0.0.1/8' has bits set after its length; did you mean 10.0.0.0/8?"),
        ("dynamic-pool 10.0.0.0/32", "a pool cannot have the length 32"),
        ("dynamic-pool 127.0.0.0/8", "127.0.0.0/8 is reserved"),
        ("dynamic-pool 10.0.0.0/8 extra", "'dynamic-pool' has 2 arguments"),
        ("map 10.0.0.1", "'map' has 1 argument"),
        (
            "map 10.0.0.0/24 2001:db8::/121",
            "2001:db8::/121 is too small for the addresses of 10.0.0.0/24; write the IPv6 network with /120, or",
        ),
        ("map 10.0.0.1/24 2001:db8::/120", "'10.0.0.1/24' has bits set after its length"),
        ("map 224.0.0.1 2001:db8::1", "224.0.0.1/32 is reserved"),
        ("map 10.0.0.1 fe80::1", "fe80::1/128 is reserved"),
        (
            "map 10.0.0.1 2001:db8::1 prefix 64:ff9b::/96",
            "there is no prefix 64:ff9b::/96; add a line: prefix 64:ff9b::/96",
        ),
        (
            "map 10.0.0.1 2001:db8::1 pool 10.0.0.0/8",
            "'pool 10.0.0.0/8' cannot follow a map; write: map IPV4[",
        ),
        ("map 10.0.0.1 2001:db8::1 prefix", "'prefix' cannot follow a map; write: map IPV4[/LENGTH] IPV6["),
        ("map 192.168.240.1 2001:db8::1", "192.168.240.1 is the translator's own address since t.conf:2"),
        (
            "map 10.0.0.1 2001:db8:64::1",
            "2001:db8:64::1/128 overlaps the prefix 2001:db8:64::/96 of t.conf:3",
        ),
        ("data-dir lib", "'lib' is not an absolute path"),
        ("log everything", "'everything' cannot be logged; choose from: drop reject icmp self dyn"),
        ("udp-cksum-mode pass", "'pass' is no udp-cksum-mode"),
        (
            "max-hosts-per-prefix 64",
            "'max-hosts-per-prefix' has 1 argument; write: max-hosts-per-prefix LENGTH NUMBER",
        ),
        ("max-hosts-per-prefix 129 8", "'129' is not a valid prefix length; give a number from 1 to 128"),
        ("max-hosts-per-prefix 64 0", "'0' is not a valid number of hosts; give a number from 1 to 16777216"),
        ("tos 256", "'256' is not a valid tos; write copy, or a number from 0 to 255 or 0x00 to 0xff"),
        ("tos 0xg0", "'0xg0' is not a valid tos; write copy, or a number from 0 to 255 or 0x00 to 0xff"),
        ("tos 1 2 3", "'tos' has 3 arguments; write: tos copy|TO_IPV4 [copy|TO_IPV6], e.g.: tos 0"),
        ("offlink-mtu 1279", "'1279' is not a valid offlink-mtu; give a number from 1280 to 65535"),
        ("workers 65", "'65' is not a valid number of workers"),
        ("wkpf-strict maybe", "'maybe' is neither yes nor no"),
        ("tun-ip somewhere", "'somewhere' is not an address"),
        ("tun-ip fe80::1%eth0", "'fe80::1%eth0' names an interface"),
        ("tun-route 10.0.0.1/8", "'10.0.0.1/8' has bits set after its length; did you mean 10.0.0.0/8?"),
        ("control-socket run", "'run' is not an absolute path"),
        ("tun-device nat65", "'tun-device' already stands at t.conf:1; keep one of the two"),
        ("ipv4-addr 192.168.240.9", "'ipv4-addr' already stands at t.conf:2; keep one of the two"),
        (
            "prefix 2001:db8:64::/96",
            "the prefix 2001:db8:64::/96 overlaps the prefix 2001:db8:64::/96 of t.conf:3",
        ),
        ("prefix 2001:db8::/32", "the prefix 2001:db8::/32 overlaps the prefix 2001:db8:64::/96 of t.conf:3"),
        (
            "prefix 64:ff9b::/96 pool",
            "'pool' cannot follow a prefix; write: prefix ADDRESS/LENGTH [pool ADDR",
        ),
        (
            "prefix 64:ff9b::/96 10.0.0.0/8",
            "'10.0.0.0/8' cannot follow a prefix; write: prefix ADDRESS/LENGTH",
        ),
        (
            "prefix 64:ff9b::/96 pool 127.0.0.0/8",
            "127.0.0.0/8 is reserved; take a private network, e.g.: pool ",
        ),
        ("hairpin maybe", "'maybe' is no way to hairpin; write: hairpin off|simple|intrinsic"),
        (
            "ipv6-addr 2001:db8:64::1",
            "ipv6-addr 2001:db8:64::1 lies inside the prefix 2001:db8:64::/96 of t.conf:3",
        ),
        ("ipv6-addr ::1", "::1 is reserved"),
        ("map-file maps", "map-file 'maps' is relative to a data-dir that is not set"),
    ],
)
def test_a_mistake_names_its_place_and_its_remedy(line: str, problem: str) -> None:
    (mistake,) = mistakes(line)
    assert mistake.startswith(f"t.conf:4: {problem}")
    assert "; " in mistake


@pytest.mark.parametrize("length", sorted(set(range(0, 129, 3)) - set(LENGTHS)))
def test_rfc6052_2_2_a_prefix_of_another_length_is_refused(length: int) -> None:
    base = LEAST.replace("2001:db8:64::/96", f"2000::/{length}" if length > 2 else f"::/{length}")
    assert mistakes(base=base)[0].startswith(f"t.conf:3: a NAT64 prefix cannot have the length {length}; ")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_lines() -> None:
    found = mistakes("log nothing", "offlink-mtu 9", "colour blue", base="prefix 64:ff9b::/95\n")
    assert [mistake.partition(": ")[0] for mistake in found] == ["t.conf"] * 2 + [
        f"t.conf:{n}" for n in (1, 2, 3, 4)
    ]
    assert found[0] == "t.conf: no tun-device; name the interface, e.g.: tun-device nat64"


def test_duplicate_and_overlapping_maps_name_both_places() -> None:
    found = mistakes(
        "map 10.0.0.1 2001:db8:1::1",
        "map 10.0.0.1 2001:db8:1::2",
        "map 10.0.0.3 2001:db8:1::1",
        "map 10.0.0.4 2001:db8:9::9",
        "ipv6-addr 2001:db8:9::9",
    )
    assert found == [
        "t.conf:5: 10.0.0.1/32 is already mapped at t.conf:4; keep one of the two maps",
        "t.conf:6: 2001:db8:1::1/128 is already mapped at t.conf:4; keep one of the two maps",
        (
            "t.conf:7: 2001:db8:9::9/128 contains the translator's own address 2001:db8:9::9 of t.conf:8; "
            "map another IPv6 address"
        ),
    ]


def test_a_map_that_takes_the_whole_pool_is_refused() -> None:
    (mistake,) = mistakes("dynamic-pool 10.1.0.0/16", "map 10.0.0.0/8 2001:db8:1::/104")
    assert mistake.startswith(
        "t.conf:5: the map 10.0.0.0/8 takes every address of the pool 10.1.0.0/16 of t.conf:4"
    )


def test_tayga_own_address_maps_and_tun_ips_may_lie_in_the_pool_and_are_kept_out_of_it() -> None:
    config = parse(
        "dynamic-pool 192.168.240.0/20", "map 192.168.240.9 2001:db8:1::9", "tun-ip 192.168.240.2/32"
    )
    assert set(config.reserved_in_pools()) == {
        IPv4Network("192.168.240.1"),
        IPv4Network("192.168.240.2"),
        IPv4Network("192.168.240.9"),
    }


def test_rfc7757_maps_may_contain_one_another() -> None:
    assert len(parse("map 10.0.0.0/24 2001:db8:1::/120", "map 10.0.0.7 2001:db8:1::99").eams) == 2


def test_each_prefix_has_its_own_pool_and_maps() -> None:
    config = parse(
        "map 192.0.2.7 2001:db8:1::7 PREFIX 2001:db8:65::/64",  # before its prefix
        "dynamic-pool 192.168.240.0/20",
        "map 192.0.2.8 2001:db8:1::7",
        "prefix 2001:db8:65::/64 Pool 10.1.0.0/16",
        "prefix 64:ff9b::/96",
        "map 192.0.2.9 2001:db8:1::9 prefix 2001:db8:64::/96",
    )
    first, second = Pref64(IPv6Network("2001:db8:64::/96")), Pref64(IPv6Network("2001:db8:65::/64"))
    assert config.prefixes == (
        PrefixConfig(
            first,
            IPv4Network("192.168.240.0/20"),
            (
                Eam(IPv4Network("192.0.2.8"), IPv6Network("2001:db8:1::7")),
                Eam(IPv4Network("192.0.2.9"), IPv6Network("2001:db8:1::9")),
            ),
        ),
        PrefixConfig(
            second,
            IPv4Network("10.1.0.0/16"),
            (Eam(IPv4Network("192.0.2.7"), IPv6Network("2001:db8:1::7")),),
        ),
        PrefixConfig(Pref64(IPv6Network("64:ff9b::/96"))),
    )
    assert config.prefix == first
    assert config.ipv6_addr == IPv6Address("2001:db8:64::192.168.240.1")
    assert IPv4Network("192.0.2.7") in config.reserved_in_pools()


def test_the_first_prefix_may_have_its_pool_in_its_own_line() -> None:
    base = LEAST.replace("/96", "/96 pool 192.168.240.0/20")
    assert parse(base=base) == parse("dynamic-pool 192.168.240.0/20")
    assert mistakes("dynamic-pool 10.0.0.0/8", base=base) == [
        "t.conf:4: the first prefix has a pool of its own at t.conf:3; keep one of the two pools"
    ]


def test_overlaps_among_prefixes_pools_and_maps_name_both_places() -> None:
    assert mistakes(
        "dynamic-pool 10.0.0.0/8",
        "prefix 2001:db8:65::/96 pool 10.9.0.0/16",
        "prefix 2001:db8::/32 pool 192.168.240.0/20",
        "map 192.0.2.7 2001:db8:65::7",
        "map 192.168.240.0/20 2001:db8:1::/64",
        "map 192.0.2.8 3fff::1 prefix 2001:db8:65::/96",
        "map 192.0.2.9 3fff::1",
        "map 192.0.2.8 3fff::1",
        "ipv6-addr 2001:db8:65::1",
    ) == [
        (
            "t.conf:5: the pool 10.9.0.0/16 overlaps the pool 10.0.0.0/8 of t.conf:4; "
            "give pools that have no address in common"
        ),
        (
            "t.conf:6: the prefix 2001:db8::/32 overlaps the prefix 2001:db8:64::/96 of t.conf:3; "
            "give prefixes that have no address in common"
        ),
        (
            "t.conf:7: 2001:db8:65::7/128 overlaps the prefix 2001:db8:65::/96 of t.conf:5; "
            "map an IPv6 address outside the prefix"
        ),
        (
            "t.conf:7: 2001:db8:65::7/128 overlaps the prefix 2001:db8::/32 of t.conf:6; "
            "map an IPv6 address outside the prefix"
        ),
        (
            "t.conf:8: the map 192.168.240.0/20 takes every address of the pool 192.168.240.0/20 of t.conf:6; "
            "map another IPv4 network, or remove the pool"
        ),
        (
            "t.conf:8: 2001:db8:1::/64 overlaps the prefix 2001:db8::/32 of t.conf:6; "
            "map an IPv6 address outside the prefix"
        ),
        "t.conf:11: 192.0.2.8/32 is already mapped at t.conf:9; keep one of the two maps",
        "t.conf:11: 3fff::1/128 is already mapped at t.conf:10; keep one of the two maps",
        (
            "t.conf:12: ipv6-addr 2001:db8:65::1 lies inside the prefix 2001:db8:65::/96 of t.conf:5; "
            "give an address outside it, or none, so that one is made from ipv4-addr"
        ),
        (
            "t.conf:12: ipv6-addr 2001:db8:65::1 lies inside the prefix 2001:db8::/32 of t.conf:6; "
            "give an address outside it, or none, so that one is made from ipv4-addr"
        ),
    ]


def test_a_prefix_that_is_refused_is_not_missed_by_its_maps() -> None:
    (mistake,) = mistakes("prefix 2001:db8:65::/95", "map 192.0.2.7 2001:db8:1::7 prefix 2001:db8:65::/96")
    assert mistake.startswith("t.conf:4: a NAT64 prefix cannot have the length 95")


@pytest.mark.parametrize("word", ["off", "Simple", "INTRINSIC"])
def test_hairpin_is_read(word: str) -> None:
    assert parse(f"hairpin {word}").hairpin is Hairpin(word.lower())
    assert parse().hairpin is Hairpin.INTRINSIC


def test_rfc7757_3_2_the_ipv6_network_of_a_map_may_be_the_larger_one() -> None:
    (eam,) = parse("map 192.0.2.0/24 2001:db8:1::/64").eams
    assert eam == Eam(IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8:1::/64"))


def test_tayga_a_private_ipv4_addr_needs_an_ipv6_addr_beside_the_well_known_prefix() -> None:
    base = LEAST.replace("2001:db8:64::/96", "64:ff9b::/96")
    (mistake,) = mistakes(base=base)
    assert mistake.startswith(
        "t.conf:2: 192.168.240.1 is not a global address, so it has no place in 64:ff9b::/96"
    )
    assert parse("ipv6-addr 2001:db8:1::2", base=base).ipv6_addr == IPv6Address("2001:db8:1::2")
    lax = parse("wkpf-strict no", base=base)
    assert lax.ipv6_addr == IPv6Address("64:ff9b::192.168.240.1")


def test_without_a_prefix_maps_and_an_ipv6_addr_are_needed() -> None:
    base = "tun-device nat64\nipv4-addr 192.168.240.1\n"
    assert mistakes(base=base) == [
        "t.conf: neither prefix nor map; say what to translate, e.g.: prefix 64:ff9b::/96",
        (
            "t.conf: no ipv6-addr, and no prefix to make one from; "
            "give the translator an IPv6 address, e.g.: ipv6-addr 2001:db8::64"
        ),
    ]
    config = parse("map 10.0.0.1 2001:db8::1", "ipv6-addr 2001:db8:1::2", base=base)
    assert config.prefix is None


def test_state_directory_stands_in_for_data_dir() -> None:
    assert parse(state_directory="/var/lib/nat64").data_dir == Path("/var/lib/nat64")
    assert parse("data-dir /srv", state_directory="/var/lib/nat64").data_dir == Path("/srv")
    several = parse(state_directory="/var/lib/a:/var/lib/b")
    assert several.data_dir == Path("/var/lib/a")
    assert "several directories" in str(several.warnings[0])
    with pytest.raises(ConfigError, match="STATE_DIRECTORY 'lib' is not an absolute path"):
        parse(state_directory="lib")


def test_the_fast_path_is_used_where_it_can_be_unless_the_config_says_otherwise() -> None:
    assert (parse().fast_path, parse().linger, str(parse().bpffs)) == ("auto", 30, "/sys/fs/bpf")
    assert (parse("fast-path OFF").fast_path, parse("fast-path require").fast_path) == ("off", "require")
    assert (parse().new_hosts, parse("new-hosts 5").new_hosts, parse("new-hosts unlimited").new_hosts) == (
        1000,
        5,
        0,
    )
    assert (parse("linger 0").linger, str(parse("bpffs /run/bpf").bpffs)) == (0, "/run/bpf")


def test_gateways_that_share_their_leases() -> None:
    config = parse("lease-listen 192.0.2.1", "lease-peer 192.0.2.2 port 7000", "lease-peer 2001:db8::2")
    assert str(config.lease_listen) == "192.0.2.1:6464"
    assert [str(peer) for peer in config.lease_peers] == ["192.0.2.2:7000", "[2001:db8::2]:6464"]
    assert (parse().lease_listen, parse().lease_peers) == (None, ())


@pytest.mark.parametrize(
    ("peer", "problem"),
    [("192.0.2.1", "is this gateway's own lease-listen"), ("192.0.2.2", "already stands at")],
)
def test_a_peer_is_another_gateway_and_stands_there_once(peer: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse("lease-listen 192.0.2.1", "lease-peer 192.0.2.2", f"lease-peer {peer}")


def test_workers_and_offload() -> None:
    assert parse().offload is True
    assert (parse("workers 0", cores=8).workers, parse("WORKERS 4", cores=8).workers) == (1, 4)
    assert parse("offload no").offload is False


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (4, 4), (128, 64)])
def test_tayga_a_worker_for_each_core_without_the_directive(cores: int, workers: int) -> None:
    assert parse(cores=cores).workers == workers


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("strict-frag-hdr on", "t.conf:4: 'strict-frag-hdr' has no function any more"),
        ("tun-ip 192.168.240.1/24", "t.conf:4: tun-ip 192.168.240.1 is the translator's own address"),
    ],
)
def test_what_has_no_effect_is_told(line: str, warning: str) -> None:
    (found,) = warnings(line)
    assert found.startswith(warning)


def test_tayga_the_last_of_repeated_flags_counts_and_that_is_told() -> None:
    config = parse("wkpf-strict no", "wkpf-strict yes")
    assert config.wkpf_strict
    assert "already stands at t.conf:4" in str(config.warnings[0])


def test_rfc6052_2_2_bits_64_to_71_of_a_prefix_are_told() -> None:
    (found,) = warnings(base=LEAST.replace("2001:db8:64::/96", "2001:db8:64:0:100::/96"))
    assert "bits 64 to 71" in found


def test_the_control_socket_can_be_none() -> None:
    assert parse("control-socket none").control_socket is None


def test_map_file_adds_its_maps(tmp_path: Path) -> None:
    (tmp_path / "maps").write_text("# static\nmap 10.0.0.1 2001:db8:1::1\nMAP 10.0.0.2 2001:db8:1::2\n")
    path = tmp_path / "nat64.conf"
    path.write_text(f"{LEAST}data-dir {tmp_path}\nmap-file maps\nmap 10.0.0.3 2001:db8:1::3\n")
    config = tayga.read(path)
    assert [str(eam) for eam in config.eams] == [
        "10.0.0.3/32 2001:db8:1::3/128",
        "10.0.0.1/32 2001:db8:1::1/128",
        "10.0.0.2/32 2001:db8:1::2/128",
    ]


def test_map_file_mistakes_name_that_file(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text("map 10.0.0.1 2001:db8:1::1\nprefix 64:ff9b::/96\nmap 10.0.0.3 2001:db8:1::9\n")
    path = tmp_path / "nat64.conf"
    path.write_text(f"{LEAST}map 10.0.0.3 2001:db8:1::3\nmap-file {maps}\n")
    with pytest.raises(ConfigError) as raised:
        tayga.read(path, "shown.conf")
    assert [str(mistake) for mistake in raised.value.mistakes] == [
        f"{maps}:2: 'prefix' cannot stand in a map file; only 'map' directives can",
        f"{maps}:3: 10.0.0.3/32 is already mapped at shown.conf:4; keep one of the two maps",
    ]
    maps.unlink()
    with pytest.raises(ConfigError, match=r"shown\.conf:5: cannot read the map file"):
        tayga.read(path, "shown.conf")


def test_thousands_of_maps_are_read_quickly() -> None:
    lines = [f"map 10.{n >> 8}.{n & 255}.1 2001:db8:1::{n:x}" for n in range(5000)]
    assert len(parse(*lines).eams) == 5000


# TAYGA 0.9.6's own sample, without its comments
SAMPLE = """\
tun-device nat64
ipv4-addr 192.168.255.1
prefix 2001:db8:1:ffff::/96
wkpf-strict no
dynamic-pool 192.168.255.0/24
"""


def test_taygas_sample_config_is_accepted() -> None:
    config = tayga.parse(SAMPLE, "tayga.conf")
    assert config.ipv6_addr == IPv6Address("2001:db8:1:ffff::192.168.255.1")
    assert config.warnings == ()


WORDS = st.one_of(
    st.sampled_from(
        [
            "10.0.0.0/8",
            "10.0.0.1",
            "2001:db8::/96",
            "2001:db8::1",
            "64:ff9b::/96",
            "pool",
            "prefix",
            "yes",
            "drop",
            "/x",
            "1280",
            "%",
        ]
    ),
    st.text(max_size=12),
)
KEYWORDS = st.one_of(
    st.sampled_from(
        [
            "tun-device",
            "ipv4-addr",
            "ipv6-addr",
            "prefix",
            "wkpf-strict",
            "dynamic-pool",
            "data-dir",
            "map",
            "map-file",
            "log",
            "udp-cksum-mode",
            "offlink-mtu",
            "tos",
            "workers",
            "tun-up",
            "tun-ip",
            "tun-route",
            "strict-frag-hdr",
            "control-socket",
            "hairpin",
        ]
    ),
    st.text(max_size=12),
)
LINES = st.builds(lambda keyword, words: " ".join([keyword, *words]), KEYWORDS, st.lists(WORDS, max_size=4))


@given(st.lists(LINES, max_size=12), st.booleans())
def test_no_text_raises_anything_but_mistakes(lines: list[str], is_complete: bool) -> None:
    told: list[str] = []
    try:
        parse(*lines, base=LEAST if is_complete else "")
    except ConfigError as error:
        told = [str(mistake) for mistake in error.mistakes] or ["nothing"]
    assert all(mistake.startswith("t.conf") for mistake in told)
