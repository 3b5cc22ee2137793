"""What the lab says while it works, and long commands run under watch."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

# A long step is reported on this often, in seconds.
INTERVAL = 5.0


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step, and how long it took when it is done."""
    say(f"==> {title}")
    start = time.monotonic()
    yield
    say(f"    done in {time.monotonic() - start:.1f} s")


@dataclass(frozen=True, slots=True)
class Job:
    """A command that takes a while; what it prints goes to `log`."""

    title: str
    command: Sequence[str]
    log: Path


def watch(*jobs: Job) -> None:
    """Run the jobs side by side, telling at intervals what they are at; raise LabError if one fails.

    Whatever ends this call early, Ctrl-C too, ends the jobs.
    """
    running: list[tuple[Job, subprocess.Popen[bytes]]] = []
    start = last_report = time.monotonic()
    try:
        for job in jobs:
            say(f"    {job.title} ...")
            with job.log.open("wb") as log:
                process = subprocess.Popen(
                    job.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
                )
            running.append((job, process))
        while running:
            for job, process in running.copy():
                status = process.poll()
                if status is None:
                    continue
                running.remove((job, process))
                if status != 0:
                    raise LabError(_failure(job, status))
                say(f"    {job.title}: done ({time.monotonic() - start:.0f} s)")
            if time.monotonic() - last_report >= INTERVAL:
                last_report = time.monotonic()
                for job, _ in running:
                    say(f"    {job.title} ({last_report - start:.0f} s): {_last_line(job.log)[:90]}")
            time.sleep(0.1)
    finally:
        for _, process in running:
            process.terminate()
        for _, process in running:
            process.wait()


def _failure(job: Job, status: int) -> str:
    tail = job.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
    print("\n".join(f"      {line}" for line in tail), file=sys.stderr)
    return f"{job.title}: failed with status {status}; the reason is in the lines above"


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "starting")
