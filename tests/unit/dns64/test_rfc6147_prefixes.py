"""RFC 6147 section 5.2 and RFC 6052: which prefix an IPv4 address is put in, and which addresses are left out."""

from __future__ import annotations

import itertools
from collections import Counter
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.prefix import Pref64
from nat64.config.dns64_config import Endpoint, Forwarder, SynthesisPrefix, View
from nat64.dns64.prefix_choice import PrefixChoice

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

NAME = "v4.example."
WELL_KNOWN = "64:ff9b::/96"
# 198.51.100.7 put into a prefix of each length, written out by the figure of RFC 6052 section 2.2.
BY_LENGTH = [
    ("3fff:1::/32", "3fff:1:c633:6407::"),
    ("3fff:2:100::/40", "3fff:2:1c6:3364:7::"),
    ("3fff:3:300::/48", "3fff:3:300:c633:64:700::"),
    ("3fff:4:300:aa00::/56", "3fff:4:300:aac6:33:6407::"),
    ("3fff:5:0:1::/64", "3fff:5:0:1:c6:3364:700:0"),
    ("3fff:6::/96", "3fff:6::198.51.100.7"),
]


def prefix(text: str, *ipv4: str) -> SynthesisPrefix:
    return SynthesisPrefix(Pref64(IPv6Network(text)), tuple(map(IPv4Network, ipv4)))


def choice(
    *prefixes: SynthesisPrefix, mapped: tuple[str, ...] = (), unmapped: tuple[str, ...] = ()
) -> PrefixChoice:
    return PrefixChoice(
        View(
            (Forwarder(Endpoint(IPv4Address("192.0.2.53"))),),
            prefixes=prefixes,
            mapped=tuple(map(IPv4Network, mapped)),
            unmapped=tuple(map(IPv4Network, unmapped)),
        )
    )


def embed(by: PrefixChoice, *addresses: str) -> list[str]:
    made = by.embed(IPv4Address(address).packed for address in addresses)
    return [str(IPv6Address(made[IPv4Address(a).packed])) for a in addresses if IPv4Address(a).packed in made]


@pytest.mark.parametrize(("network", "expected"), BY_LENGTH)
def test_rfc6052_2_2_each_prefix_length_embeds_as_its_figure_shows(
    lab: Make, reply: Make, config: Make, network: str, expected: str
) -> None:
    zone = {
        (NAME, "AAAA"): reply(),
        (NAME, "A"): reply(answer=(f"{NAME} 60 IN A 198.51.100.7",)),
    }
    response = lab(zone, config(prefixes=(prefix(network),))).ask(NAME)
    assert [IPv6Address(item.address) for item in response.answer[0]] == [IPv6Address(expected)]


def test_prefixes_of_different_lengths_take_equal_turns() -> None:
    by = choice(*(prefix(network) for network, _ in BY_LENGTH))
    made = [embed(by, "198.51.100.7")[0] for _ in range(12)]
    assert Counter(made) == {str(IPv6Address(expected)): 2 for _, expected in BY_LENGTH}


def test_the_addresses_of_one_answer_share_one_turn() -> None:
    by = choice(prefix("2001:db8:1::/96"), prefix("2001:db8:2::/96"))
    assert embed(by, "192.0.2.1", "192.0.2.2") == ["2001:db8:1::c000:201", "2001:db8:1::c000:202"]
    assert embed(by, "192.0.2.1") == ["2001:db8:2::c000:201"]


def test_a_prefix_for_a_range_serves_it_alone_and_the_longest_range_counts() -> None:
    by = choice(
        prefix("2001:db8:1::/96"),
        prefix("2001:db8:2::/96", "198.51.100.0/24", "203.0.113.64/26"),
        prefix("2001:db8:3::/96", "198.51.100.128/25"),
    )
    for _ in range(2):
        assert embed(by, "192.0.2.1", "198.51.100.1", "198.51.100.200", "203.0.113.65", "203.0.113.1") == [
            "2001:db8:1::c000:201",
            "2001:db8:2::c633:6401",
            "2001:db8:3::c633:64c8",
            "2001:db8:2::cb00:7141",
            "2001:db8:1::cb00:7101",
        ]


def test_without_a_prefix_for_the_rest_the_rest_is_left_out() -> None:
    by = choice(prefix("2001:db8:2::/96", "198.51.100.0/24"))
    assert embed(by, "192.0.2.1", "198.51.100.1") == ["2001:db8:2::c633:6401"]


