"""Which of the prefixes that are known is used, and for how long."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from nat64.addressing.prefix import Pref64
from nat64.discovery.advertisement import AdvertisedPrefix, RouterAdvertisement
from nat64.discovery.known_prefixes import MOST_ADVERTISED, KnownPrefixes, Origin

A, B, C = (Pref64(IPv6Network(f"2001:db8:{each}::/96")) for each in (1, 2, 3))
ROUTER, OTHER_ROUTER = IPv6Address("fe80::1"), IPv6Address("fe80::2")


def says(*prefixes: Pref64, lifetime: int = 1800, router: IPv6Address = ROUTER) -> RouterAdvertisement:
    return RouterAdvertisement(router, tuple(AdvertisedPrefix(each, lifetime) for each in prefixes))


def chosen(known: KnownPrefixes, now: float) -> Pref64 | None:
    found = known.choose(now)
    return found.prefix if found is not None else None


def test_rfc8781_5_1_routers_go_before_name_servers() -> None:
    known = KnownPrefixes()
    known.resolve([B], 300, 0)
    assert known.choose(1) == (B, Origin.RESOLVED)
    known.advertise(says(A), 2)
    assert known.choose(2) == (A, Origin.ADVERTISED)
    known.advertise(says(A, lifetime=0), 3)
    assert known.choose(3) == (B, Origin.RESOLVED)
    assert known.choose(300) is None


def test_what_an_administrator_gave_goes_before_all() -> None:
    known = KnownPrefixes(C)
    known.advertise(says(A), 0)
    assert known.choose(0) == (C, Origin.CONFIGURED)


def test_each_advertisement_begins_the_lifetime_anew() -> None:
    known = KnownPrefixes()
    known.advertise(says(A, lifetime=80), 0)
    known.advertise(says(A, lifetime=80), 50)
    assert known.next_change(60) == 130
    assert chosen(known, 129) == A
    assert chosen(known, 130) is None


def test_the_choice_stays_when_another_router_comes() -> None:
    known = KnownPrefixes()
    known.advertise(says(A), 0)
    assert chosen(known, 0) == A
    known.advertise(says(B, router=OTHER_ROUTER), 1)
    assert chosen(known, 1) == A


def test_a_router_that_tells_another_prefix_instead_is_followed_at_once() -> None:
    known = KnownPrefixes()
    known.advertise(says(A), 0)
    assert chosen(known, 0) == A
    known.advertise(says(B), 10)
    assert chosen(known, 10) == B


def test_rfc4861_9_prefixes_told_in_turns_do_not_change_the_choice_each_time() -> None:
    known = KnownPrefixes()
    known.advertise(says(A), 0)
    known.advertise(says(B), 1)
    assert chosen(known, 1) == B
    for now in range(2, 20):
        known.advertise(says(A if now % 2 else B), now)
        assert chosen(known, now) == B


def test_who_tells_prefixes_without_end_does_not_fill_the_memory_and_takes_no_place_from_the_first() -> None:
    known = KnownPrefixes()
    known.advertise(says(A), 0)
    for number in range(100):
        flood = Pref64(IPv6Network(f"2001:db8:ffff:{number:x}::/96"))
        known.advertise(says(flood, router=OTHER_ROUTER), number)
    assert len(known._advertised) == MOST_ADVERTISED
    assert chosen(known, 100) == A
    known.advertise(says(C), 2000)  # what has expired leaves its place
    assert chosen(known, 2000) == C


@given(
    st.lists(
        st.tuples(
            st.sampled_from([A, B, C]),
            st.sampled_from([ROUTER, OTHER_ROUTER]),
            st.sampled_from([0, 8, 80]),
            st.integers(0, 50),
        ),
        max_size=30,
    )
)
def test_a_prefix_is_chosen_exactly_while_one_is_valid(
    history: list[tuple[Pref64, IPv6Address, int, int]],
) -> None:
    known, now = KnownPrefixes(), 0
    until: dict[tuple[IPv6Address, Pref64], int] = {}
    for prefix, router, lifetime, passes in history:
        now += passes
        known.advertise(says(prefix, lifetime=lifetime, router=router), now)
        until[router, prefix] = now + lifetime
        valid = {each for (_, each), end in until.items() if end > now}
        assert (chosen(known, now) in valid) if valid else (chosen(known, now) is None)
