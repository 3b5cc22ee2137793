"""The parts of a run: a network with ways through it, and the loads that are put on each of them in turn."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from bench import mapped_hosts, subjects
from bench.gateway import bench_network
from bench.loads import LOADS, OF_KNOWN_HOST, Load, LoadFailedError
from bench.results import Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from bench.gateway import BenchNetwork
    from bench.subjects import Subject

OFFLOADED: Final = "segmentation offloads on"
SEGMENTED: Final = "TSO and GRO off"


@contextlib.contextmanager
def _nothing(_network: BenchNetwork, _subject: Subject, _seconds: int) -> Iterator[None]:
    yield


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `names` are those of its ways, `start` makes those that are chosen.

    `conditions` are under which its loads are measured, and `beside` is what goes on during each.
    """

    names: tuple[str, ...]
    start: Callable[[BenchNetwork, Path, Collection[str]], list[Subject]]
    conditions: tuple[tuple[str, tuple[Load, ...]], ...]
    beside: Callable[[BenchNetwork, Subject, int], AbstractContextManager[None]] = _nothing


PARTS: Final = {
    "ways": Part(
        subjects.NAMES,
        subjects.start,
        ((OFFLOADED, LOADS), (SEGMENTED, tuple(load for load in LOADS if load.segments))),
    ),
    "hosts": Part(
        tuple(mapped_hosts.HOSTS),
        mapped_hosts.start_with_hosts,
        (("hosts that are known", mapped_hosts.OF_ALL_HOSTS),),
    ),
    "attack": Part(
        mapped_hosts.BESIDES,
        mapped_hosts.start_attacked,
        (("a known host, and 10,000 datagrams a second of others", OF_KNOWN_HOST),),
        mapped_hosts.others,
    ),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is chosen: `parts` by their names, the ways' names, texts of which one is in each load's name."""

    parts: Sequence[str]
    subjects: Collection[str]
    only: Sequence[str]
    rounds: int
    seconds: int

    def measure(self) -> list[Measured[Load]]:
        """Measure it all. Raises `TaygaUnavailableError`."""
        found: list[Measured[Load]] = []
        for part in (PARTS[name] for name in self.parts):
            measured = self._chosen(part)
            names = [name for name in part.names if name in self.subjects]
            if not measured or not names:
                continue
            with (
                TemporaryDirectory(prefix="nat64-bench-") as directory,
                bench_network() as network,
            ):
                there = part.start(network, Path(directory), names)
                for number in range(self.rounds):
                    self._round(number, network, part, there, measured)
            found += measured
        return found

    def _chosen(self, part: Part) -> list[Measured[Load]]:
        return [
            Measured(condition, load)
            for condition, loads in part.conditions
            for load in loads
            if any(text in load.name for text in self.only)
        ]

    def has_loads(self) -> bool:
        """Tell whether there is anything to measure."""
        return any(self._chosen(PARTS[name]) for name in self.parts)

    def _round(
        self,
        number: int,
        network: BenchNetwork,
        part: Part,
        there: Sequence[Subject],
        measured: Sequence[Measured[Load]],
    ) -> None:
        turn = number % len(there)  # whoever comes first in one round comes last in another
        order = [*there[turn:], *there[:turn]]
        for one in measured:
            began = time.monotonic()
            network.segmentation(on=one.condition != SEGMENTED)
            found = {subject.name: self._try(network, part, one, subject) for subject in order}
            for subject in there:
                one.rounds[subject.name].append(found[subject.name])
            print(
                f"bench: round {number + 1} of {self.rounds}, {one.condition}, {one.load.name}: "
                + ", ".join(f"{name} {value:.4g}" for name, value in found.items() if value is not None)
                + f"; {time.monotonic() - began:.0f} s",
                file=sys.stderr,
            )

    def _try(self, network: BenchNetwork, part: Part, one: Measured[Load], subject: Subject) -> float | None:
        try:
            with part.beside(network, subject, self.seconds):
                return one.load.measure(network, subject, self.seconds)
        except LoadFailedError as error:
            print(f"bench: {one.load.name} by {subject.name} failed: {error}", file=sys.stderr)
            return None
