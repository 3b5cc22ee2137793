# noqa: INP001 - a script that the role runs, not a module
"""Check a config on the controller, with the program that is about to be carried to a host.

    check_config.py ARCHIVE COMMAND NAME <CONFIG

A run checks two configs for each host. So the bundle stays unpacked in the user's cache, by its digest; one that has not
been used for a day goes when another comes. Prints the mistakes, which call the config NAME, as the command itself does,
and has its exit status.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KEPT = 86400  # seconds


def main(archive: str, command: str, name: str) -> int:
    """Check the config on standard input and return the command's exit status."""
    with tempfile.TemporaryDirectory(prefix="nat64-check-") as scratch:
        config = Path(scratch, "config")
        config.write_text(sys.stdin.read(), encoding="utf-8")
        try:
            bundle = unpacked(Path(archive), cache())
        except OSError:  # no home, or no room there
            bundle = unpacked(Path(archive), Path(scratch))
        program = [sys.executable, "-I", f"{bundle}/bin/{command}"]
        checking = [*program, "--check", "--name-as", name, "-c", str(config)]
        return subprocess.run(checking, check=False).returncode  # noqa: S603 - the role's words


def cache() -> Path:
    """Return a directory that nobody else may write to: what is in it is run."""
    directory = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "nat64-gateway"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def unpacked(archive: Path, directory: Path) -> Path:
    """Return where the archive's content is; whoever else needs it meanwhile waits, and finds it whole."""
    there = directory / hashlib.sha256(archive.read_bytes()).hexdigest()
    with (directory / "lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not there.exists():
            part = directory / "part"
            shutil.rmtree(part, ignore_errors=True)  # of one that was killed
            shutil.unpack_archive(archive, part)
            part.rename(there)
            for other in set(directory.iterdir()) - {there}:
                if other.is_dir() and other.stat().st_mtime < time.time() - KEPT:
                    shutil.rmtree(other, ignore_errors=True)
        with contextlib.suppress(OSError):  # somebody may have made it read-only
            os.utime(there)
    return there


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
