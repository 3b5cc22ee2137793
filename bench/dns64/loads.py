"""The loads: each is put on one server for a bounded time, and gives some figures."""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.dns64.network import RESOLVER4, RESOLVER6
from bench.dns64.queries import Names
from tests.lab.namespaces import stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.dns64.network import Network
    from bench.dns64.subjects import Subject

ROOT: Final = Path(__file__).parents[2]
THOUSAND: Final = 1000
FRESH: Final = 80_000
"""Names that nobody was asked for yet, for each second of a load: more than any server resolves."""
LATENCY_RATE: Final = 500
_UNANSWERED: Final = 0.001
"""Which share of the queries may be unanswered before a load has no figure."""
_FORWARDED: Final = 0.02
"""Which share of queries for names that were asked for before may reach the authority."""
_PASSES: Final = 2
_PASSES_OF_SEVERAL: Final = 12
"""Two caches, of which one is asked by no more than 5 of 8 sockets: it misses a name in 280 after so many."""
_MIRROR: Final = 5300
_ENOUGH: Final = 10**9


class LoadFailedError(Exception):
    """A load gave no figure; the text is why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What a number of a load is."""

    name: str
    unit: str
    more_is_better: bool = False


class Generator:
    """The process that asks, in the client's namespace."""

    def __init__(self, network: Network) -> None:
        self.process = network.client.popen(
            *(sys.executable, "-m", "bench.dns64.generator"),
            stdin=subprocess.PIPE,
            stderr=None,
            cwd=ROOT,
        )

    def put(self, port: int, names: Names, *, ipv4: bool = False, **order: Any) -> dict[str, Any]:  # noqa: ANN401 - of the generator
        """Give an order and return what became of it. Raises `LoadFailedError`."""
        assert self.process.stdin is not None  # noqa: S101 - for the type checker: they are pipes
        assert self.process.stdout is not None  # noqa: S101 - as above
        wanted = {
            "do": "put",
            "server": RESOLVER4 if ipv4 else RESOLVER6,
            "port": port,
            "names": dataclasses.asdict(names),
        }
        self.process.stdin.write(json.dumps(wanted | order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        told: dict[str, Any] = json.loads(line) if line else {"error": "the generator is gone"}
        if "error" in told:
            raise LoadFailedError(told["error"])
        return told


@dataclass(frozen=True, slots=True)
class Load:
    """A load by its name, and what it finds. `measure` raises `LoadFailedError`."""

    name: str
    measure: Callable[[Measurement], list[float]]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Whom to measure, how long, and which round it is."""

    network: Network
    generator: Generator
    subject: Subject
    seconds: float
    number: int
    many: int
    """How many names a large set has."""
    spare_core: bool
    """Whether the generator has a core of its own."""


def throughput(of: Measurement, names: Names, *, ipv4: bool = False, fresh: bool = False) -> list[float]:
    """Return the answers a second, and the microseconds of processor time for each."""
    before = of.subject.processes.processor_seconds()
    forwarded = of.network.authority_was_asked()
    told = of.generator.put(
        of.subject.port,
        names,
        ipv4=ipv4,
        start=of.number * names.count // 3,
        count=names.count if fresh else _ENOUGH,
        seconds=of.seconds,
        spin=of.spare_core and not fresh,
        trains=of.subject.takes_trains,
    )
    spent = of.subject.processes.processor_seconds() - before
    forwarded = of.network.authority_was_asked() - forwarded
    if told["wrong"]:
        raise LoadFailedError(f"{told['wrong']} wrong answers, one of them: {told['example']}")
    unanswered = told["asked"] - told["answered"]
    if not told["in_time"] or unanswered > told["asked"] * _UNANSWERED:
        raise LoadFailedError(f"{unanswered} of {told['asked']} queries were not answered")
    if not fresh and forwarded > told["answered"] * _FORWARDED:
        raise LoadFailedError(f"{forwarded} of {told['answered']} queries were not answered from its cache")
    return [told["in_time"] / told["seconds"], spent / told["answered"] * 1e6]


def latency(of: Measurement) -> list[float]:
    """Return the median and the 99th percentile of round trips in microseconds."""
    told = of.generator.put(of.subject.port, few(), do="latency", rate=LATENCY_RATE, seconds=of.seconds)
    found = [nanoseconds / 1e3 for nanoseconds in told["nanoseconds"]]
    return [statistics.median(found), statistics.quantiles(found, n=100)[98]]


def few() -> Names:
    """Return the small set of names."""
    return Names("h", 0, THOUSAND)


def many(count: int) -> Names:
    """Return the large set of names."""
    return Names("w", 0, count)


def fresh(of: Measurement) -> Names:
    """Return names that no server was asked for in an earlier round."""
    count = int(FRESH * of.seconds)
    return Names("n" if of.subject.cores == 1 else "m", of.number * count, count)


def _throughput(name: str, measure: Callable[[Measurement], list[float]]) -> Load:
    return Load(
        name, measure, (Figure(name, "queries/s", more_is_better=True), Figure(f"{name}, CPU", "us/query"))
    )


CACHED_MANY: Final = "cached 1M"
LOADS: Final = (
    _throughput("cached 1k", lambda of: throughput(of, few())),
    _throughput("cached 1k IPv4", lambda of: throughput(of, few(), ipv4=True)),
    _throughput(CACHED_MANY, lambda of: throughput(of, many(of.many))),
    _throughput("uncached", lambda of: throughput(of, fresh(of), fresh=True)),
    Load("latency", latency, (Figure("latency p50", "us"), Figure("latency p99", "us"))),
)


def generator_limit(network: Network, generator: Generator, seconds: float) -> float:
    """Return how many queries a second the generator puts on what only mirrors them, from the other core."""
    mirror = network.resolver.popen(
        *("taskset", "-c", "1", sys.executable, "-m", "bench.dns64.mirror", RESOLVER6, str(_MIRROR)), cwd=ROOT
    )
    try:
        end = time.monotonic() + 10
        while not generator.put(_MIRROR, Names("f", 0, 1), count=1, seconds=1)["answered"]:
            if time.monotonic() > end:
                raise LoadFailedError("the mirror does not answer")
            time.sleep(0.1)
        told = generator.put(_MIRROR, few(), count=_ENOUGH, seconds=seconds, spin=True)
    finally:
        stop(mirror)
    if told["wrong"] or told["answered"] < told["asked"]:
        raise LoadFailedError(f"the mirror gave {told}")
    return float(told["in_time"] / told["seconds"])


def warm(generator: Generator, subject: Subject, names: Names, seconds: float) -> None:
    """Ask for every name, so often that each of the server's processes knows it.

    Which of them a query reaches is chance. Raises `LoadFailedError` when that takes longer than `seconds`.
    """
    for _ in range(_PASSES_OF_SEVERAL if subject.cores > 1 and subject.has_several_caches else _PASSES):
        told = generator.put(
            subject.port, names, count=names.count, seconds=seconds, trains=subject.takes_trains
        )
        seconds -= told["seconds"]
        if told["wrong"]:
            raise LoadFailedError(f"{told['wrong']} wrong answers, one of them: {told['example']}")
        if told["asked"] < names.count:
            raise LoadFailedError(f"{names.count} names were not in its cache in time")
