"""What a run of the bench found: the numbers of each round, medians, and ratios with their spread."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class Quantity(Protocol):
    """What the numbers are."""

    @property
    def name(self) -> str:
        """Return the load's name, or that of one of its figures."""

    @property
    def unit(self) -> str:
        """Return the unit."""

    @property
    def more_is_better(self) -> bool:
        """Tell whether a greater number is a better one."""


Q = TypeVar("Q", bound=Quantity)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some numbers, with the least and the greatest."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """Return the spread of at least one number."""
        return cls(statistics.median(numbers), min(numbers), max(numbers))

    def as_json(self) -> dict[str, float]:
        """Return it for a report."""
        return {"median": self.median, "min": self.least, "max": self.greatest}


@dataclass(slots=True)
class Measured(Generic[Q]):
    """The numbers of one load under one condition: for each subject, one a round, None where it failed."""

    condition: str
    load: Q
    rounds: dict[str, list[float | None]] = field(default_factory=lambda: defaultdict(list))

    def numbers(self, subject: str) -> Spread | None:
        """Return the spread of a subject's numbers, None when there are none."""
        numbers = [number for number in self.rounds.get(subject, ()) if number is not None]
        return Spread.of(numbers) if numbers else None

    def ratio(self, subject: str, to: str) -> Spread | None:
        """Return how one subject compares with another: the spread of the ratios within each round.

        What was measured one right after the other is compared, so that a machine that was slower for a while was so
        for both. None when there is no round with both.
        """
        if not {subject, to} <= self.rounds.keys():
            return None
        ratios = [
            one / other
            for one, other in zip(self.rounds[subject], self.rounds[to], strict=True)
            if one is not None and other
        ]
        return Spread.of(ratios) if ratios else None


def as_json(measured: Sequence[Measured[Any]], compared: Sequence[str]) -> list[dict[str, Any]]:
    """Return all numbers, medians and ratios to the subjects in `compared`, for a report."""
    return [
        {
            "condition": one.condition,
            "load": one.load.name,
            "unit": one.load.unit,
            "more_is_better": one.load.more_is_better,
            "subject": subject,
            "rounds": numbers,
            "numbers": _json(one.numbers(subject)),
            "ratios": {other: _json(one.ratio(subject, other)) for other in compared if other != subject},
        }
        for one in measured
        for subject, numbers in one.rounds.items()
    ]


def _json(spread: Spread | None) -> dict[str, float] | None:
    return spread.as_json() if spread is not None else None


def table(measured: Sequence[Measured[Any]], variants: Sequence[str], compared: Sequence[str]) -> str:
    """Return a table for people: each subject's median, then how each variant compares with those in `compared`."""
    lines = []
    for condition in dict.fromkeys(one.condition for one in measured):
        rows = [one for one in measured if one.condition == condition]
        subjects = list(dict.fromkeys(subject for one in rows for subject in one.rounds))
        ratios = [
            (one, other)
            for one in variants
            for other in compared
            if one != other and {one, other} <= set(subjects)
        ]
        heading = ["load", "unit", *subjects, *(f"{variant} / {other}" for variant, other in ratios)]
        body = [
            [
                one.load.name,
                one.load.unit + ("" if one.load.more_is_better else " (less is better)"),
                *(_figure(one.numbers(subject)) if subject in one.rounds else "-" for subject in subjects),
                *(
                    _ratio(one.ratio(variant, other)) if {variant, other} <= one.rounds.keys() else "-"
                    for variant, other in ratios
                ),
            ]
            for one in rows
        ]
        lines.append(f"\n{condition}: medians; ratios as median (least to greatest of the rounds)\n")
        lines.extend(_aligned([heading, *body]))
    return "\n".join(lines)


def _figure(spread: Spread | None) -> str:
    if spread is None:
        return "failed"
    return f"{spread.median:.2f}" if spread.median < 100 else f"{spread.median:.0f}"


def _ratio(spread: Spread | None) -> str:
    if spread is None:
        return "failed"
    return f"{spread.median:.2f} ({spread.least:.2f} to {spread.greatest:.2f})"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
