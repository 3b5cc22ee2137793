"""Who holds a port, read from /proc, for a message that names the culprit."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_LISTENING = "0A"  # TCP_LISTEN, linux/include/net/tcp_states.h


def occupant(port: int, protocol: str) -> str | None:
    """Return ``name (pid N)`` of a process with a socket on that UDP or TCP port, or ``None`` if unseen.

    Another user's sockets are seen by root only.
    """
    inodes = set[str]()
    for table in (protocol, f"{protocol}6"):
        with contextlib.suppress(OSError):
            inodes |= _inodes(Path("/proc/net", table).read_text(encoding="ascii"), port, protocol)
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) != os.getpid() and wanted & _open_files(process):
            with contextlib.suppress(OSError):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return f"{name} (pid {process.name})"
    return None


def _inodes(table: str, port: int, protocol: str) -> set[str]:
    """Pick the inodes of bound sockets from a table such as /proc/net/udp."""
    found = set()
    for line in table.splitlines()[1:]:
        columns = line.split()
        local_port = int(columns[1].rpartition(":")[2], 16)
        if local_port == port and (protocol == "udp" or columns[3] == _LISTENING):
            found.add(columns[9])
    return found


def _open_files(process: Path) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(descriptor.readlink()))
    return found
