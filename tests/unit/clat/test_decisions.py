"""When the CLAT runs, with which address and prefix, and what it asks for that (RFC 6877)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Interface, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.prefix import Pref64
from nat64.clat.decisions import Clat, DetectDuplicate, Resolve, Solicit
from nat64.clat.identifiers import stable_address
from nat64.clat.network import HostAddress, HostNetwork, Uplink
from nat64.discovery.advertisement import AdvertisedPrefix, RouterAdvertisement

SECRET = bytes(32)
A, B = (Pref64(IPv6Network(each)) for each in ("64:ff9b::/96", "2001:db8:64:ff9b::/96"))
LAN, OTHER_LAN, LOCAL_LAN = (
    IPv6Network(each) for each in ("2001:db8:1::/64", "2001:db8:2::/64", "fd00:1::/64")
)


def address(network: IPv6Network, *, deprecated: bool = False, usable: bool = True) -> HostAddress:
    return HostAddress(
        IPv6Interface((int(network.network_address) + 7, network.prefixlen)),
        is_deprecated=deprecated,
        is_usable=usable,
    )


def uplink(*addresses: HostAddress) -> Uplink:
    return Uplink("lan0", 2, 1500, addresses)


HOME = HostNetwork(uplink(address(LAN)))
NOWHERE = HostNetwork()


def says(prefix: Pref64, lifetime: int = 1800) -> RouterAdvertisement:
    return RouterAdvertisement(IPv6Address("fe80::1"), (AdvertisedPrefix(prefix, lifetime),))


def check(clat: Clat, now: float, *, unique: bool = True) -> IPv6Address:
    """Do the check for duplicates that it asks for, and return the address."""
    (asked,) = [each for each in clat.act(now) if isinstance(each, DetectDuplicate)]
    assert asked.index == 2
    clat.checked(asked.address, now, is_unique=unique)
    return asked.address


def running(network: HostNetwork = HOME) -> Clat:
    clat = Clat(SECRET)
    clat.observe(network, 0)
    clat.advertised(says(A), 0)
    check(clat, 0)
    assert clat.wanted(0) is not None
    return clat


def test_it_runs_with_a_prefix_and_an_address_that_no_other_host_has() -> None:
    clat = Clat(SECRET)
    clat.observe(HOME, 0)
    clat.advertised(says(A), 0)
    assert clat.wanted(0) is None
    own = check(clat, 0)
    wanted = clat.wanted(0)
    assert wanted is not None
    assert own in LAN
    assert (wanted.address, wanted.prefix, wanted.uplink, wanted.mtu) == (own, A, "lan0", 1500)
    assert wanted.source == LAN[7]
    assert [each for each in clat.act(1) if isinstance(each, DetectDuplicate)] == []


def test_routers_are_asked_three_times_and_name_servers_when_none_tells_a_prefix() -> None:
    clat = Clat(SECRET)
    clat.observe(HOME, 100)
    assert clat.act(100) == [Solicit()]
    assert clat.next_timer(100) == 104
    assert clat.act(103) == []
    assert clat.act(104) == [Solicit(), Resolve()]
    clat.resolved([], 0, 105)
    assert "no NAT64 prefix" in clat.reason(105)
    assert clat.next_timer(105) == 108
    assert clat.act(108) == [Solicit()]
    assert clat.act(112) == []
    assert clat.act(115) == [Resolve()]
    clat.resolved([], 0, 116)
    assert clat.next_timer(116) == 136  # twice as long


def test_with_a_prefix_from_a_router_nobody_is_asked_any_more() -> None:
    clat = running()
    assert clat.act(50) == []
    assert clat.next_timer(50) == 1800


def test_name_servers_are_asked_when_routers_tell_no_prefix_any_more() -> None:
    clat = running()
    assert clat.wanted(1799) is not None
    assert clat.wanted(1800) is None
    assert clat.act(1800) == [Resolve()]


def test_rfc7050_3_an_answer_is_asked_for_again_before_it_ends() -> None:
    clat = Clat(SECRET)
    clat.observe(HOME, 0)
    clat.act(2)
    clat.resolved([A], 300, 2)
    own = check(clat, 2)
    assert clat.act(200) == [Solicit()]
    assert Resolve() in clat.act(292)
    clat.resolved([], 0, 293)  # no answer: the earlier one holds as long as it was to
    assert clat.wanted(301) is not None
    assert clat.wanted(302) is None
    clat.resolved([B], 300, 303)
    wanted = clat.wanted(303)
    assert wanted is not None
    assert (wanted.prefix, wanted.address) == (B, own)


def test_another_prefix_keeps_the_address() -> None:
    clat = running()
    before = clat.wanted(1)
    clat.advertised(says(B), 10)
    after = clat.wanted(10)
    assert before is not None
    assert after == replace(before, prefix=B)


def test_native_ipv4_comes_and_goes() -> None:
    clat = running()
    clat.observe(replace(HOME, native_ipv4="eth1"), 10)
    assert clat.wanted(10) is None
    assert clat.act(10) == []
    assert clat.next_timer(10) is None
    assert "eth1" in clat.reason(10)
    clat.observe(HOME, 20)
    assert clat.wanted(20) is not None


def test_another_clat_has_precedence() -> None:
    clat = running()
    clat.observe(replace(HOME, other_clat="cl-lan0"), 10)
    assert clat.wanted(10) is None
    assert "cl-lan0" in clat.reason(10)


def test_rfc7217_6_another_address_is_tried_where_a_host_has_the_first_and_a_rest_is_taken_after_three() -> (
    None
):
    clat = Clat(SECRET)
    clat.observe(HOME, 0)
    clat.advertised(says(A), 0)
    tried = [check(clat, 0, unique=False) for _ in range(3)]
    assert tried == [stable_address(SECRET, LAN, "lan0", conflicts) for conflicts in range(3)]
    assert clat.act(1) == []
    assert clat.next_timer(1) == 60
    assert "3 addresses were other hosts'" in clat.reason(1)
    assert check(clat, 60) not in tried
    assert clat.wanted(60) is not None


def test_a_network_that_is_renumbered_gives_another_address_and_the_prefix_is_looked_for_again() -> None:
    clat = running()
    clat.observe(HostNetwork(uplink(address(LAN, deprecated=True), address(OTHER_LAN))), 10)
    assert clat.wanted(10) is None
    actions = clat.act(10)
    assert Solicit() in actions
    (asked,) = [each for each in actions if isinstance(each, DetectDuplicate)]
    assert asked.address in OTHER_LAN
    clat.checked(asked.address, 11, is_unique=True)
    wanted = clat.wanted(11)
    assert wanted is not None
    assert (wanted.address, wanted.source) == (asked.address, OTHER_LAN[7])


def test_the_outcome_for_an_address_that_is_no_longer_wanted_is_ignored() -> None:
    clat = Clat(SECRET)
    clat.observe(HOME, 0)
    clat.advertised(says(A), 0)
    (asked,) = [each for each in clat.act(0) if isinstance(each, DetectDuplicate)]
    clat.observe(HostNetwork(uplink(address(OTHER_LAN))), 1)
    clat.checked(asked.address, 2, is_unique=True)
    assert clat.wanted(2) is None


def test_another_network_is_not_believed_what_the_last_one_said() -> None:
    clat = running()
    clat.observe(NOWHERE, 10)
    assert clat.wanted(10) is None
    clat.observe(HOME, 11)
    assert clat.wanted(11) is None
    assert clat.act(11) == [Solicit()]


def test_addresses_that_are_no_source_give_none() -> None:
    for useless in (
        address(LAN, deprecated=True),
        address(LAN, usable=False),
        address(IPv6Network("2001:db8:1::/128")),
    ):
        clat = Clat(SECRET)
        clat.observe(HostNetwork(uplink(useless)), 0)
        clat.advertised(says(A), 0)
        assert not [each for each in clat.act(0) if isinstance(each, DetectDuplicate)]
        assert "no address in a /64" in clat.reason(0)


def test_a_global_network_goes_before_a_local_one() -> None:
    clat = Clat(SECRET)
    clat.observe(HostNetwork(uplink(address(LOCAL_LAN), address(LAN))), 0)
    clat.advertised(says(A), 0)
    assert check(clat, 0) in LAN


def test_a_prefix_that_is_given_is_not_looked_for() -> None:
    clat = Clat(SECRET, B)
    clat.observe(HOME, 0)
    check(clat, 0)
    assert clat.act(100) == []
    wanted = clat.wanted(100)
    assert wanted is not None
    assert wanted.prefix == B


NETWORKS = st.sampled_from(
    [
        HOME,
        NOWHERE,
        HostNetwork(uplink(address(OTHER_LAN))),
        HostNetwork(uplink()),
        replace(HOME, native_ipv4="eth1"),
        replace(HOME, other_clat="cl-lan0"),
    ]
)
EVENTS = st.one_of(
    NETWORKS,
    st.builds(says, st.sampled_from([A, B]), st.sampled_from([0, 80])),
    st.sampled_from([(), (A,), (B,)]),
    st.booleans(),
    st.floats(0, 500),
)


@given(st.lists(EVENTS, max_size=60))
def test_whatever_happens_it_runs_only_where_it_may_and_only_with_an_address_that_was_checked(
    events: list[HostNetwork | RouterAdvertisement | tuple[Pref64, ...] | bool | float],
) -> None:
    clat, network, now = Clat(SECRET), NOWHERE, 0.0
    asked: list[IPv6Address] = []
    unique: set[IPv6Address] = set()
    for event in events:
        match event:
            case HostNetwork():
                network = event
                clat.observe(network, now)
            case RouterAdvertisement():
                clat.advertised(event, now)
            case tuple():
                clat.resolved(event, 100, now)
            case bool():
                for each in asked:
                    clat.checked(each, now, is_unique=event)
                    unique |= {each} if event else set()
                asked.clear()
            case float():
                now += event
        actions = clat.act(now)
        asked += [each.address for each in actions if isinstance(each, DetectDuplicate)]
        wanted, timer = clat.wanted(now), clat.next_timer(now)
        assert clat.reason(now)
        assert timer is None or timer >= now
        if wanted is not None:
            assert network.uplink is not None
            assert not network.native_ipv4
            assert not network.other_clat
            assert wanted.address in unique
            assert any(wanted.address in each for each in network.uplink.subnets())
