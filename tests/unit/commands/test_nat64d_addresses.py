"""What a reload does to pools, maps and leases."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

import pytest

from nat64.addressing.prefix import Pref64
from nat64.commands import nat64d_addresses
from nat64.config import tayga
from nat64.device.fast_path.kept import KeptLease
from nat64.device.lease_file import LeaseFile
from nat64.device.state_file import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path

    from nat64.addressing.address_map import AddressMap
    from nat64.config.nat_config import NatConfig

BASE = """\
tun-device nat64
ipv4-addr 192.0.0.8
ipv6-addr 2001:db8:1::64
prefix 64:ff9b::/96
dynamic-pool 192.168.240.0/24
"""
OTHER = "prefix 2001:db8:65::/96 pool 192.168.241.0/24"
FIRST_PREFIX = Pref64(IPv6Network("64:ff9b::/96"))
OTHER_PREFIX = Pref64(IPv6Network("2001:db8:65::/96"))
HOST = IPv6Address("2001:db8:1::5").packed


def config(*lines: str, base: str = BASE) -> NatConfig:
    return tayga.parse(base + "\n".join(lines), "t.conf")


def start(wanted: NatConfig, saved: LeaseFile | None = None) -> AddressMap:
    """Return the map, with a lease of the host in each pool."""
    made = nat64d_addresses.at_start(wanted, saved, (), 0.0)
    for of in made.prefixes:
        if of.pool is not None:
            of.lease_to(HOST, 0.0)
    return made


def reload(before: AddressMap, old: NatConfig, new: NatConfig, saved: LeaseFile | None = None) -> AddressMap:
    return nat64d_addresses.after_reload(before, old, new, nat64d_addresses.eamts(new), saved, 1.0)


def leases(address_map: AddressMap) -> dict[str, str]:
    """Return the addresses of the host by their prefixes."""
    return {
        str(lease.prefix): str(IPv4Address(lease.address)) for pool in address_map.pools for lease in pool
    }


def test_pools_that_serve_on_are_kept_as_they_are() -> None:
    old = config(OTHER)
    before = start(old)
    new = config(OTHER, "udp-cksum-mode calc", "hairpin off")
    after = reload(before, old, new)
    assert [a is b for a, b in zip(after.pools, before.pools, strict=True)] == [True, True]
    assert after.hairpin is new.hairpin


def test_leases_stay_with_their_prefix_when_the_prefixes_change_places() -> None:
    base = BASE.replace("prefix", "#").replace("dynamic-pool", "#")
    old = config(OTHER, "prefix 64:ff9b::/96 pool 192.168.240.0/24", base=base)
    before = start(old)
    after = reload(before, old, config(OTHER))
    assert leases(after) == leases(before)
    assert [of.prefix for of in after.prefixes] == [FIRST_PREFIX, OTHER_PREFIX]


def test_another_pool_takes_over_the_leases_that_it_can() -> None:
    old = config(OTHER)
    before = start(old)
    (kept, lost) = leases(before).values()
    new = config(
        f"{OTHER[:-3]}/25" if IPv4Address(lost).packed[3] >= 128 else OTHER.replace("241.0/24", "241.128/25")
    )
    after = reload(before, old, new)
    assert leases(after) == {"64:ff9b::/96": kept}
    assert after.pools[0] is before.pools[0]


def test_a_new_map_inside_a_pool_takes_its_address_from_the_host_that_had_it() -> None:
    old = config(OTHER)
    before = start(old)
    first, other = leases(before).values()
    after = reload(before, old, config(OTHER, f"map {first} 2001:db8:9::9"))
    assert [a is b for a, b in zip(after.pools, before.pools, strict=True)] == [True, True]
    assert leases(after) == {"2001:db8:65::/96": other}
    assert after.near_to_ipv6(IPv4Address(first).packed, b"\x08\x08\x08\x08", 1.0).address == (
        IPv6Address("2001:db8:9::9").packed
    )


def test_a_prefix_that_is_taken_out_takes_its_leases_along() -> None:
    old = config(OTHER)
    before = start(old)
    after = reload(before, old, config())
    assert leases(after) == {"64:ff9b::/96": leases(before)["64:ff9b::/96"]}


@pytest.mark.parametrize("without", ["prefix 2001:db8:65::/96", ""])
def test_a_pool_that_is_added_gets_the_saved_leases_of_its_prefix_alone(tmp_path: Path, without: str) -> None:
    (tmp_path / "dynamic.map").write_text(
        "192.168.240.77\t2001:db8:1::77\t1700000000\n"
        "192.168.241.78\t2001:db8:1::78\t1700000000\t2001:db8:65::/96\n"
    )
    saved = LeaseFile(StateDirectory(tmp_path))
    old = config(without)
    before = start(old)
    had = leases(before)
    after = reload(before, old, config(OTHER), saved)
    assert after.pools[0] is before.pools[0]
    assert leases(after) == {**had, "2001:db8:65::/96": "192.168.241.78"}
    assert not (tmp_path / "dynamic.map.skipped").exists()


def test_an_unmodified_file_of_taygas_comes_back_as_it_was(tmp_path: Path) -> None:
    lines = ["192.168.240.77\t2001:db8:1::77\t1700000000", "192.168.240.78\t2001:db8:1::78\t1700000001"]
    (tmp_path / "dynamic.map").write_text("### TAYGA dynamic map database\n\n" + "\n".join(lines) + "\n")
    saved = LeaseFile(StateDirectory(tmp_path))
    wanted = config()
    made = nat64d_addresses.at_start(wanted, saved, (), 5000.0)
    saved.save(saved.begin(made.pools, 5000.0), wanted.prefix, 5000.0)
    written = (tmp_path / "dynamic.map").read_text().splitlines()
    hosts = [line.split("\t")[:2] for line in written if line and not line.startswith("#")]
    assert hosts == [line.split("\t")[:2] for line in lines]
    assert all(len(line.split("\t")) == 3 for line in written if line and not line.startswith("#"))


def test_leases_of_all_prefixes_are_saved_and_come_back(tmp_path: Path) -> None:
    saved = LeaseFile(StateDirectory(tmp_path))
    wanted = config(OTHER)
    before = start(wanted)
    saved.save(saved.begin(before.pools, 1.0), wanted.prefix, 1.0)
    assert not saved.is_due(before.pools, 7.0)
    before.prefixes[1].lease_to(IPv6Address("2001:db8:1::6").packed, 2.0)
    assert saved.is_due(before.pools, 7.0)
    again = nat64d_addresses.at_start(wanted, LeaseFile(StateDirectory(tmp_path)), (), 1.0)
    assert leases(again).keys() == {"64:ff9b::/96", "2001:db8:65::/96"}
    assert [len(pool) for pool in again.pools] == [1, 1]


def test_leases_that_the_fast_path_has_kept_go_before_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "dynamic.map").write_text(
        "192.168.240.77\t2001:db8:1::5\t1700000000\n"
        "192.168.240.78\t2001:db8:1::6\t1700000000\n"
        "192.168.240.79\t2001:db8:1::7\t1700000000\n"
    )
    kept = [
        KeptLease(HOST, FIRST_PREFIX, IPv4Address("192.168.240.78").packed, 90.0),
        KeptLease(HOST, OTHER_PREFIX, IPv4Address("192.168.240.9").packed, 90.0),  # of a prefix no more there
        KeptLease(
            IPv6Address("2001:db8:1::7").packed, FIRST_PREFIX, IPv4Address("192.168.240.79").packed, 95.0
        ),
    ]
    made = nat64d_addresses.at_start(config(), LeaseFile(StateDirectory(tmp_path)), kept, 100.0)
    found = {
        str(IPv6Address(lease.host)): (str(IPv4Address(lease.address)), lease.last_use)
        for lease in made.pools[0]
    }
    assert found == {"2001:db8:1::5": ("192.168.240.78", 90.0), "2001:db8:1::7": ("192.168.240.79", 95.0)}
