"""``python -m bench.fleet``: a run on a fleet that finds nothing to do, beside a bare ping of the same hosts.

Before that the gateways of the lab are set up, a map is changed on all, and a second run has to change nothing. Then runs and
pings take turns, and each round begins with the other one. Both have the same hosts, connections and number of forks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench import machine
from lab.errors import LabError
from lab.fleet import Fleet, Run
from lab.progress import say, step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESULTS: Final = Path(__file__).parent / "results"
GOAL: Final = 6.0
"""How many times as long as a ping a run may take that finds nothing to do."""
_NEW_MAP: Final = {"ipv4": "192.0.2.81", "ipv6": "2001:db8:64:1::81"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the JSON; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__, allow_abbrev=False)
    parser.add_argument("--hosts", type=int, default=50, help="how many gateways (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="how many pairs (default: %(default)s)")
    parser.add_argument("--forks", type=int, default=10, help="of Ansible, in both (default: %(default)s)")
    parser.add_argument("--name", default="fleet", help="which lab (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the gateways up at the end")
    options = parser.parse_args(arguments)
    described = machine.describe()
    fleet = Fleet(options.hosts, options.name, forks=options.forks)
    try:
        report = measure(fleet, options.rounds, keep=options.keep)
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    report |= {"machine": described, "hosts": options.hosts, "forks": options.forks}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"fleet-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(markdown(report))
    print(f"\nAll numbers in {path}")
    return 0


def measure(fleet: Fleet, rounds: int, *, keep: bool) -> dict[str, Any]:
    """Set up the gateways and time all; they are taken down if this booted them. Raises LabError if a run fails."""
    booted = fleet.up()
    try:
        with step("First run, on those that are not as they shall be"):
            first = fleet.play(fleet_serial="100%").checked()
        with step("Change to one map, on all"):
            change = fleet.play(fleet_serial="100%", fleet_maps=[_NEW_MAP]).checked()
        _see("a change to one map reaches all", change.changed == fleet.hosts)
        pairs = []
        for number in range(rounds):
            with step(f"Round {number + 1} of {rounds}"):
                pairs.append(_pair(fleet, ping_first=number % 2 == 0))
    finally:
        if booted and not keep:
            fleet.lab.down()
    return {"first": first.seconds, "change": change.seconds, "pairs": pairs}


def markdown(report: Mapping[str, Any]) -> str:
    """Return a report as Markdown, as docs/performance.md shows it."""
    described, pairs = report["machine"], report["pairs"]
    changed = " with changes" if described["changed_since"] else ""
    ratios = [run / ping for ping, run in pairs]
    kept = "kept" if statistics.median(ratios) <= GOAL else "missed"
    measured_on = (
        f"{described['cores']} cores, {described['processor']}, Linux {described['kernel']}, Python {described['python']},"
        f" commit {(described['commit'] or 'unknown')[:12]}{changed}, {len(pairs)} rounds, {report['forks']} forks,"
        f" load average before {described['load_average'][0]:.1f}."
    )
    rows = (
        (f"{report['hosts']} hosts", "seconds"),
        ("---", "---"),
        ("first run", f"{report['first']:.0f}"),
        ("change to one map, on all", f"{report['change']:.0f}"),
        ("run that finds nothing to do", _spread([run for _, run in pairs])),
        ("`ansible -m ping`", _spread([ping for ping, _ in pairs])),
        (f"the one ÷ the other; goal {GOAL:g}, {kept}", _spread(ratios)),
    )
    return "\n".join((measured_on, "", *(f"| {name} | {number} |" for name, number in rows)))


def _pair(fleet: Fleet, *, ping_first: bool) -> tuple[float, float]:
    """Return the seconds of a ping and of a run that finds nothing to do."""
    if ping_first:
        ping, run = fleet.ping(), _nothing_to_do(fleet)
    else:
        run, ping = _nothing_to_do(fleet), fleet.ping()
    return ping.checked().seconds, run.seconds


def _nothing_to_do(fleet: Fleet) -> Run:
    run = fleet.play(fleet_maps=[_NEW_MAP]).checked()
    _see("a second run reaches all hosts", sorted(run.recap) == fleet.hosts)
    _see("a second run changes nothing", not run.changed)
    return run


def _see(promise: str, kept: bool) -> None:
    if not kept:
        raise LabError(f"not so: {promise}")
    say(f"    {promise}")


def _spread(numbers: Sequence[float]) -> str:
    return f"{statistics.median(numbers):.2f} ({min(numbers):.2f} to {max(numbers):.2f})"


if __name__ == "__main__":
    sys.exit(main())
