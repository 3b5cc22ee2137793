"""The program compiled from its sources as they are."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


@cache
def object_file() -> bytes:
    """Return the compiled program. Raises `AssertionError` without clang, which is among the lab's packages."""
    with tempfile.TemporaryDirectory(prefix="nat64-fast-path-") as directory:
        output = Path(directory, "fast_path.bpf.o")
        subprocess.run(
            [sys.executable, ROOT / "packaging" / "build_fast_path.py", "--output", output],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        assert output.exists(), "clang is not installed: apt-get install clang"
        return output.read_bytes()
