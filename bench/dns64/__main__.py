"""``python -m bench.dns64``: dns64d beside Debian's Unbound, BIND and pdns-recursor, in interleaved rounds."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from bench import machine, results
from bench.dns64.loads import LOADS
from bench.dns64.network import network
from bench.dns64.rounds import BOTH_CORES, CONDITIONS, Plan, Run
from bench.dns64.subjects import OURS, PEERS

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS: Final = Path(__file__).parents[1] / "results"
MILLION: Final = 1_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    plan = _plan(options)
    if not plan.loads:
        parser.error(f"no load has {options.only!r} in its name")
    if os.geteuid():
        print("bench: needs root: it makes network namespaces", file=sys.stderr)
        return 1
    if not set(BOTH_CORES) <= os.sched_getaffinity(0):
        print("bench: needs two cores: one for the server, one for the client", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _end)  # as Ctrl-C does: the namespaces are removed first
    before = machine.describe()
    with tempfile.TemporaryDirectory(prefix="nat64-bench-") as name:
        Path(name).chmod(0o755)
        with network(Path(name)) as there:
            run = Run(there, Path(name), plan)
            measured = run.measure()
    peers = [peer for peer in PEERS if peer in plan.subjects]
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": before,
        "load_average_after": list(os.getloadavg()),
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "names": plan.names,
        "generator_limit": run.generator_limit,
        "results": results.as_json(measured, peers),
    }
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-dns64.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    ours = [OURS] if OURS in plan.subjects else []
    print(results.table(measured, ours, peers))
    print(
        f"\n1M: {plan.names} names. The generator's own limit: {run.generator_limit:.0f} queries/s. {before['processor']}, {before['cores']} cores, Linux {before['kernel']},"
        f" Python {before['python']}, load average before {before['load_average'][0]:.1f}; all numbers in {path}"
    )
    return 1 if any(None in numbers for one in measured for numbers in one.rounds.values()) else 0


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _plan(options: argparse.Namespace) -> Plan:
    quick: bool = options.quick
    return Plan(
        subjects=options.subjects,
        cores=options.cores,
        loads=[load for load in LOADS if any(text in load.name for text in options.only.split(","))],
        rounds=options.rounds or (1 if quick else 3),
        seconds=options.seconds or (1 if quick else 2),
        names=options.names or (MILLION // 20 if quick else MILLION),
        patience=25 if quick else 900,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.dns64",
        description="Measure dns64d beside Debian's Unbound, BIND and pdns-recursor; some 12 minutes.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--quick",
        action="store_true",
        help="one round of one second a load, a twentieth of the names: to see that it works",
    )
    add(
        "--only",
        metavar="TEXT[,TEXT…]",
        default="",
        help="only loads with one of these in their names: " + ", ".join(load.name for load in LOADS),
    )
    add(
        "--subjects",
        metavar="NAME[,NAME…]",
        type=_subjects,
        default=(OURS, *PEERS),
        help="only these: " + ", ".join((OURS, *PEERS)),
    )
    add(
        "--cores",
        metavar="N[,N]",
        type=_cores,
        default=tuple(CONDITIONS),
        help="1: a core for the server alone, 2: two for server and client [1,2]",
    )
    add("--results", type=Path, default=RESULTS, metavar="DIR", help="where the JSON goes [bench/results]")
    add("--rounds", type=_positive, metavar="N", help="rounds to take the median of [3]")
    add("--seconds", type=_positive, metavar="N", help="seconds for each load [2]")
    add("--names", type=_positive, metavar="N", help="names of the loads that say 1M [1000000]")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _subjects(text: str) -> tuple[str, ...]:
    chosen = tuple(name for name in (OURS, *PEERS) if name in text.split(","))
    if len(chosen) < len(text.split(",")):
        raise argparse.ArgumentTypeError(f"{text}: there are {', '.join((OURS, *PEERS))}")
    return chosen


def _cores(text: str) -> tuple[int, ...]:
    numbers = tuple(sorted({int(number) for number in text.split(",")}))
    if not set(numbers) <= CONDITIONS.keys():
        raise argparse.ArgumentTypeError(f"{text}: there are 1 and 2")
    return numbers


if __name__ == "__main__":
    sys.exit(main())
