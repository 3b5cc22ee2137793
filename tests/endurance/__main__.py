"""``python -m tests.endurance``: dns64d under mixed good, bad and hostile load; as root, `make endurance`.

Everything is in network namespaces of its own, bounded in rate and time. The log has the seed, the commit and the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from bench import machine
from bench.dns64.processes import proportional_set_size
from nat64.control import client
from nat64.control.protocol import CommandFailed
from tests.endurance import network
from tests.endurance.clock import FakeClock
from tests.endurance.operations import Operations
from tests.endurance.report import Findings, Sample, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.endurance.network import Gateway, Place

LOGS: Final = Path(__file__).parent / "log"
_SAMPLE_EACH: Final = 10.0
_SPARE: Final = 30.0
"""Seconds after its time in which a part of the campaign has to end."""


def main() -> int:
    """Run the campaign, write its log, and return 0 if all was well."""
    options = _parser().parse_args()
    if os.geteuid():
        print("endurance: needs root: it makes network namespaces", file=sys.stderr)  # noqa: T201
        return 1
    signal.signal(signal.SIGTERM, _end)  # as Ctrl-C does: the namespaces are removed first
    began = datetime.now(UTC)
    before = machine.describe()
    with tempfile.TemporaryDirectory(prefix="nat64-endurance-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        clock = FakeClock(directory)
        with network.place(directory, options.seed, options.intensity, clock.environment) as place:
            campaign = _Campaign(place, clock, options)
            try:
                campaign.run()
            finally:
                if options.keep is not None:
                    options.keep.write_bytes(place.gateway.log.read_bytes())
            about = _about(began, before, options, place)
            counts = campaign.counts()
    text = told(campaign.findings, about, counts)
    path = options.log or LOGS / f"{began:%Y-%m-%d-%H%M}-seed-{options.seed}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{text}\nwritten to {path}\n")
    return 1 if campaign.findings.faults(with_memory=options.seconds >= 1800) else 0


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.endurance",
        description="dns64d under mixed good, bad and hostile load.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--seconds", type=float, default=3600, help="how long; memory is judged from half an hour on [3600]")
    add("--seed", type=int, default=1, help="of all that is random [1]")
    add("--intensity", type=float, default=1.0, help="what to multiply bad and hostile rates by [1]")
    add("--log", type=Path, help="the log to write (default: one of tests/endurance/log)")
    add("--keep", type=Path, metavar="FILE", help="copy there what the daemon logged")
    return parser


class _Campaign:
    """The loads and the operations, side by side."""

    def __init__(self, place: Place, clock: FakeClock, options: argparse.Namespace) -> None:
        seconds: float = options.seconds
        self._place = place
        self._gateway = place.gateway
        self._seconds = seconds
        self._operations = Operations(place, clock, seconds)
        intensity = ("--intensity", str(options.intensity))
        self._loads = {
            name: self._start(name, options.seed, seconds, *words)
            for name, words in {
                "good_clients": (
                    *(("--tls", str(self._gateway.tls)) if self._gateway.tls else ()),
                    network.SERVER6,
                    network.SERVER4,
                ),
                "bad_clients": (*intensity, network.SERVER6, *network.BAD[:5]),
                "hostile_clients": (*intensity, network.SERVER6, *network.BAD[5:]),
            }.items()
        }
        self.findings = Findings(seconds)
        self._told: dict[str, Mapping[str, object]] = {}

    def _start(self, name: str, seed: int, seconds: float, *words: str) -> subprocess.Popen[str]:
        with (self._gateway.directory / f"{name}.out").open("w") as output:
            return self._place.client.popen(
                *(sys.executable, "-m", f"tests.endurance.{name}"),
                *("--seed", str(seed), "--seconds", str(seconds), *words),
                cwd=network.ROOT,
                stdout=output,
                stderr=output,
            )

    def run(self) -> None:
        """Go on until the time is over and the loads have ended."""
        start = time.monotonic()
        sample_each = min(_SAMPLE_EACH, self._seconds / 60)
        due = 0.0
        while (elapsed := time.monotonic() - start) < self._seconds:
            if self._gateway.process.poll() is not None:
                self.findings.troubles.append(f"dns64d ended with status {self._gateway.process.returncode}")
                break
            for done in self._operations.tick(elapsed):
                print(f"endurance: {elapsed:.0f} s: {done}", file=sys.stderr)  # noqa: T201
            if elapsed >= due:
                due = elapsed + sample_each
                self.findings.samples.append(_sample(self._gateway, elapsed))
            time.sleep(0.2)
        self._operations.end()
        for name, process in self._loads.items():
            self._told[name] = self._outcome(name, process)
        self.findings.good = self._told.pop("good_clients")  # type: ignore[assignment]  # of JSON
        if self._gateway.process.poll() is None:
            self._told["counters of dns64d"] = self._counters()

    def counts(self) -> dict[str, Mapping[str, object]]:
        """Return the tables of the report."""
        return {"operations": self._operations.done, **self._told}

    def _outcome(self, name: str, process: subprocess.Popen[str]) -> Mapping[str, object]:
        """Wait for the end of a load and return what it told."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_SPARE)
        lines = (self._gateway.directory / f"{name}.out").read_text(encoding="utf-8").splitlines()
        if process.poll() != 0:
            self.findings.troubles.append(f"{name} ended with {process.poll()}: {' | '.join(lines[-5:])}")
        for line in reversed(lines):
            with contextlib.suppress(ValueError):
                found: Mapping[str, object] = json.loads(line)
                return found
        return {}

    def _counters(self) -> Mapping[str, object]:
        try:
            status = client.ask(self._gateway.control_socket, "status")
        except CommandFailed as error:
            self.findings.troubles.append(f"the control socket does not answer: {error}")
            return {}
        counters = status.get("counters")
        return (
            {name: count for name, count in counters.items() if count} if isinstance(counters, dict) else {}
        )


def _sample(gateway: Gateway, elapsed: float) -> Sample:
    processes = gateway.processes.ids()
    descriptors = 0
    for process in processes:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            descriptors += sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())
    oldest = processes[1] if len(processes) > 1 else processes[0]
    return Sample(
        elapsed, sum(map(proportional_set_size, processes)), proportional_set_size(oldest), descriptors
    )


def _about(
    began: datetime, before: Mapping[str, object], options: argparse.Namespace, place: Place
) -> dict[str, str]:
    changed = " with changes that are not committed" if before["changed_since"] else ""
    return {
        "began": f"{began:%Y-%m-%d %H:%M} UTC",
        "seconds": f"{options.seconds:.0f}",
        "seed": str(options.seed),
        "intensity": str(options.intensity),
        "commit": f"{before['commit']}{changed}",
        "machine": f"{before['processor']}, {before['cores']} cores, Linux {before['kernel']}, Python {before['python']}",
        "config": " / ".join(place.gateway.config.splitlines()),
        "left out of it": ", ".join(network.left_out(place.gateway)) or "nothing",
    }


if __name__ == "__main__":
    sys.exit(main())
