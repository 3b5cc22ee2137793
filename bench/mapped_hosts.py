"""Translators that know few, many and very many hosts, and a known host beside many that are new.

Their pools are routed, so that conntrack, whose table has an end of its own, is not what is measured.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import time
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

from bench import many_hosts
from bench.loads import Load, LoadFailedError, received, start_sink
from bench.subjects import Subject, start_nat64d
from tests.lab.namespaces import stop, wait_until

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from bench.gateway import BenchNetwork
    from tests.lab.namespaces import Namespace

HOSTS: Final = {"10 hosts": 10, "10,000 hosts": 10_000, "1,000,000 hosts": 1_000_000}
FEW: Final = "10 hosts"
ALONE: Final = "alone"
BESIDE_KNOWN: Final = "beside known hosts"
BESIDE_NEW: Final = "beside new hosts"
UNBOUNDED: Final = "beside new hosts, unlimited"
BESIDES: Final = (ALONE, BESIDE_KNOWN, BESIDE_NEW, UNBOUNDED)
ATTACK: Final = 10_000
"""Datagrams a second of the others."""
_LEARNS_WITHIN: Final = 180.0
"""Seconds in which a million leases have been loaded, and saved."""
_LONGER: Final = 30
"""Seconds that the others may send for beyond the time of the load, which ends before they do."""
_ROOM: Final = 60.0


def start_with_hosts(network: BenchNetwork, directory: Path, names: Collection[str]) -> list[Subject]:
    """Start a translator for each of `names`, with so many leases as that says, and return the ways."""
    start_sink(network, many_hosts.PORT)
    return [
        _start(network, directory, number, name, HOSTS[name])
        for number, name in enumerate(HOSTS, start=1)
        if name in names
    ]


def start_attacked(network: BenchNetwork, directory: Path, names: Collection[str]) -> list[Subject]:
    """Start translators that know as many hosts as send a second, and return the ways, with and without others on them.

    One has the bound on new hosts that is the default, the other has none.
    """
    start_sink(network, many_hosts.PORT)
    bounded = _start(network, directory, 1, "nat64d", ATTACK).address
    unbounded = _start(network, directory, 2, UNBOUNDED, ATTACK, "new-hosts unlimited").address
    for address in (bounded, unbounded):
        network.client.run("ping", "-c1", "-W5", address)
    return [
        Subject(name, unbounded if name == UNBOUNDED else bounded, ATTACK)
        for name in BESIDES
        if name in names
    ]


def _start(
    network: BenchNetwork, directory: Path, number: int, name: str, hosts: int, *lines: str
) -> Subject:
    pool = IPv4Address("10.0.0.0") + (number << 20)
    network.route_without_masquerade(f"{pool}/12")
    state = directory / f"state{number}"
    state.mkdir()
    saved = state / "dynamic.map"
    now = int(time.time())
    saved.write_text(
        "".join(f"{pool + 1 + each}\t{IPv6Address(many_hosts.host(each))}\t{now}\n" for each in range(hosts)),
        encoding="ascii",
    )
    read_at = saved.stat().st_mtime_ns
    lines = ("fast-path require", f"data-dir {state}", *lines)
    subject = start_nat64d(network, directory, number, name, lines, pool=f"{pool}/12")
    wait_until(
        lambda: saved.stat().st_mtime_ns != read_at,
        f"{name} to have saved its leases",
        timeout=_LEARNS_WITHIN,
    )
    return Subject(name, subject.address, hosts)


@contextlib.contextmanager
def others(network: BenchNetwork, subject: Subject, seconds: int) -> Iterator[None]:
    """Have other hosts send beside a load of so many seconds, as the way's name says.

    Raises `LoadFailedError` when they did not.
    """
    if subject.name == ALONE:
        yield
        return
    time_of_sending = seconds + _LONGER
    if subject.name == BESIDE_KNOWN:
        first, hosts = 0, ATTACK
    else:
        first, hosts = next(_new), ATTACK * time_of_sending
    sender = _sender(network, subject, first, hosts, ATTACK, time_of_sending)
    try:
        yield
        if sender.poll() is not None:
            raise LoadFailedError("the others did not send for all of the time")
    finally:
        stop(sender)


_new = itertools.count(1 << 31, 1 << 20)
"""The first of hosts that nobody has heard of yet: enough for a load."""


def _sender(  # noqa: PLR0913, PLR0917 - what is to be sent
    network: BenchNetwork, subject: Subject, first: int, hosts: int, rate: int, seconds: int
) -> subprocess.Popen[str]:
    """Return one that has begun to send."""
    sender = network.client.popen(
        *(sys.executable, "-m", "bench.many_hosts", "--device", "lan0"),
        *("--gateway", _hardware_address(network.gateway), "--destination", subject.address),
        *("--first", str(first), "--hosts", str(hosts)),
        *("--rate", str(rate), "--seconds", str(seconds)),
    )
    assert sender.stdout is not None  # noqa: S101 - for the type checker: popen pipes it
    if not sender.stdout.readline():
        _, complaint = sender.communicate(timeout=_ROOM)
        raise LoadFailedError(complaint.strip())
    return sender


def _end_of(sender: subprocess.Popen[str], seconds: float) -> float:
    """Wait for its end; return for how many seconds it sent."""
    try:
        printed, complaint = sender.communicate(timeout=seconds + _ROOM)
    except subprocess.TimeoutExpired:
        raise LoadFailedError("the sender did not end in time") from None
    if sender.returncode:
        raise LoadFailedError(complaint.strip())
    return float(json.loads(printed)["seconds"])


def _hardware_address(namespace: Namespace) -> str:
    return namespace.run("cat", "/sys/class/net/lan0/address").stdout.strip()


def _arrived(network: BenchNetwork, subject: Subject, seconds: int, rate: int) -> tuple[int, float]:
    """Have each of the hosts that the way knows send in turn; return how many datagrams arrived in how many seconds."""
    before = received(network.server, "eth0")
    sender = _sender(network, subject, 0, subject.hosts, rate, seconds)
    try:
        passed = _end_of(sender, seconds)
    finally:
        stop(sender)
    return received(network.server, "eth0") - before, passed


def _rate_of_all(network: BenchNetwork, subject: Subject, seconds: int) -> float:
    """Return the thousands of datagrams that arrive each second, of as many as can be sent."""
    arrived, passed = _arrived(network, subject, seconds, 0)
    return arrived / passed / 1e3


OF_ALL_HOSTS: Final = (Load("UDP 64 of all hosts", "kpps", _rate_of_all),)
"""What translators are measured by that know different numbers of hosts."""
