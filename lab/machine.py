"""What the lab needs of the machine it runs on, and what kind of machine that is."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError

# Command -> the Debian package that brings it; the same packages as in requirements-debian.txt.
TOOLS = {
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nc": "netcat-openbsd",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}


def check() -> None:
    """Raise LabError unless this process is root and every tool is there."""
    if os.geteuid() != 0:
        raise LabError(
            "the lab makes network namespaces and containers, which only root may do; run it with sudo"
        )
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        raise LabError(f"missing tools; install them with: apt-get install {' '.join(missing)}")


# What systemd takes as root on one host of the lab.
INOTIFY_PER_HOST = 3


def check_room(hosts: int) -> None:
    """Raise LabError if the kernel has too few inotify instances left for that many hosts with systemd.

    They are counted by user, all labs together; a systemd that gets none does not finish booting.
    """
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text(encoding="ascii"))
    left = limit - _inotify_instances_of_root()
    if left < hosts * INOTIFY_PER_HOST:
        raise LabError(
            f"{left} of {limit} inotify instances are left, {hosts} hosts take {hosts * INOTIFY_PER_HOST};"
            " take another lab down, or raise the sysctl fs.inotify.max_user_instances"
        )


def _inotify_instances_of_root() -> int:
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            if process.stat().st_uid == 0:
                count += sum(
                    str(file.readlink()) == "anon_inode:inotify" for file in (process / "fd").iterdir()
                )
    return count


def systemd_is_pid_1() -> bool:
    """Tell whether the machine itself runs systemd, as sd_booted(3) does."""
    return Path("/run/systemd/system").is_dir()


def debian_release() -> str | None:
    """Return the code name of the Debian this machine runs, None on another system."""
    facts = dict(_os_release())
    return facts.get("VERSION_CODENAME") if facts.get("ID") == "debian" else None


def _os_release() -> Iterator[tuple[str, str]]:
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        if separator:
            yield key, value.strip("\"'")
