"""What the campaign found, and whether that is well. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MARGIN: Final = 0.1
"""How much more memory at the end than at the beginning still counts as the same."""
BEGINNING: Final = 300.0
"""Seconds in which the caches and tables fill; a campaign that is not six times as long has a sixth of it."""
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory (PSS) in bytes at a time in seconds after the start."""

    at: float
    everything: int
    oldest_worker: int
    descriptors: int
    """Open files of all processes."""


@dataclass(slots=True)
class Findings:
    """All that was seen."""

    seconds: float
    samples: list[Sample] = field(default_factory=list)
    good: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By kind of client: see `tests.endurance.good_clients.Outcome`."""
    troubles: list[str] = field(default_factory=list)
    """What may not be: the daemon died, a part of the campaign did not end well."""

    @property
    def beginning(self) -> float:
        """The seconds in which memory may grow."""
        return min(BEGINNING, self.seconds / 6)

    def memory(self, of: str) -> tuple[int, int]:
        """Return the most memory in the beginning, and in a last part that is as long."""
        first = [getattr(sample, of) for sample in self.samples if sample.at <= self.beginning]
        last = [getattr(sample, of) for sample in self.samples if sample.at >= self.seconds - self.beginning]
        return max(first, default=0), max(last, default=0)

    def is_flat(self, of: str) -> bool:
        """Whether memory (or descriptors) ended where they were after the beginning, within `MARGIN`."""
        first, last = self.memory(of)
        return 0 < last <= first * (1 + MARGIN)

    def total(self, count: str) -> int:
        """Return a count over all kinds of good clients."""
        return sum(outcome[count] for outcome in self.good.values())

    def faults(self, *, with_memory: bool = True) -> list[str]:
        """Return what is not well."""
        faults = list(self.troubles)
        if not self.total("asked"):
            faults.append("no good query was asked")
        faults += [
            f"{self.total(count)} good queries {count}"
            for count in ("unanswered", "wrong")
            if self.total(count)
        ]
        lost = self.total("asked") - sum(self.total(count) for count in ("answered", "unanswered", "wrong"))
        if lost:
            faults.append(f"{lost} good queries have no outcome")
        if with_memory:
            faults += [
                f"memory of {name} grew from {first / _MIB:.1f} to {last / _MIB:.1f} MiB"
                for name, of in (("everything", "everything"), ("the oldest worker", "oldest_worker"))
                if not self.is_flat(of)
                for first, last in [self.memory(of)]
            ]
        return faults


def told(findings: Findings, about: Mapping[str, str], counts: Mapping[str, Mapping[str, object]]) -> str:
    """Return the report as text; `about` stands above it, `counts` are tables that stand below."""
    lines = [f"{name}: {value}" for name, value in about.items()]
    faults = findings.faults()
    lines += [
        "",
        "result: " + ("clean" if not faults else "NOT CLEAN"),
        *(f"  - {fault}" for fault in faults),
    ]
    lines += [
        "",
        f"memory (PSS), the most in the first and in the last {findings.beginning:.0f} s; the same within {MARGIN:.0%}:",
    ]
    for name, of in (("all processes", "everything"), ("the oldest worker", "oldest_worker")):
        first, last = findings.memory(of)
        lines.append(f"  {name:<20}{first / _MIB:8.1f} MiB{last / _MIB:8.1f} MiB")
    first, last = findings.memory("descriptors")
    lines.append(f"  {'open descriptors':<20}{first:8}    {last:8}")
    lines += ["", "good queries:"]
    columns = ("asked", "answered", "sent_again", "unanswered", "wrong", "slowest")
    lines.append(f"  {'':<28}" + "".join(f"{column.replace('_', ' '):>12}" for column in columns))
    for kind, outcome in findings.good.items():
        lines.append(f"  {kind:<28}" + "".join(f"{outcome[column]:>12}" for column in columns))
    lines += [f"  failed: {failure}" for outcome in findings.good.values() for failure in outcome["failures"]]
    for title, table in counts.items():
        lines += ["", f"{title}:", *(f"  {name:<44}{value}" for name, value in table.items())]
    lines += ["", "memory over time (seconds: MiB of everything, of the oldest worker; descriptors):"]
    lines += [
        f"  {sample.at:6.0f}: {sample.everything / _MIB:7.1f} {sample.oldest_worker / _MIB:7.1f} {sample.descriptors:5}"
        for sample in thinned(findings.samples)
    ]
    return "\n".join(lines) + "\n"


def thinned(samples: Sequence[Sample], most: int = 120) -> Sequence[Sample]:
    """Return no more than so many samples, evenly chosen."""
    return samples[:: max(1, -(-len(samples) // most))]
