# noqa: INP001 - a script that the role runs, not a module
"""Check a config on the controller, with the program that is about to be carried to a host.

    check_config.py ARCHIVE COMMAND NAME DIRECTORY <CONFIG

Unpacks the bundle below DIRECTORY, unless one of the same digest is there already: a run checks two configs for each
host, and gives one directory for all of them. Prints the mistakes, which call the config NAME, as the command itself
does, and has its exit status.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main(archive: str, command: str, name: str, directory: str) -> int:
    """Check the config on standard input and return the command's exit status."""
    program = unpacked(Path(archive), Path(directory)) / "bin" / command
    with tempfile.NamedTemporaryFile("w", prefix="nat64-check-", encoding="utf-8") as config:
        config.write(sys.stdin.read())
        config.flush()
        checking = [sys.executable, "-I", str(program), "--check", "--name-as", name, "-c", config.name]
        return subprocess.run(checking, check=False).returncode  # noqa: S603 - the role's words


def unpacked(archive: Path, directory: Path) -> Path:
    """Return where the archive's content is; whoever else needs it meanwhile waits, and finds it whole."""
    there = directory / f"nat64-bundle-{hashlib.sha256(archive.read_bytes()).hexdigest()}"
    with Path(f"{there}.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not there.exists():
            part = Path(f"{there}.part")
            shutil.rmtree(part, ignore_errors=True)  # of one that was killed
            shutil.unpack_archive(archive, part)
            part.rename(there)
    return there


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
