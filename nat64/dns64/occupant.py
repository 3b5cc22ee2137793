"""Who holds a port, read from /proc, for a message that names the culprit."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from nat64.config.dns64_config import IPAddress

_LISTENING = "0A"  # TCP_LISTEN, linux/include/net/tcp_states.h


def holders(port: int, protocol: str) -> dict[int, IPAddress]:
    """Return the sockets on that UDP or TCP port: their inodes, with the addresses that they are bound to.

    None are seen where /proc cannot be read.
    """
    found: dict[int, IPAddress] = {}
    for table in (protocol, f"{protocol}6"):
        with contextlib.suppress(OSError):
            # Not /proc/net, which a unit with ProcSubset=pid does not have.
            found |= _holders(Path("/proc/self/net", table).read_text(encoding="ascii"), port, protocol)
    return found


def occupant(port: int, protocol: str, ours: Collection[int] = ()) -> str | None:
    """Return ``name (pid N)`` of a process with a socket on that UDP or TCP port, or ``None`` if unseen.

    Sockets whose inodes are among `ours` do not count. Another user's sockets are seen by root only.
    """
    wanted = {f"socket:[{inode}]" for inode in holders(port, protocol).keys() - set(ours)}
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) != os.getpid() and wanted & _open_files(process):
            with contextlib.suppress(OSError):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return f"{name} (pid {process.name})"
    return None


def _holders(table: str, port: int, protocol: str) -> dict[int, IPAddress]:
    """Pick the bound sockets from a table such as /proc/net/udp."""
    found: dict[int, IPAddress] = {}
    for line in table.splitlines()[1:]:
        columns = line.split()
        address, _, local_port = columns[1].rpartition(":")
        if int(local_port, 16) == port and (protocol == "udp" or columns[3] == _LISTENING):
            found[int(columns[9])] = _address(bytes.fromhex(address))
    return found


def _address(words: bytes) -> IPAddress:
    """Read an address of which the kernel wrote each 32-bit word in the host's byte order."""
    octets = struct.pack(f"!{len(words) // 4}I", *struct.unpack(f"={len(words) // 4}I", words))
    return ipaddress.ip_address(octets)


def _open_files(process: Path) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(descriptor.readlink()))
    return found
