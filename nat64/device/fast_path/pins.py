"""Where the program and its maps outlive the daemon: a directory of its own in a BPF file system, for each device."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from nat64.device.fast_path import program
from nat64.device.fast_path.errors import FastPathError

_OURS: Final = "nat64"
_BPF_FILE_SYSTEM: Final = "bpf"


def directory(bpffs: Path, device: str) -> Path:
    """Return the directory of a device's pins in the file system that is mounted on `bpffs`."""
    return bpffs / _OURS / device


def make(pins: Path, user: int | None, group: int | None) -> None:
    """Make the directory, and give it, with what is pinned there, to a user and a group (ids). Raises `FastPathError`.

    This is what a daemon without root's rights needs done before it starts.
    """
    bpffs = pins.parent.parent
    if not _is_bpf_file_system(bpffs):
        raise FastPathError(f"no BPF file system is mounted on {bpffs}; mount one: mount -t bpf bpf {bpffs}")
    try:
        pins.parent.mkdir(mode=0o755, exist_ok=True)
        pins.mkdir(mode=0o700, exist_ok=True)
        for path in (pins, *pins.iterdir()):
            os.chown(path, -1 if user is None else user, -1 if group is None else group)
    except OSError as error:
        raise FastPathError(
            f"cannot make {pins} for the fast path: {error.strerror}; run as root, or mount a bpffs there"
        ) from None


def remove(pins: Path) -> None:
    """Remove the directory with what is pinned there; none is fine too. Raises `FastPathError`."""
    if not pins.exists():
        return
    program.unpin(pins)
    try:
        pins.rmdir()
    except OSError as error:
        raise FastPathError(f"cannot remove {pins}: {error.strerror}; remove it as root") from None


def _is_bpf_file_system(path: Path) -> bool:
    """Whether one is mounted on `path` (proc_pid_mountinfo(5))."""
    with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            before, _, after = line.partition(" - ")
            if after.split()[0] == _BPF_FILE_SYSTEM and before.split()[4] == str(path):
                return True
    return False
