"""A release's sources, as the packages of Alpine and Gentoo are built of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def build_sources(directory: Path, version: str | None = None) -> Path:
    """Build a release's sources into `directory`, and return that; of a `version`, the commands call themselves by it."""
    builder = [sys.executable, str(PROJECT / "packaging/build_sources.py"), "--directory", str(directory)]
    builder += ["--version", version] if version else []
    subprocess.run(builder, check=True, stdout=subprocess.DEVNULL)
    return directory
