"""The filters of RFC 6052, against its own table and against the translator's code."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.nat64.gateway.plugins.filter import fleet
from ansible_collections.nat64.gateway.plugins.filter.rfc6052 import FilterModule, embed, extract, first_host
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from nat64.addressing.prefix import LENGTHS, Pref64
from tests.unit.addressing.test_prefix import TABLE
from tests.unit.roles.rendering import evaluate

FILTERS = Path(__file__).parents[4] / "plugins" / "filter"

prefixes = st.builds(
    lambda length, address: IPv6Network((address, length), strict=False),
    st.sampled_from(LENGTHS),
    st.binary(min_size=16, max_size=16),
)


@pytest.mark.parametrize(("prefix", "address"), TABLE)
def test_rfc6052_2_4_examples(prefix: str, address: str) -> None:
    assert embed("192.0.2.33", prefix) == str(IPv6Address(address))
    assert extract(address, prefix) == "192.0.2.33"


@given(st.ip_addresses(v=4), prefixes)
def test_embeds_as_the_translator_does(ipv4: IPv4Address, prefix: IPv6Network) -> None:
    assert IPv6Address(embed(str(ipv4), str(prefix))).packed == Pref64(prefix).embed(ipv4.packed)


@given(prefixes, st.binary(min_size=16, max_size=16))
def test_extracts_as_the_translator_does(prefix: IPv6Network, tail: bytes) -> None:
    kept = prefix.prefixlen // 8
    packed = prefix.network_address.packed[:kept] + tail[kept:]
    expected = Pref64(prefix).extract(packed)
    assert expected is not None
    assert extract(str(IPv6Address(packed)), str(prefix)) == str(IPv4Address(expected))


@given(prefixes, st.ip_addresses(v=6))
def test_an_address_outside_the_prefix_has_nothing_to_extract(
    prefix: IPv6Network, other: IPv6Address
) -> None:
    if other not in prefix:
        with pytest.raises(AnsibleFilterError, match=f"{other} is not in {prefix}; give the prefix"):
            extract(str(other), str(prefix))


@pytest.mark.parametrize(
    ("network", "first"),
    [
        ("192.168.240.0/20", "192.168.240.1"),
        ("192.0.2.255/32", "192.0.2.255"),
        ("192.0.2.254/31", "192.0.2.254"),
        ("2001:db8:1::/64", "2001:db8:1::1"),
        ("2001:db8::2/127", "2001:db8::2"),
    ],
)
def test_the_first_host_stands_after_the_networks_own_address(network: str, first: str) -> None:
    assert first_host(network) == first


@given(st.ip_addresses(v=4), st.integers(0, 30))
def test_the_first_host_is_one_more_than_the_network(address: IPv4Address, length: int) -> None:
    network = IPv4Network((int(address), length), strict=False)
    assert IPv4Address(first_host(str(network))) == network.network_address + 1


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("embed", ("192.0.2", "64:ff9b::/96"), "'192.0.2'; give an IPv4 address, such as"),
        ("embed", (3221225985, "64:ff9b::/96"), "'3221225985'; give an IPv4 address, such as"),
        ("embed", ("192.0.2.1", "64:ff9b::"), "'64:ff9b::' has the length 128; RFC 6052 allows 32, 40,"),
        ("embed", ("192.0.2.1", "64:ff9b::/95"), "'64:ff9b::/95' has the length 95; .* give one of these"),
        ("embed", ("192.0.2.1", "64:ff9b::1/96"), "64:ff9b::1/96 has host bits set; give an IPv6 prefix"),
        ("embed", ("192.0.2.1", None), "'None'; give an IPv6 prefix"),
        ("extract", ("192.0.2.1", "64:ff9b::/96"), "'192.0.2.1'; give an IPv6 address, such as"),
        ("extract", ("64:ff9b::1", "192.0.2.0/24"), "'192.0.2.0'; give an IPv6 prefix, such as"),
        ("first_host", ("192.168.240.1/20",), "192.168.240.1/20 has host bits set; give a network"),
        ("first_host", ("office",), "'office' .*; give a network, such as 192.168.240.0/20"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(name: str, arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"^{name}: .*{message}") as caught:
        FilterModule().filters()[name](*arguments)
    assert "\n" not in str(caught.value)


def test_every_filter_is_documented() -> None:
    documented = {YAML(typ="safe").load(path)["DOCUMENTATION"]["name"] for path in FILTERS.glob("*.yml")}
    assert documented == {*FilterModule().filters(), *fleet.FilterModule().filters()}


def test_templates_find_the_filters_by_their_full_names() -> None:
    for expression, result in [
        ("'192.0.2.33' | nat64.gateway.embed('2001:db8::/32')", "2001:db8:c000:221::"),
        ("'2001:db8:c000:221::' | nat64.gateway.extract('2001:db8::/32')", "192.0.2.33"),
        ("'192.168.240.0/20' | nat64.gateway.first_host", "192.168.240.1"),
    ]:
        assert evaluate(expression) == result


def test_what_is_no_network_gives_what_the_caller_has_for_it() -> None:
    assert first_host("garbage", otherwise="") == ""
    assert first_host("192.0.2.0/24", otherwise="") == "192.0.2.1"
