"""Compare the fast path with Python on many packets, and write a log of it: `make differential PACKETS=10000000 SEED=1` (root).

The log holds what is needed to believe it and to run it again: seed, commit, machine, compiler, and what came of the packets.
"""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from nat64.device.fast_path.layout import Outcome
from tests.fast_path import built, campaign, differential

LOGS: Final = Path(__file__).parent / "log"
_TOLD_EVERY: Final = 30.0  # seconds


def main() -> int:
    """Run the campaign, write its log, and return 0 if it was clean."""
    options = argparse.ArgumentParser(description="compare the fast path with Python's translator")
    options.add_argument("--packets", type=int, default=100_000, help="how many (default: %(default)s)")
    options.add_argument(
        "--seed", type=int, default=1, help="what the packets are made from (default: %(default)s)"
    )
    options.add_argument("--log", type=Path, help="the log to write (default: one of tests/fast_path/log)")
    chosen = options.parse_args()
    began = datetime.now(UTC)
    machine = _machine()
    object_file = built.object_file()
    told_at = start = time.monotonic()

    def told(findings: campaign.Findings) -> None:
        nonlocal told_at
        if time.monotonic() - told_at > _TOLD_EVERY:
            told_at = time.monotonic()
            sys.stderr.write(f"{findings.packets} packets, {len(findings.differences)} differences\n")

    findings = campaign.run(chosen.packets, chosen.seed, object_file, told)
    about = {
        "began": f"{began:%Y-%m-%d %H:%M} UTC",
        "took": f"{time.monotonic() - start:.0f} s",
        "seed": str(chosen.seed),
        "asked for": f"{chosen.packets} packets",
        **machine,
    }
    text = report(about, findings)
    path = chosen.log or LOGS / f"{began:%Y-%m-%d-%H%M}-seed-{chosen.seed}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{text}\n{path}\n")
    return 0 if is_clean(findings) else 1


def is_clean(findings: campaign.Findings) -> bool:
    """Whether there was no difference, and the program had translated in every way that it knows, and every rare kind."""
    translated = [findings.outcomes[outcome.name] for outcome in Outcome if outcome.is_translated]
    rare = [findings.seen[kind] for kind in differential.RARE]
    return not findings.differences and all(translated) and all(rare)


def report(about: dict[str, str], findings: campaign.Findings) -> str:
    """Return the log's text."""
    lines = [f"{name}: {value}" for name, value in about.items()]
    lines += [
        "",
        f"result: {'clean' if is_clean(findings) else 'NOT CLEAN'}",
        f"packets: {findings.packets}, of {findings.gateways} gateways",
        f"not taken by the kernel for a test run: {findings.not_taken}",
        "",
        *(f"{count:>12}  {what}" for what, count in findings.seen.most_common()),
        "",
        "the program's counts (packets left though plain count twice):",
        *(f"{count:>12}  {what}" for what, count in findings.outcomes.most_common()),
        *(f"\n{difference}" for difference in findings.differences),
    ]
    return "\n".join(lines) + "\n"


def _machine() -> dict[str, str]:
    def printed(*command: str) -> str:
        completed = subprocess.run(command, check=False, capture_output=True, text=True, cwd=built.ROOT)
        return completed.stdout.strip()

    dirty = " with changes" if printed("git", "status", "--porcelain", "--untracked-files=no") else ""
    found = re.search(
        r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE
    )
    return {
        "commit": printed("git", "rev-parse", "HEAD") + dirty,
        "processor": found[1] if found else platform.machine(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": printed("clang", "--version").partition("\n")[0],
    }


if __name__ == "__main__":
    sys.exit(main())
