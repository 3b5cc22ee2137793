"""Fuzz every target for a while, side by side, and write a log of it: `make fuzz FUZZ_SECONDS=3600 FUZZ_SEED=1`.

The log holds what is needed to believe it and to run it again: seed, commit, machine, inputs run, what they covered, and
how it ended. Where an input broke a promise, that input stands in the log in hex.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz.seeds import DIRECTORY, INPUTS

ROOT: Final = Path(__file__).parents[2]
LOGS: Final = Path(__file__).parent / "log"
WORK: Final = ROOT / ".cache" / "fuzz"
_LONGEST_INPUT: Final = 8192
_SECONDS_FOR_ONE_INPUT: Final = 20
_LAST_STATUS: Final = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)


class Outcome(NamedTuple):
    """How a target's run ended."""

    inputs: int
    coverage: int
    features: int
    corpus: int
    exit_status: int
    crashes: tuple[Path, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every input kept every promise, and there were inputs."""
        return self.exit_status == 0 and not self.crashes and self.inputs > 0


def main() -> int:
    """Run the campaign, write its log, and return 0 if it was clean."""
    options = argparse.ArgumentParser(description="fuzz every target side by side")
    options.add_argument("--seconds", type=int, default=3600, help="how long (default: %(default)s)")
    options.add_argument("--seed", type=int, default=1, help="where libFuzzer begins (default: %(default)s)")
    options.add_argument("--log", type=Path, help="the log to write (default: one of tests/fuzz/log)")
    chosen = options.parse_args()
    began = datetime.now(UTC)
    commit = _commit()
    outcomes = _run(chosen.seconds, chosen.seed)
    text = _report(began, commit, chosen.seconds, chosen.seed, outcomes)
    path = chosen.log or LOGS / f"{began:%Y-%m-%d-%H%M}-seed-{chosen.seed}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{text}\nwritten to {path}\n")
    return 0 if all(outcome.is_clean for outcome in outcomes.values()) else 1


def _run(seconds: int, seed: int) -> dict[str, Outcome]:
    running = {target: _start(target, seconds, seed) for target in INPUTS}
    try:
        return {target: _outcome(target, process.wait()) for target, process in running.items()}
    finally:
        for process in running.values():
            process.kill()


def _start(target: str, seconds: int, seed: int) -> subprocess.Popen[bytes]:
    work = WORK / target
    grown = work / "corpus"
    shutil.rmtree(work, ignore_errors=True)  # each run begins with the seeds, so that it can be run again
    grown.mkdir(parents=True)
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.atheris_run",
        target,
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-max_len={_LONGEST_INPUT}",
        f"-timeout={_SECONDS_FOR_ONE_INPUT}",
        f"-artifact_prefix={work}/",
        str(grown),
        str(DIRECTORY / target),
    ]
    with _output(target).open("wb") as output:
        return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, stdin=subprocess.DEVNULL)


def _output(target: str) -> Path:
    return WORK / target / "output.txt"


def _crashes(target: str) -> tuple[Path, ...]:
    found = [
        path for kind in ("crash", "timeout", "oom", "leak") for path in (WORK / target).glob(f"{kind}-*")
    ]
    return tuple(sorted(found))


def _outcome(target: str, exit_status: int) -> Outcome:
    statuses = _LAST_STATUS.findall(_output(target).read_text(encoding="utf-8", errors="replace"))
    inputs, coverage, features, corpus = map(int, statuses[-1] if statuses else (0, 0, 0, 0))
    return Outcome(inputs, coverage, features, corpus, exit_status, _crashes(target))


def _report(began: datetime, commit: str, seconds: int, seed: int, outcomes: dict[str, Outcome]) -> str:
    lines = [
        f"began: {began:%Y-%m-%d %H:%M} UTC",
        f"asked for: {seconds} seconds for each target, all side by side",
        f"seed: {seed}",
        f"commit: {commit}",
        f"processor: {_processor()}, {os.cpu_count()} of them",
        f"kernel: {platform.system()} {platform.release()}",
        f"python: {platform.python_implementation()} {platform.python_version()}",
        f"atheris: {version('atheris')}",
    ]
    for target, outcome in outcomes.items():
        lines += [
            "",
            f"target: {target}",
            f"inputs run: {outcome.inputs}",
            f"coverage: {outcome.coverage} edges, {outcome.features} features",
            f"corpus: {len(list((DIRECTORY / target).iterdir()))} seeds, grown to {outcome.corpus} inputs",
            f"result: {'clean' if outcome.is_clean else f'NOT CLEAN, exit status {outcome.exit_status}'}",
        ]
        lines += [f"broken by {crash.name}: {crash.read_bytes().hex()}" for crash in outcome.crashes]
        if not outcome.is_clean:
            output = _output(target).read_text(encoding="utf-8", errors="replace").splitlines()
            lines += [f"  | {line}" for line in output[-40:]]
    return "\n".join(lines) + "\n"


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    changed = (
        " with changes that are not committed" if git("status", "--porcelain", "nat64", "tests/fuzz") else ""
    )
    return git("rev-parse", "HEAD") + changed


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main())
