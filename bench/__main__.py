"""``python -m bench``: nat64d beside plain forwarding and Debian's TAYGA, in interleaved rounds."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from bench import machine, results, subjects
from bench.gateway import bench_network
from bench.loads import LOADS, LoadFailedError
from bench.results import Measured
from tests.lab import debian_tayga

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.gateway import BenchNetwork
    from bench.loads import Load
    from bench.subjects import Subject

RESULTS: Final = Path(__file__).parent / "results"
OFFLOADED: Final = "segmentation offloads on"
SEGMENTED: Final = "TSO and GRO off"
COMPARED: Final = (subjects.PEER, *subjects.LIMITS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON; return the exit status."""
    options = _parser().parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (1 if options.quick else 2)
    if os.geteuid():
        print("bench: needs root: it makes network namespaces and TUN devices", file=sys.stderr)
        return 1
    if not any(options.only in load.name for load in LOADS):
        print(f"bench: no load has {options.only!r} in its name", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _end)  # as Ctrl-C does: the namespaces are removed first
    before = machine.describe()
    try:
        with tempfile.TemporaryDirectory(prefix="nat64-bench-") as directory, bench_network() as network:
            subjects_there = subjects.start(network, Path(directory))
            measured = _measure(network, subjects_there, options)
    except debian_tayga.TaygaUnavailableError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": before,
        "load_average_after": list(os.getloadavg()),
        "tayga": debian_tayga.version(),
        "variants": {name: list(lines) for name, lines in subjects.VARIANTS.items()},
        "rounds": options.rounds,
        "seconds": options.seconds,
        "results": results.as_json(measured, COMPARED),
    }
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(results.table(measured, list(subjects.VARIANTS), COMPARED))
    print(
        f"\n{before['processor']}, {before['cores']} cores, Linux {before['kernel']}, Python {before['python']},"
        f" TAYGA {report['tayga']}, load average before {before['load_average'][0]:.1f}; all numbers in {path}"
    )
    failed = any(None in numbers for one in measured for numbers in one.rounds.values())
    return 1 if failed else 0


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _measure(
    network: BenchNetwork, subjects_there: list[Subject], options: argparse.Namespace
) -> list[Measured[Load]]:
    """Put each load on each subject in turn, round by round."""
    chosen = [load for load in LOADS if options.only in load.name]
    measured = [Measured(OFFLOADED, load) for load in chosen]
    measured += [
        Measured(SEGMENTED, load)
        for load in chosen
        if load.segments and (not options.quick or "TCP 1" in load.name)
    ]
    began = time.monotonic()
    total = options.rounds * len(measured) * len(subjects_there)
    done = 0
    for number in range(options.rounds):
        # Whoever comes first in one round comes last in another.
        turn = number % len(subjects_there)
        order = subjects_there[turn:] + subjects_there[:turn]
        for one in measured:
            network.segmentation(on=one.condition == OFFLOADED)
            found = {subject.name: _try(network, one, subject, options.seconds) for subject in order}
            for subject in subjects_there:
                one.rounds[subject.name].append(found[subject.name])
            done += len(order)
            left = (time.monotonic() - began) / done * (total - done)
            print(
                f"bench: round {number + 1} of {options.rounds}, {one.condition}, {one.load.name}: "
                + ", ".join(f"{name} {value:.4g}" for name, value in found.items() if value is not None)
                + f"; {left:.0f} s left",
                file=sys.stderr,
            )
    return measured


def _try(network: BenchNetwork, one: Measured[Load], subject: Subject, seconds: int) -> float | None:
    try:
        return one.load.measure(network, subject.address, seconds)
    except LoadFailedError as error:
        print(f"bench: {one.load.name} by {subject.name} failed: {error}", file=sys.stderr)
        return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure nat64d beside plain forwarding and Debian's TAYGA; some 8 minutes.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round of one second a load: a minute, to see that it works"
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="only the loads with TEXT in their names: " + ", ".join(load.name for load in LOADS),
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="where the JSON goes [bench/results]"
    )
    parser.add_argument("--rounds", type=_positive, metavar="N", help="rounds to take the median of [3]")
    parser.add_argument("--seconds", type=_positive, metavar="N", help="seconds for each load [2]")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
