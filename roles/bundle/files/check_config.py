# noqa: INP001 - a script that the role runs, not a module
"""Check a config on the controller, with the program that is about to be carried to a host.

    check_config.py ARCHIVE COMMAND NAME <CONFIG

Unpacks the bundle into a directory of its own for the time being. Prints the mistakes, which call the config NAME,
as the command itself does, and has its exit status.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main(archive: str, command: str, name: str) -> int:
    """Check the config on standard input and return the command's exit status."""
    with tempfile.TemporaryDirectory(prefix="nat64-check-") as scratch:
        shutil.unpack_archive(archive, scratch)
        config = Path(scratch, "config")
        config.write_text(sys.stdin.read(), encoding="utf-8")
        program = [sys.executable, "-I", f"{scratch}/bin/{command}"]
        checking = [*program, "--check", "--name-as", name, "-c", str(config)]
        return subprocess.run(checking, check=False).returncode  # noqa: S603 - the role's words


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