def test_an_answer_from_ranges_alone_takes_no_turn_of_the_others() -> None:
    by = choice(
        prefix("2001:db8:1::/96"), prefix("2001:db8:2::/96"), prefix("2001:db8:3::/96", "198.51.100.0/24")
    )
    assert embed(by, "192.0.2.1") == ["2001:db8:1::c000:201"]
    assert embed(by, "198.51.100.1") == ["2001:db8:3::c633:6401"]
    assert embed(by, "192.0.2.1") == ["2001:db8:2::c000:201"]


def test_rfc6052_3_1_turns_stay_fair_where_the_well_known_prefix_may_not_serve() -> None:
    by = choice(prefix(WELL_KNOWN), prefix("2001:db8:1::/96"), prefix("2001:db8:2::/96"))
    made = Counter(IPv6Network(f"{embed(by, '10.0.0.1')[0]}/96", strict=False) for _ in range(6))
    assert made == {IPv6Network("2001:db8:1::/96"): 3, IPv6Network("2001:db8:2::/96"): 3}
    assert [embed(by, "8.8.8.8")[0].split("::")[0] for _ in range(3)] == [
        "64:ff9b",
        "2001:db8:1",
        "2001:db8:2",
    ]


def test_rfc6052_3_1_the_well_known_prefix_serves_no_range_that_is_not_global() -> None:
    assert not embed(choice(prefix(WELL_KNOWN, "10.0.0.0/8")), "10.0.0.1")


def test_mapped_names_the_only_addresses_and_unmapped_takes_some_away() -> None:
    one = prefix("2001:db8:1::/96")
    addresses = ("192.0.2.1", "198.51.100.1", "198.51.100.9")
    assert embed(choice(one, mapped=("198.51.100.0/24",)), *addresses) == [
        "2001:db8:1::c633:6401",
        "2001:db8:1::c633:6409",
    ]
    assert embed(choice(one, unmapped=("198.51.100.0/24",)), *addresses) == ["2001:db8:1::c000:201"]
    both = choice(one, mapped=("198.51.100.0/24",), unmapped=("198.51.100.8/29",))
    assert embed(both, *addresses) == ["2001:db8:1::c633:6401"]


def test_an_address_that_is_left_out_leaves_the_others_in_the_answer(
    lab: Make, reply: Make, config: Make
) -> None:
    zone = {
        (NAME, "AAAA"): reply(),
        (NAME, "A"): reply(answer=(f"{NAME} 60 IN A 192.0.2.33", f"{NAME} 60 IN A 198.51.100.1")),
    }
    response = lab(zone, config(unmapped=(IPv4Network("192.0.2.0/24"),))).ask(NAME)
    assert [item.address for item in response.answer[0]] == ["2001:db8:64::c633:6401"]


@given(
    ranges=st.lists(st.integers(0, 31), max_size=4, unique=True),
    mapped=st.lists(st.integers(0, 31), max_size=2),
    unmapped=st.lists(st.integers(20, 31), max_size=2),
    address=st.integers(0xC0000200, 0xC00002FF).map(IPv4Address),
)
def test_each_address_is_in_the_prefix_of_its_longest_range_or_in_the_shared_one(
    ranges: list[int], mapped: list[int], unmapped: list[int], address: IPv4Address
) -> None:
    def around(length: int) -> str:
        return str(IPv4Network(f"192.0.2.255/{length}", strict=False))

    def holds(lengths: list[int]) -> list[int]:
        return [length for length in lengths if address in IPv4Network(around(length))]

    shared = prefix("2001:db8:ffff::/96")
    dedicated = [prefix(f"2001:db8:{length:x}::/96", around(length)) for length in ranges]
    by = choice(*dedicated, shared, mapped=tuple(map(around, mapped)), unmapped=tuple(map(around, unmapped)))
    made = embed(by, str(address))
    if holds(unmapped) or (mapped and not holds(mapped)):
        assert not made
    else:
        longest = max(holds(ranges), default=0xFFFF)
        assert IPv6Address(made[0]) in IPv6Network(f"2001:db8:{longest:x}::/96")


@given(st.lists(st.sampled_from(["192.0.2.1", "8.8.8.8"]), min_size=1, max_size=60))
def test_no_prefix_is_ever_more_than_one_turn_ahead(answers: list[str]) -> None:
    networks = [WELL_KNOWN, "2001:db8:1::/96", "2001:db8:2::/64"]
    by = choice(*map(prefix, networks))
    used = Counter(
        (a, next(n for n in networks if IPv6Address(embed_one) in IPv6Network(n)))
        for a in answers
        for embed_one in embed(by, a)
    )
    for address, may in (("192.0.2.1", networks[1:]), ("8.8.8.8", networks)):
        for one, other in itertools.combinations(may, 2):
            assert abs(used[address, one] - used[address, other]) <= 1
