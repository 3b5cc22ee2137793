"""What the build scripts have in common: how they fail, run tools, and say what they made."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT: Final = Path(__file__).resolve().parent.parent
DIST: Final = PROJECT / "dist"


class CannotBuild(Exception):  # noqa: N818 - the sentence its message goes on
    """It cannot be built; the message says why and what to do."""


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is a script's own docstring, as it stands."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def report(what: str, build: Callable[[], str]) -> int:
    """Build, and print what `build` says of it, or why it cannot be done; return the exit status."""
    try:
        said = build()
    except CannotBuild as reason:
        print(f"{what}: {reason}", file=sys.stderr)
        return 1
    print(f"{what}: {said}")
    return 0


def size(path: Path) -> str:
    """Name a file that was made, with its size."""
    return f"{path} ({path.stat().st_size // 1024} KiB)"


def run(command: list[str], directory: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """Run a tool and return what it printed. Raises `CannotBuild` with what it said when it fails."""
    done = subprocess.run(
        command, check=False, cwd=directory, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise CannotBuild(f"'{command[0]}' failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build_time() -> int:
    """Return the time of all files, in seconds: SOURCE_DATE_EPOCH, else that of the last commit."""
    told = os.environ.get("SOURCE_DATE_EPOCH")
    if told is None:
        command = ["git", "-C", str(PROJECT), "log", "--max-count=1", "--format=%ct"]
        asked = subprocess.run(command, check=False, capture_output=True, text=True)
        told = asked.stdout.strip()
    if not told.isdecimal():
        raise CannotBuild("this is no checkout of git; set SOURCE_DATE_EPOCH to the seconds of a time")
    return int(told)
