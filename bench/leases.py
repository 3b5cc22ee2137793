"""``python -m bench.leases``: memory and lookup time by the number of leases, and of maps."""

from __future__ import annotations

import argparse
import gc
import json
import random
import resource
import statistics
import sys
import time
import tracemalloc
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from bench import machine
from nat64.addressing.eamt import Eam, Eamt
from nat64.addressing.lease import Lease
from nat64.addressing.pool import DynamicPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SIZES: Final = (10, 10_000, 1_000_000)
RESULTS: Final = Path(__file__).parent / "results"
_POOL: Final = IPv4Network("10.0.0.0/11")  # 2,097,152 addresses: hosts' hashes meet as on a pool half full
_HOSTS: Final = IPv6Network("2001:db8:1::/64")
_LOOKUPS: Final = 20_000
_ROUNDS: Final = 5
_FEW: Final = 1000  # entries that are made too fast to time
_RESIDENT_FROM: Final = 100_000
_Table = TypeVar("_Table")


@dataclass(frozen=True, slots=True)
class Row:
    """What was found for one table of one size; times are nanoseconds, memory is octets for each entry."""

    table: str
    entries: int
    octets_each: float
    octets_empty: int
    fill_ns_each: float
    by_ipv6_ns: float
    by_ipv4_ns: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.leases", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="leave out the largest tables")
    options = parser.parse_args(arguments)
    described = machine.describe()
    rows = [
        row
        for entries in (SIZES[:-1] if options.quick else SIZES)
        for row in (_measure_leases(entries), _measure_maps(entries))
    ]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"leases-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    report = {"machine": described, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print("table    entries  octets each  empty, KiB  made, us each  by IPv6, ns  by IPv4, ns")
    for row in rows:
        print(
            f"{row.table:7}{row.entries:9,}{row.octets_each:13.0f}{row.octets_empty / 1024:12.1f}"
            f"{'-' if row.entries < _FEW else f'{row.fill_ns_each / 1e3:.2f}':>15}{row.by_ipv6_ns:13.0f}{row.by_ipv4_ns:13.0f}"
        )
    print(
        f"\n{described['processor']}, Python {described['python']},"
        f" load average {described['load_average'][0]:.1f}; all numbers in {path}"
    )
    return 0


def _hosts(count: int) -> Iterator[bytes]:
    """Yield addresses of hosts, as privacy extensions choose them; the same ones each time."""
    chosen = random.Random(count)  # noqa: S311 - the same hosts each time
    head = _HOSTS.network_address.packed[:8]
    for _ in range(count):
        yield head + chosen.getrandbits(64).to_bytes(8, "big")


def _measure_leases(count: int) -> Row:
    hosts = list(_hosts(count))
    pool, empty, fill, each = _built(_pool_of, hosts)
    leases = list(pool)
    chosen = random.Random(count).choices(leases, k=_LOOKUPS)  # noqa: S311 - as above
    return Row(
        "leases",
        count,
        each,
        empty,
        fill,
        _time_each(lambda host: pool.assign(host, None, 1.0), [_copy(lease.host) for lease in chosen]),
        _time_each(lambda address: pool.of_address(address, 1.0), [_copy(lease.address) for lease in chosen]),
    )


def _pool_of(hosts: Iterable[bytes]) -> DynamicPool:
    pool = DynamicPool(_POOL)
    for host in hosts:
        # A copy, for the lease holds the address that a packet brought.
        lease = pool.assign(_copy(host), None, 0.0)
        assert isinstance(lease, Lease)  # noqa: S101 - the pool is twice as large
    return pool


def _copy(octets: bytes) -> bytes:
    return bytes(bytearray(octets))


def _measure_maps(count: int) -> Row:
    """Measure maps of single addresses. What a map takes includes its `Eam`, which the config makes."""
    base = int(_POOL.network_address)
    hosts = list(_hosts(count))

    def eamt_of(hosts: Iterable[bytes]) -> Eamt:
        return Eamt(Eam(IPv4Network(base + number), IPv6Network(host)) for number, host in enumerate(hosts))

    eamt, empty, fill, each = _built(eamt_of, hosts)
    chosen = random.Random(count).choices(range(count), k=_LOOKUPS)  # noqa: S311 - as above
    return Row(
        "maps",
        count,
        each,
        empty,
        fill,
        _time_each(eamt.to_ipv4, [_copy(hosts[number]) for number in chosen]),
        _time_each(eamt.to_ipv6, [(base + number).to_bytes(4, "big") for number in chosen]),
    )


def _built(
    build: Callable[[Sequence[bytes]], _Table], hosts: Sequence[bytes]
) -> tuple[_Table, int, float, float]:
    """Build a table for some hosts; return it, its octets without hosts, and nanoseconds and octets for each host.

    Memory is what the allocator is asked for; to count that for a million hosts would take minutes, and it is the
    growth of the process's resident memory, of which the rest is lost in a million.
    """
    empty = _traced(lambda: build(()))
    empty_ns = _timed(lambda: build(()))[1]
    before = _resident()
    table, elapsed = _timed(lambda: build(hosts))
    gc.collect()
    octets = _resident() - before if len(hosts) >= _RESIDENT_FROM else _traced(lambda: build(hosts))
    return table, empty, max(0, elapsed - empty_ns) / len(hosts), (octets - empty) / len(hosts)


def _timed(build: Callable[[], _Table]) -> tuple[_Table, int]:
    gc.collect()
    start = time.perf_counter_ns()
    table = build()
    return table, time.perf_counter_ns() - start


def _traced(build: Callable[[], object]) -> int:
    """Return the octets of what `build` makes."""
    gc.collect()
    tracemalloc.start()
    built = build()
    gc.collect()
    octets = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del built
    return octets


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _time_each(look_up: Callable[[bytes], object], keys: Sequence[bytes]) -> float:
    """Return nanoseconds for a lookup: the median of some rounds, less what the loop itself takes."""
    return max(0.0, _median_round(look_up, keys) - _median_round(lambda _: None, keys))


def _median_round(call: Callable[[bytes], object], keys: Sequence[bytes]) -> float:
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter_ns()
        for key in keys:
            call(key)
        times.append((time.perf_counter_ns() - start) / len(keys))
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
