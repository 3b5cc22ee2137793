"""A TUN device whose packets the fast path alone translates: what stands in for nat64d in a test of the program.

Run in the gateway's namespace. It knows one host; what the program leaves, it counts by protocol and drops. For each line that
it reads it writes one: "outcomes" for the program's counts, "arrived" for its own, "stop" to end the heartbeat, "go on".
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING

from nat64.addressing.address_map import AddressMap
from nat64.addressing.eamt import Eamt
from nat64.addressing.pool import DynamicPool
from nat64.addressing.prefix import Pref64
from nat64.addressing.prefix_map import PrefixMap
from nat64.device import tun
from nat64.device.fast_path import attachment, contents, program
from nat64.siit.settings import Settings, UdpZeroChecksum

if TYPE_CHECKING:
    from nat64.device.fast_path.program import Program

DEVICE = "nat64"
POOL = IPv4Network("192.168.240.0/20")
LEASED = IPv4Address("192.168.240.33")
PREFIX = IPv6Network("2001:db8:64:ff9b::/96")
_LINGER = 10**12  # nanoseconds


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("object_file", type=Path)
    parser.add_argument("host", type=IPv6Address)
    parser.add_argument("--udp-zero", type=UdpZeroChecksum, default=UdpZeroChecksum.DROP)
    options = parser.parse_args()
    (opened,) = tun.open_tun(DEVICE)
    for command in (
        f"ip link set {DEVICE} up",
        f"ip route add {POOL} dev {DEVICE}",
        f"ip route add {PREFIX} dev {DEVICE}",
    ):
        subprocess.run(command.split(), check=True)
    loaded = _loaded(options.object_file.read_bytes(), options.host.packed, options.udp_zero)
    attachment.attach(DEVICE, loaded.descriptor)
    _say("ready")
    _serve(opened.descriptor, loaded)


def _loaded(object_file: bytes, host: bytes, udp_zero: UdpZeroChecksum) -> Program:
    pool = DynamicPool(POOL)
    address_map = AddressMap([PrefixMap(Pref64(PREFIX), Eamt(), pool, wkpf_strict=True)])
    settings = Settings(
        IPv4Address("192.168.240.1").packed,
        IPv6Address("2001:db8:3::1").packed,
        udp_zero_checksum=udp_zero,
    )
    slots = contents.Slots(address_map)
    loaded = program.load(program.Sizes(hosts=16, maps=1, last_used=slots.size), object_file=object_file)
    slot = slots.of(LEASED.packed)
    loaded.maps.last_used.times[slot] = time.monotonic_ns()
    loaded.maps.put([contents.settings_entry(settings, address_map), *contents.prefix_entries(address_map)])
    loaded.maps.put(contents.lease_entries(host, LEASED.packed, 0, slot))
    loaded.maps.beat(time.monotonic_ns() + _LINGER)
    return loaded


def _serve(descriptor: int, loaded: Program) -> None:
    arrived: Counter[str] = Counter()
    while True:
        ready, _, _ = select.select((descriptor, sys.stdin), (), ())
        if descriptor in ready:
            packet = os.read(descriptor, 1 << 17)
            arrived[f"IPv{packet[0] >> 4}:{packet[6 if packet[0] >> 4 == 6 else 9]}"] += 1
        if sys.stdin in ready:
            asked = sys.stdin.readline().strip()
            if not asked:
                return
            _say(json.dumps(_answer(asked, loaded, arrived)))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _answer(asked: str, loaded: Program, arrived: Counter[str]) -> dict[str, int]:
    if asked == "outcomes":
        return {outcome.name: count for outcome, count in loaded.maps.outcomes().items()}
    if asked == "stop":
        loaded.maps.beat(0)
    elif asked == "go on":
        loaded.maps.beat(time.monotonic_ns() + _LINGER)
    return dict(arrived)


if __name__ == "__main__":
    main()
