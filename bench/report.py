"""``python -m bench.report FILE``: a run's medians and ratios as Markdown, as docs/performance.md shows them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__, allow_abbrev=False)
    parser.add_argument("file", type=Path, help="what a run of the bench wrote")
    options = parser.parse_args(arguments)
    try:
        report = json.loads(options.file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"bench: {options.file} is no report of the bench: {error}", file=sys.stderr)
        return 1
    print(markdown(report))
    return 0


def markdown(report: Mapping[str, Any]) -> str:
    """Return a report as Markdown: what it was measured on, and for each condition the medians, then the ratios."""
    machine = report["machine"]
    changed = " with changes" if machine["changed_since"] else ""
    measured_on = (
        f"{machine['cores']} cores, {machine['processor']}, Linux {machine['kernel']}, Python {machine['python']},"
        f" commit {(machine['commit'] or 'unknown')[:12]}{changed}, {report['rounds']} rounds of"
        f" {report['seconds']} seconds, load average before {machine['load_average'][0]:.1f}."
    )
    parts = [measured_on]
    rows: list[dict[str, Any]] = report["results"]
    for condition in dict.fromkeys(row["condition"] for row in rows):
        of_it = [row for row in rows if row["condition"] == condition]
        parts += [f"**{condition[0].upper()}{condition[1:]}**, medians:", _medians(of_it)]
        ratios = _ratios(of_it)
        if ratios:
            parts += ["Ratios, as median (least to greatest of the rounds):", ratios]
    return "\n\n".join(parts)


def _medians(rows: Sequence[Mapping[str, Any]]) -> str:
    subjects = list(dict.fromkeys(row["subject"] for row in rows))
    loads = dict.fromkeys((row["load"], row["unit"]) for row in rows)
    found = {(row["load"], row["subject"]): row["numbers"] for row in rows}
    return _table(
        ["load", *subjects],
        (
            [f"{load}, {unit}", *(_figure(found.get((load, each))) for each in subjects)]
            for load, unit in loads
        ),
    )


def _ratios(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of those ratios that there are, empty if there are none."""
    found = {
        (row["load"], f"{row['subject']} ÷ {other}"): ratio
        for row in rows
        for other, ratio in row["ratios"].items()
        if ratio is not None and other != row["subject"]
    }
    names = list(dict.fromkeys(name for _, name in found))
    loads = dict.fromkeys((row["load"], "" if row["more_is_better"] else " (less is better)") for row in rows)
    if not names:
        return ""
    return _table(
        ["ratio", *(f"{load}{note}" for load, note in loads)],
        ([name, *(_ratio(found.get((load, name))) for load, _ in loads)] for name in names),
    )


def _figure(numbers: Mapping[str, float] | None) -> str:
    if numbers is None:
        return "-"
    return f"{numbers['median']:.2f}" if numbers["median"] < 100 else f"{numbers['median']:,.0f}"


def _ratio(ratio: Mapping[str, float] | None) -> str:
    return "-" if ratio is None else f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"


def _table(heading: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
