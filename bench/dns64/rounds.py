"""A run of the bench: the servers learn the names, then each load is put on each in turn, round by round."""

from __future__ import annotations

import queue
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.dns64 import loads
from bench.dns64.loads import Figure, Generator, Load, LoadFailedError, Measurement
from bench.dns64.processes import Processes
from bench.dns64.queries import Names
from bench.dns64.subjects import OURS, PEERS, start_all
from bench.results import Measured

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.dns64.network import Network
    from bench.dns64.subjects import Subject

CONDITIONS: Final = {1: "one core for the server", 2: "two cores for server and client"}
MEMORY: Final = Figure("memory at 1M", "MB")
BOTH_CORES: Final = (0, 1)
_CLIENTS, _SERVERS = 0, 1
"""The cores: the authority shares the client's."""
_WARMERS: Final = 2
_PATIENCE: Final = 20.0
"""Seconds in which a server has to give its first answer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured."""

    subjects: Sequence[str]
    cores: Sequence[int]
    loads: Sequence[Load]
    rounds: int
    seconds: float
    names: int
    """How many the large set has."""
    patience: float
    """Seconds for a server to learn a set of names."""

    def puts(self, load: Load, subject: Subject) -> bool:
        """Tell whether a load is put on a server.

        A million names on two cores are for the two that are compared there: learning them takes minutes.
        """
        return subject.cores == 1 or load.name != loads.CACHED_MANY or subject.name in {OURS, PEERS[0]}

    def learns_many(self, subject: Subject) -> bool:
        """Tell whether a server needs the large set of names."""
        return any(load.name == loads.CACHED_MANY and self.puts(load, subject) for load in self.loads)


class Run:
    """The servers and those who ask them."""

    def __init__(self, network: Network, directory: Path, plan: Plan) -> None:
        self._network = network
        self._plan = plan
        self._generators = [Generator(network) for _ in range(_WARMERS)]
        self._subjects = start_all(network, directory, plan.subjects, plan.cores)
        self.generator_limit = 0.0
        """Queries a second that it puts on a server which costs nearly nothing."""

    def measure(self) -> list[Measured[Figure]]:
        """Return what was found: a `Measured` for each figure under each condition."""
        self._place(1)
        self.generator_limit = loads.generator_limit(self._network, self._generators[0], self._plan.seconds)
        self._place(2)
        began = time.monotonic()
        memory = self._learn()
        _say(f"the servers know the names after {time.monotonic() - began:.0f} s")
        found = {
            (cores, figure): Measured(CONDITIONS[cores], figure)
            for cores in self._plan.cores
            for load in self._plan.loads
            for figure in load.figures
        }
        for number in range(self._plan.rounds):
            for cores in self._plan.cores:
                self._place(cores)
                for load in self._plan.loads:
                    self._round(number, cores, load, found)
        numbers = [one for one in (*found.values(), *memory) if one.rounds]
        return sorted(numbers, key=lambda one: one.condition)

    def _learn(self) -> list[Measured[Figure]]:
        """Let the servers learn the names, two servers at a time since most have one thread; return their memory."""
        idle: queue.SimpleQueue[Generator] = queue.SimpleQueue()
        for generator in self._generators:
            idle.put(generator)
        memory: dict[Subject, float] = {}

        def learn(subject: Subject) -> None:
            generator = idle.get()
            try:
                self._await(generator, subject)
                loads.warm(generator, subject, loads.few(), self._plan.patience)
                if self._plan.learns_many(subject):
                    loads.warm(generator, subject, loads.many(self._plan.names), self._plan.patience)
                    memory[subject] = subject.processes.memory() / 1e6
            except LoadFailedError as error:
                _say(
                    f"{subject.name}, {CONDITIONS[subject.cores]}, did not learn: {error}\n{_end(subject.log)}"
                )
            finally:
                idle.put(generator)

        with ThreadPoolExecutor(_WARMERS) as pool:
            list(pool.map(learn, self._subjects))
        measured = {cores: Measured(CONDITIONS[cores], MEMORY) for cores in self._plan.cores}
        for subject in filter(self._plan.learns_many, self._subjects):
            measured[subject.cores].rounds[subject.name].append(memory.get(subject))
        return [one for one in measured.values() if one.rounds]

    @staticmethod
    def _await(generator: Generator, subject: Subject) -> None:
        """Wait for the first answers."""
        end = time.monotonic() + _PATIENCE
        while True:
            told = generator.put(subject.port, Names("f", 0, 4), count=4, seconds=2)
            if told["answered"] == told["asked"] and not told["wrong"]:
                return
            if time.monotonic() > end:
                raise LoadFailedError(f"no right answer: {told}")
            time.sleep(0.2)

    def _place(self, cores: int) -> None:
        """Give each its core, or all of them both."""
        generator = Processes(self._generators[0].process.pid)
        for processes in (generator, self._network.authority):
            processes.pin((_CLIENTS,) if cores == 1 else BOTH_CORES)
        for subject in self._subjects:
            subject.processes.pin((_SERVERS,) if subject.cores == 1 else BOTH_CORES)

    def _round(
        self, number: int, cores: int, load: Load, found: dict[tuple[int, Figure], Measured[Figure]]
    ) -> None:
        subjects = [
            subject for subject in self._subjects if subject.cores == cores and self._plan.puts(load, subject)
        ]
        if not subjects:
            return
        turn = number % len(subjects)  # whoever comes first in one round comes last in another
        for subject in subjects[turn:] + subjects[:turn]:
            of = Measurement(
                *(self._network, self._generators[0], subject, self._plan.seconds, number, self._plan.names),
                spare_core=cores == 1,
            )
            try:
                numbers: Sequence[float | None] = load.measure(of)
            except LoadFailedError as error:
                _say(f"{load.name} by {subject.name} failed: {error}")
                numbers = [None] * len(load.figures)
            for figure, value in zip(load.figures, numbers, strict=True):
                found[cores, figure].rounds[subject.name].append(value)
        shown = ", ".join(
            f"{subject.name} {value:.4g}"
            for subject in subjects
            if (value := found[cores, load.figures[0]].rounds[subject.name][-1]) is not None
        )
        _say(f"round {number + 1} of {self._plan.rounds}, {CONDITIONS[cores]}, {load.name}: {shown}")


def _end(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr)
