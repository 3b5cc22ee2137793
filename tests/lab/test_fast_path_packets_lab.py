"""What the fast path makes of packets, each handed to it by itself: the same as Python, and a count for what it leaves."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from nat64.addressing.router_pool import RouterPool
from nat64.device.fast_path import contents, layout
from nat64.device.fast_path.layout import Outcome
from nat64.siit.settings import UdpZeroChecksum
from tests.fast_path import built, campaign, differential
from tests.fast_path.__main__ import is_clean
from tests.fast_path.gateway import OWN4, OWN6, ROUTERS, Gateway
from tests.fast_path.prog_run import PASSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def test_what_it_makes_of_packets_is_what_python_makes_of_them() -> None:
    findings = campaign.run(30000, 20261127, built.object_file())

    assert not findings.differences, "\n".join(findings.differences)
    assert findings.packets == 30000
    assert findings.not_taken == 0
    for outcome in Outcome:
        if outcome.is_translated:
            assert findings.outcomes[outcome.name] > 100, outcome
    for kind in differential.RARE:
        assert findings.seen[kind] > 5, kind


def test_the_campaign_writes_a_log_by_which_it_can_be_run_again(tmp_path: Path) -> None:
    log = tmp_path / "log" / "of this run"

    run = subprocess.run(
        [sys.executable, "-m", "tests.fast_path", "--packets", "15000", "--seed", "7", "--log", log],
        check=False,
        capture_output=True,
        text=True,
        cwd=built.ROOT,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    text = log.read_text()
    assert {"seed: 7", "asked for: 15000 packets", "result: clean", "packets: 15000, of 10 gateways"} <= set(
        text.splitlines()
    )
    assert re.search(r"^commit: [0-9a-f]{40}( with changes)?$", text, re.MULTILINE)


def test_a_campaign_with_a_difference_or_with_a_way_never_taken_is_not_clean() -> None:
    ways = Counter({outcome.name: 1 for outcome in Outcome if outcome.is_translated})
    rare = Counter(differential.RARE)
    clean = campaign.Findings(packets=6, outcomes=ways, seen=rare)

    assert is_clean(clean)
    assert not is_clean(replace(clean, differences=["a packet is translated otherwise"]))
    for way in ways:
        assert not is_clean(replace(clean, outcomes=Counter({**ways, way: 0})))
    for kind in rare:
        assert not is_clean(replace(clean, seen=Counter({**rare, kind: 0})))


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """One whose first prefix is 2001:db8:64:ff9b::/96, without fixed maps of networks, with hairpins turning back."""
    seed = 0
    while True:
        one = Gateway(Random(seed), built.object_file())  # noqa: S311 - a configuration, no secret
        address_map = one.address_map
        if (
            str(address_map.prefixes[0].prefix) == "2001:db8:64:ff9b::/96"
            and len(address_map.prefixes) == 1
            and address_map.hairpin.value == "intrinsic"
            and one.leases
        ):
            break
        one.close()
        seed += 1
    one.settings = replace(
        one.settings,
        ipv6_addr=OWN6.packed,
        mtu=1500,
        udp_zero_checksum=UdpZeroChecksum.DROP,
        rfc6791_pool=RouterPool(ROUTERS),
    )
    one.put_settings()
    yield one
    one.close()


_SERVER: Final = IPv4Address("203.0.113.80").packed


def _udp(length: int = 8, checksum: int = 0x1234) -> bytes:
    return struct.pack("!HHHH", 4000, 53, 8 + length, checksum) + bytes(length)


def _six(
    source: bytes, destination: bytes, payload: bytes | None = None, protocol: int = 17, hops: int = 64
) -> bytes:
    payload = _udp() if payload is None else payload
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + source + destination + payload


def _four(
    source: bytes, destination: bytes, payload: bytes | None = None, *, flags: int = 0, ttl: int = 64
) -> bytes:
    payload = _udp() if payload is None else payload
    return (
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, flags, ttl, 17, 0)
        + source
        + destination
        + payload
    )


def _seen(ipv4: bytes) -> bytes:
    return IPv6Address("2001:db8:64:ff9b::").packed[:12] + ipv4


def _outcome(gateway: Gateway, packet: bytes) -> Outcome:
    before = gateway.program.maps.outcomes()
    result = gateway.run(packet)
    after = gateway.program.maps.outcomes()
    (outcome,) = (one for one in Outcome if after[one] != before[one])
    assert (result.verdict == PASSED) is not outcome.is_translated
    return outcome


@pytest.mark.parametrize(
    ("packet", "outcome"),
    [
        (b"\x50" + bytes(40), Outcome.PASSED_NOT_IP),
        (_six(b"HOST" * 4, _seen(_SERVER)) + b"\0", Outcome.PASSED_LENGTH),
        (_six(b"HOST" * 4, _seen(_SERVER), bytes(7)), Outcome.PASSED_LENGTH),
        (_six(b"HOST" * 4, _seen(_SERVER), protocol=132), Outcome.PASSED_PROTOCOL),
        (_six(b"HOST" * 4, _seen(_SERVER), b"\x3a\0\0\1" + bytes(20), 44), Outcome.PASSED_FRAGMENT),
        (_six(b"HOST" * 4, _seen(_SERVER), b"\x2b\0\0\0" + bytes(20), 44), Outcome.PASSED_FRAGMENT),
        (_six(b"HOST" * 4, _seen(_SERVER), bytes(7), 44), Outcome.PASSED_LENGTH),
        (_six(b"HOST" * 4, _seen(_SERVER), b"\x11\0\0\1" + bytes(4) + _udp(), 44), Outcome.TO_IPV4_UDP),
        (_six(b"HOST" * 4, _seen(_SERVER), protocol=43), Outcome.PASSED_PROTOCOL),
        (_six(b"HOST" * 4, _seen(_SERVER), hops=1), Outcome.PASSED_HOP_LIMIT),
        (_six(b"HOST" * 4, _seen(_SERVER), _udp(1480)), Outcome.PASSED_TOO_BIG),
        (_six(b"HOST" * 4, OWN6.packed), Outcome.PASSED_OWN_ADDRESS),
        (_six(b"HOST" * 4, IPv6Address("ff02::1").packed), Outcome.PASSED_SPECIAL_ADDRESS),
        (_six(b"HOST" * 4, _seen(IPv4Address("127.0.0.1").packed)), Outcome.PASSED_SPECIAL_ADDRESS),
        (_six(b"HOST" * 4, _seen(IPv4Address("192.168.241.3").packed)), Outcome.PASSED_SPECIAL_ADDRESS),
        (_six(b"HOST" * 4, IPv6Address("3fff:ffff::1").packed), Outcome.PASSED_UNKNOWN_ADDRESS),
        (_six(IPv6Address("3fff:1::99").packed, _seen(_SERVER)), Outcome.PASSED_UNKNOWN_ADDRESS),
        (_six(b"HOST" * 4, _seen(IPv4Address("192.168.240.20").packed)), Outcome.PASSED_HAIRPIN),
        (_six(b"HOST" * 4, _seen(_SERVER), _udp(checksum=0)), Outcome.TO_IPV4_UDP),
        (_six(b"HOST" * 4, _seen(_SERVER), b"\1" + bytes(20), 58), Outcome.PASSED_ICMP_NOT_ECHO),
        (_six(b"HOST" * 4, _seen(_SERVER), b"\x08" + bytes(20), 58), Outcome.PASSED_ICMP_NOT_ECHO),
        (_six(b"HOST" * 4, _seen(_SERVER)), Outcome.TO_IPV4_UDP),
        (b"\x46" + _four(_SERVER, b"POOL")[1:] + bytes(4), Outcome.PASSED_OPTIONS),
        (_four(_SERVER, b"POOL", flags=0x2000).replace(b"\x40\x11", b"\x40\1", 1), Outcome.PASSED_FRAGMENT),
        (_four(_SERVER, b"POOL", _udp(9), flags=0x2000), Outcome.PASSED_LENGTH),
        (_four(_SERVER, b"POOL", flags=0x2000), Outcome.TO_IPV6_UDP),
        (_four(_SERVER, b"POOL", b"1234567", flags=1), Outcome.TO_IPV6_UDP),
        (_four(_SERVER, b"POOL", ttl=1), Outcome.PASSED_HOP_LIMIT),
        (_four(_SERVER, b"POOL", _udp(1500 - 47), flags=0x4000), Outcome.PASSED_TOO_BIG),
        (_four(_SERVER, OWN4.packed), Outcome.PASSED_OWN_ADDRESS),
        (_four(IPv4Address("224.0.0.1").packed, b"POOL"), Outcome.PASSED_SPECIAL_ADDRESS),
        (_four(_SERVER, IPv4Address("8.8.8.8").packed), Outcome.PASSED_UNKNOWN_ADDRESS),
        (_four(_SERVER, b"POOL", _udp(checksum=0)), Outcome.PASSED_UDP_WITHOUT_CHECKSUM),
        (_four(_SERVER, b"POOL"), Outcome.TO_IPV6_UDP),
    ],
)
def test_what_it_leaves_is_counted_by_its_reason(gateway: Gateway, packet: bytes, outcome: Outcome) -> None:
    gateway.prepare()
    lease = gateway.leases[0]

    packet = packet.replace(b"HOST" * 4, lease.host).replace(b"POOL", lease.address)
    assert _outcome(gateway, packet) is outcome


@pytest.mark.parametrize(
    ("length", "wrong", "outcome"),
    [
        (0, 0, Outcome.ERROR_TO_IPV6),
        (7, 0, Outcome.PASSED_ICMP_NOT_ECHO),  # RFC 4884: something stands behind the packet
        (0, 1, Outcome.PASSED_ICMP_NOT_ECHO),
    ],
    ids=["right", "with an extension", "with a wrong checksum"],
)
def test_an_icmp_error_is_translated_that_is_right_and_tells_nothing_more(
    gateway: Gateway, length: int, wrong: int, outcome: Outcome
) -> None:
    gateway.prepare()
    pooled = gateway.leases[0].address
    blank = struct.pack("!BBHBBH", 3, 4, 0, 0, length, 1400) + _four(pooled, _SERVER, flags=0x4000)
    checksum = (wrong - int.from_bytes(blank, "big")) % 0xFFFF
    packet = _four(_SERVER, pooled, blank[:2] + checksum.to_bytes(2, "big") + blank[4:])

    assert _outcome(gateway, packet[:9] + b"\1" + packet[10:]) is outcome
    assert gateway.marked() == set()


def test_rfc7757_4_2_2_a_packet_to_another_host_turns_back_and_marks_both_leases(gateway: Gateway) -> None:
    sender, receiver = gateway.leases[:2]
    gateway.prepare()
    packet = _six(sender.host, _seen(receiver.address))

    assert _outcome(gateway, packet) is Outcome.TURNED_BACK
    assert gateway.marked() == {sender.address, receiver.address}

    gateway.prepare(asleep=frozenset((receiver.address,)))
    assert _outcome(gateway, packet) is Outcome.PASSED_HAIRPIN
    assert gateway.marked() == set()


def test_a_lease_that_sleeps_answers_no_ipv4_until_its_host_sends(gateway: Gateway) -> None:
    lease = gateway.leases[0]
    gateway.prepare(asleep=frozenset((lease.address,)))
    slot = gateway.slots.of(lease.address)
    to_it = _four(_SERVER, lease.address)

    assert _outcome(gateway, to_it) is Outcome.PASSED_DORMANT_LEASE
    assert gateway.program.maps.last_used.times[slot] == 0
    assert _outcome(gateway, _six(lease.host, _seen(_SERVER))) is Outcome.TO_IPV4_UDP
    assert 0 < gateway.program.maps.last_used.times[slot] <= time.monotonic_ns()
    assert _outcome(gateway, to_it) is Outcome.TO_IPV6_UDP


@pytest.mark.parametrize("until", [0, 1])
def test_it_translates_only_until_the_heartbeat_says(gateway: Gateway, until: int) -> None:
    packet = _six(gateway.leases[0].host, _seen(_SERVER))
    gateway.program.maps.beat(until)

    assert _outcome(gateway, packet) is Outcome.PASSED_NO_HEARTBEAT

    gateway.program.maps.beat(time.monotonic_ns() + 10**12)
    assert _outcome(gateway, packet) is Outcome.TO_IPV4_UDP


def test_it_does_nothing_by_settings_of_another_layout(gateway: Gateway) -> None:
    settings = gateway.program.maps["settings"]
    value = settings.lookup(layout.INDEX.pack(0))
    assert value is not None
    settings.update(layout.INDEX.pack(0), (layout.LAYOUT + 1).to_bytes(4, "little") + value[4:])

    assert _outcome(gateway, _six(gateway.leases[0].host, _seen(_SERVER))) is Outcome.PASSED_NO_HEARTBEAT

    settings.update(layout.INDEX.pack(0), value)


def test_identifications_of_packets_that_may_be_fragmented_follow_one_another(gateway: Gateway) -> None:
    packet = _six(gateway.leases[0].host, _seen(_SERVER))
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})  # each CPU counts by itself
    try:
        numbers = [int.from_bytes(gateway.run(packet).packet[4:6], "big") for _ in range(5)]
    finally:
        os.sched_setaffinity(0, processors)

    assert numbers == [numbers[0] + more & 0xFFFF for more in range(5)]


def test_a_translated_packet_has_no_firewall_mark_and_another_keeps_its_own(gateway: Gateway) -> None:
    lease = gateway.leases[0]

    assert gateway.run.mark_after(_six(lease.host, _seen(_SERVER)), 7) == 0
    assert gateway.run.mark_after(_six(lease.host, _seen(_SERVER), hops=1), 7) == 7


def test_a_pool_address_has_its_slot_and_another_address_has_none(gateway: Gateway) -> None:
    slots = contents.Slots(gateway.address_map)
    pool = gateway.address_map.pools[0].network

    numbers = [slots.of(address.packed) for address in pool]

    assert numbers == list(range(1, 1 + pool.num_addresses))
    assert slots.size == 1 + pool.num_addresses
    with pytest.raises(KeyError):
        slots.of(_SERVER)


@pytest.fixture
def ten_new_hosts(gateway: Gateway) -> Iterator[Gateway]:
    """The gateway, where ten packets a second with an unknown address may go up to the daemon."""
    gateway.prepare()
    settings = gateway.program.maps["settings"]
    bounded = contents.settings_entry(gateway.settings, gateway.address_map, 10)
    before = settings.lookup(bounded.key)
    assert before is not None
    settings.update(bounded.key, bounded.value)
    for budget in range(layout.BUDGETS):
        gateway.program.maps["budgets"].update(layout.INDEX.pack(budget), layout.NANOSECONDS.pack(0))
    yield gateway
    settings.update(bounded.key, before)


_MANY: Final = 600
"""Packets that are handed over in far less time than the budget of ten a second would need for a third of them."""


def _gone_up(gateway: Gateway, packets: Iterable[bytes]) -> tuple[int, int]:
    """Return how many of these packets went up to the daemon, and how many were dropped and counted as over budget."""
    before = gateway.program.maps.outcomes()
    verdicts = [gateway.run(packet).verdict for packet in packets]
    after = gateway.program.maps.outcomes()
    up, over = (after[each] - before[each] for each in (Outcome.PASSED_UNKNOWN_ADDRESS, Outcome.OVER_BUDGET))
    assert (verdicts.count(PASSED), len(verdicts)) == (up, up + over)
    return up, over


def _new_hosts(network: str) -> Iterator[bytes]:
    first = int(IPv6Address(network))
    for number in range(_MANY):
        yield _six((first + number).to_bytes(16, "big"), _seen(_SERVER))


def test_of_hosts_that_one_network_invents_the_daemon_sees_half_of_the_budget(ten_new_hosts: Gateway) -> None:
    up, over = _gone_up(ten_new_hosts, _new_hosts("3fff:1:0:7::1:0"))

    assert 5 <= up < _MANY / 3
    assert over > _MANY / 2


def test_another_networks_new_hosts_get_on_meanwhile(ten_new_hosts: Gateway) -> None:
    _gone_up(ten_new_hosts, _new_hosts("3fff:1:0:7::1:0"))

    up, _ = _gone_up(ten_new_hosts, [_six(IPv6Address("3fff:1:0:8::1").packed, _seen(_SERVER))])

    assert up == 1


def test_inventing_networks_too_does_not_go_beyond_the_whole_budget(ten_new_hosts: Gateway) -> None:
    networks = (
        _six(IPv6Address(f"3fff:1:2:{number:x}::1").packed, _seen(_SERVER)) for number in range(_MANY)
    )

    up, over = _gone_up(ten_new_hosts, networks)

    assert 10 <= up < _MANY / 3
    assert over > _MANY / 2


def test_a_scan_of_the_pool_from_ipv4_has_half_of_the_budget_and_no_part_of_the_hosts(
    ten_new_hosts: Gateway,
) -> None:
    scan = (_four(_SERVER, (IPv4Address("8.8.0.0") + number).packed) for number in range(_MANY))

    up, over = _gone_up(ten_new_hosts, scan)
    of_a_host, _ = _gone_up(ten_new_hosts, [_six(IPv6Address("3fff:1:0:8::1").packed, _seen(_SERVER))])

    assert 5 <= up < _MANY / 3
    assert over > _MANY / 2
    assert of_a_host == 1


def test_known_hosts_and_what_they_leave_to_the_daemon_need_no_budget(ten_new_hosts: Gateway) -> None:
    host = ten_new_hosts.leases[0].host
    _gone_up(ten_new_hosts, _new_hosts(str(IPv6Address(host[:8] + b"\xee" * 6 + bytes(2)))))

    for _ in range(100):
        assert _outcome(ten_new_hosts, _six(host, _seen(_SERVER))) is Outcome.TO_IPV4_UDP
        assert _outcome(ten_new_hosts, _six(host, _seen(_SERVER), hops=1)) is Outcome.PASSED_HOP_LIMIT


def test_without_a_bound_every_new_host_goes_up(gateway: Gateway) -> None:
    gateway.prepare()

    assert _gone_up(gateway, _new_hosts("3fff:1:0:7::1:0")) == (_MANY, 0)
