"""What Debian asks of a package, and that it is the same whenever it is built."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.packages.conftest import build

if TYPE_CHECKING:
    from pathlib import Path


def test_lintian_finds_nothing(package: Path) -> None:
    lintian = [
        "lintian",
        "--allow-root",
        "--info",
        "--display-info",
        "--fail-on=error,warning,info",
        str(package),
    ]
    done = subprocess.run(lintian, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_same_tree_gives_the_same_package(package: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == package.read_bytes()
