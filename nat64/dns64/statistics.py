"""What a DNS64 server has counted: events by name, and how long answers took by their outcome. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

BOUNDS: Final = tuple(1 << power for power in range(4, 24))
"""The upper bounds of the buckets in microseconds, 16 to 8.4 million; one more bucket takes what is longer."""
_FIRST_BOUND: Final = BOUNDS[0]
_BOUNDS: Final = len(BOUNDS)


@dataclass(slots=True)
class Histogram:
    """How many answers took how long: the count of each bucket, and the sum of all in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def note(self, seconds: float, times: int = 1) -> None:
        """Count `times` answers that took so long each."""
        micro = int(seconds * 1e6)
        # A bucket holds what is at most its bound: 16 and less, 17 to 32, …
        bucket = (micro - 1).bit_length() - 4 if micro > _FIRST_BOUND else 0
        self.counts[min(_BOUNDS, bucket)] += times
        self.seconds += seconds * times

    def add(self, other: Histogram) -> None:
        """Count what another has counted, too."""
        self.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        self.seconds += other.seconds

    def quantile(self, share: float) -> int | None:
        """Return the bound, in microseconds, under which that share of the answers lies; ``None``: no answer yet."""
        total = sum(self.counts)
        if not total:
            return None
        seen = 0
        for bound, count in zip((*BOUNDS, BOUNDS[-1] * 2), self.counts, strict=True):
            seen += count
            if seen >= share * total:
                return bound
        return BOUNDS[-1] * 2


@dataclass(slots=True)
class Statistics:
    """All that one worker, or several together, have counted."""

    counters: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, Histogram] = field(default_factory=dict)
    """By outcome: cached, stale, forwarded, synthesized, reverse, failed, …"""

    def answered(self, outcome: str, seconds: float, times: int = 1) -> None:
        """Count `times` answers of that outcome that took so long each."""
        self.counters[outcome] += times
        self.took(outcome, seconds, times)

    def took(self, outcome: str, seconds: float, times: int) -> None:
        """Note that `times` answers of that outcome, counted elsewhere, took so long each."""
        histogram = self.latencies.get(outcome)
        if histogram is None:
            histogram = self.latencies[outcome] = Histogram()
        histogram.note(seconds, times)

    def add(self, other: Statistics) -> None:
        """Count what another has counted, too."""
        self.counters.update(other.counters)
        for outcome, histogram in other.latencies.items():
            self.latencies.setdefault(outcome, Histogram()).add(histogram)

    def as_json(self) -> dict[str, Any]:
        """Return it for a message; the buckets' bounds are in microseconds."""
        return {
            "counters": dict(self.counters),
            "bounds": list(BOUNDS),
            "latencies": {
                outcome: {"counts": list(each.counts), "seconds": each.seconds}
                for outcome, each in self.latencies.items()
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Statistics:
        """Read what `as_json` returned."""
        return cls(
            Counter(data["counters"]),
            {
                outcome: Histogram(list(each["counts"]), each["seconds"])
                for outcome, each in data["latencies"].items()
            },
        )
