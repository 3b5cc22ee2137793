"""The mounts of this mount namespace, as /proc/self/mountinfo tells them (proc_pid_mountinfo(5))."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system."""

    point: Path
    kind: str


def parse(mountinfo: str) -> Iterator[Mount]:
    """Read the lines of a mountinfo file."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split(" ")[4])
        yield Mount(Path(point), after.split(" ", 1)[0])


def mounted() -> list[Mount]:
    """All mounts, in the order in which they were made."""
    return list(parse(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")))


def unmount_all_under(directory: Path) -> None:
    """Unmount `directory` and everything below it, last mounted first."""
    for mount in reversed(mounted()):
        if mount.point == directory or directory in mount.point.parents:
            # Lazy: a process that still looks at a dying host must not hold up the others.
            subprocess.run(["umount", "--lazy", str(mount.point)], check=False)


def cgroup2_mount() -> Path | None:
    """Where the unified cgroup hierarchy is mounted, if it is."""
    return next((mount.point for mount in mounted() if mount.kind == "cgroup2"), None)
