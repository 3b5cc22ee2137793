"""``python -m bench``: nat64d beside plain forwarding and Debian's TAYGA, in interleaved rounds."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from bench import machine, mapped_hosts, results, subjects
from bench.parts import PARTS, Plan
from tests.lab import debian_tayga

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS: Final = Path(__file__).parent / "results"
OURS: Final = (*subjects.VARIANTS, *mapped_hosts.HOSTS, *mapped_hosts.BESIDES)
COMPARED: Final = (
    subjects.PEER,
    *subjects.LIMITS,
    mapped_hosts.FEW,
    mapped_hosts.ALONE,
    mapped_hosts.BESIDE_KNOWN,
)
NAMES: Final = tuple(name for part in PARTS.values() for name in part.names)
TOOLS: Final = ("ip", "nft", "ethtool", "ping", "iperf3")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    plan = Plan(
        parts=options.parts,
        subjects=options.subjects,
        only=options.only.split(","),
        rounds=options.rounds or (1 if options.quick else 3),
        seconds=options.seconds or (1 if options.quick else 2),
    )
    if not plan.has_loads():
        parser.error(f"no load has {options.only!r} in its name")
    problem = _missing()
    if problem is not None:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _end)  # as Ctrl-C does: the namespaces are removed first
    before = machine.describe()
    try:
        measured = plan.measure()
    except debian_tayga.TaygaUnavailableError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": before,
        "load_average_after": list(os.getloadavg()),
        "tayga": debian_tayga.version() if subjects.PEER in plan.subjects else None,
        "variants": {name: list(lines) for name, lines in subjects.VARIANTS.items()},
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "results": results.as_json(measured, COMPARED),
    }
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(results.table(measured, OURS, COMPARED))
    print(
        f"\n{before['processor']}, {before['cores']} cores, Linux {before['kernel']}, Python {before['python']},"
        f" TAYGA {report['tayga']}, load average before {before['load_average'][0]:.1f}; all numbers in {path}"
    )
    failed = any(None in numbers for one in measured for numbers in one.rounds.values())
    return 1 if failed else 0


def _missing() -> str | None:
    """Return what the machine or the caller lacks, None if nothing."""
    if os.geteuid():
        return "needs root: it makes network namespaces and TUN devices"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"needs {' and '.join(missing)}; make bench installs what is missing" if missing else None


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure nat64d beside plain forwarding and Debian's TAYGA; some 15 minutes.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round of one second a load: a minute, to see that it works"
    )
    parser.add_argument(
        "--only",
        metavar="TEXT[,TEXT…]",
        default="",
        help="only the loads with one of these in their names: "
        + ", ".join(
            dict.fromkeys(
                load.name for part in PARTS.values() for _, loads in part.conditions for load in loads
            )
        ),
    )
    parser.add_argument(
        "--parts",
        metavar="NAME[;NAME…]",
        type=partial(_names, of=tuple(PARTS)),
        default=tuple(PARTS),
        help="only these: " + "; ".join(PARTS),
    )
    parser.add_argument(
        "--subjects",
        metavar="NAME[;NAME…]",
        type=partial(_names, of=NAMES),
        default=tuple(name for name in NAMES if name != subjects.UNUSUAL),
        help=f"only these, and {subjects.UNUSUAL} only if it is among them: " + "; ".join(NAMES),
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="where the JSON goes [bench/results]"
    )
    parser.add_argument("--rounds", type=_positive, metavar="N", help="rounds to take the median of [3]")
    parser.add_argument("--seconds", type=_positive, metavar="N", help="seconds for each load [2]")
    return parser


def _names(text: str, of: tuple[str, ...]) -> tuple[str, ...]:
    chosen = tuple(name for name in of if name in text.split(";"))
    if len(chosen) < len(text.split(";")):
        raise argparse.ArgumentTypeError(f"{text}: there are {'; '.join(of)}")
    return chosen


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
