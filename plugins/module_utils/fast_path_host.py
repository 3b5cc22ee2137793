# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Whether a host can have the translator's fast path, told before there is a translator to try it.

What only shows when a program is loaded is told by nat64d itself.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# As nat64.device.fast_path.availability has it.
OLDEST: Final = (5, 15)

CAP_BPF: Final = 39  # linux/capability.h
ALL_USERS: Final = ["0", "0", str(0xFFFFFFFF)]
# The system call bpf(2), where it has been looked up; elsewhere it is not tried.
BPF_CALLS: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280}
MAP_CREATE: Final = 0
ARRAY: Final = 2


@dataclass(frozen=True)
class Host:
    """What a host says of itself; the texts are those of proc(5).

    `refused` is the errno with which the kernel refuses to make a map, 0 if it does not, or if that was not tried.
    """

    release: str
    byteorder: str
    filesystems: str
    status: str
    uid_map: str
    refused: int = 0


def look(proc: Path = Path("/proc")) -> Host:
    """Look at this host. A file that cannot be read counts as empty."""
    return Host(
        platform.release(),
        sys.byteorder,
        _text(proc / "filesystems"),
        _text(proc / "self/status"),
        _text(proc / "self/uid_map"),
        _refused(),
    )


def missing(host: Host) -> str:
    """Return what the fast path lacks on this host, as ``what is missing; what to do``; empty if nothing is known to be."""
    numbers = re.match(r"(\d+)\.(\d+)", host.release)
    bounding = re.search(r"^CapBnd:\s*([0-9a-f]+)$", host.status, re.MULTILINE)
    lacks = {
        "it is built for little-endian machines, which this host is not": host.byteorder != "little",
        f"Linux {host.release} is too old for it; use 5.15 or later": (
            numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST
        ),
        "this kernel has no BPF; use one with CONFIG_BPF_SYSCALL": (
            not re.search(r"\bbpf$", host.filesystems, re.MULTILINE)
        ),
        "this host is a container with users of its own, where CAP_BPF does not count; use one without": (
            host.uid_map.split()[:3] != ALL_USERS
        ),
        "nothing on this host may have CAP_BPF; if it is a container, start it with that capability": (
            bounding is None or not int(bounding[1], 16) >> CAP_BPF & 1
        ),
        f"this host may not use BPF ({os.strerror(host.refused)}); if it is a container, let it make the system call bpf": (
            host.refused != 0
        ),
    }
    return next((lack for lack, it_does in lacks.items() if it_does), "")


def has_libbpf() -> bool:
    """Tell whether libbpf 1.0 or later is there, which the program is loaded with."""
    try:
        ctypes.CDLL("libbpf.so.1")
    except OSError:
        return False
    return True


def _refused() -> int:
    """Make a map of one entry, which ends with its descriptor, and return what the kernel says to that."""
    call = BPF_CALLS.get(platform.machine())
    if call is None or os.geteuid() != 0:
        return 0
    wanted = (ctypes.c_uint32 * 32)(ARRAY, 4, 4, 1)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = libc.syscall(call, MAP_CREATE, ctypes.byref(wanted), ctypes.sizeof(wanted))
    except (OSError, AttributeError):
        return 0
    if descriptor < 0:
        return ctypes.get_errno() if ctypes.get_errno() in {errno.EPERM, errno.EACCES, errno.ENOSYS} else 0
    os.close(descriptor)
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def findings(wanted: str, host: Host, *, package: str, libbpf: bool, manage_packages: bool) -> list[str]:
    """Say what keeps a host from a fast path that is required (`wanted`); `package` is libbpf's name there."""
    if wanted != "require":
        return []
    lacks = missing(host)
    found = [f"nat64_fast_path: require, and {lacks}, or set it to auto"] if lacks else []
    if not libbpf and not manage_packages:
        found.append(
            f"nat64_manage_packages: false, and the fast path needs libbpf 1.0 or later; install {package},"
            " or set it to true"
        )
    return found
