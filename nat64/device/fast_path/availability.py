"""Whether the fast path can work on this machine, found out without loading it: one thing that is missing, or nothing.

What only the kernel knows (a container, a feature left out of it) is told by `program.load` and `attachment.attach`.
"""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path
from typing import Final

from nat64.device.fast_path import libbpf
from nat64.device.fast_path.errors import FastPathError
from nat64.device.fast_path.program import read_object

OLDEST: Final = (5, 15)
"""The first Linux where a packet that stands for many keeps the size of its segments when its family changes."""

_NET_ADMIN: Final = 12
_BPF: Final = 39
_SYS_ADMIN: Final = 21
_WHOLE: Final = 0xFFFFFFFF


def missing(process: Path = Path("/proc/self")) -> str | None:
    """Return why there can be no fast path here, as ``what is missing; what to do``, None if nothing is known to be.

    `process` is where the kernel tells of this process (proc(5)).
    """
    try:
        return _missing_machine() or _missing_privilege(process) or _missing_parts()
    except OSError as error:  # in a chroot
        return f"cannot tell whether the fast path can work ({error}); restart nat64d"


def _missing_machine() -> str | None:
    release = platform.release()
    numbers = re.match(r"(\d+)\.(\d+)", release)
    if sys.byteorder != "little":
        return "the fast path is built for little-endian machines; set fast-path off"
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        return f"Linux {release} is too old for the fast path; use 5.15 or later"
    return None


def _missing_privilege(process: Path) -> str | None:
    status = (process / "status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    capabilities = int(found[1], 16) if found else 0
    has = {bit: bool(capabilities >> bit & 1) for bit in (_NET_ADMIN, _BPF, _SYS_ADMIN)}
    if not (has[_BPF] or has[_SYS_ADMIN]):
        return "nat64d lacks CAP_BPF, which the fast path needs; grant it, or set fast-path off"
    if not has[_NET_ADMIN]:
        return "nat64d lacks CAP_NET_ADMIN, which the fast path needs; grant it, or set fast-path off"
    users = (process / "uid_map").read_text(encoding="ascii").split()
    if users[:3] != ["0", "0", str(_WHOLE)]:
        return (
            "nat64d is in a container with users of its own, where CAP_BPF does not count; set fast-path off"
        )
    return None


def _missing_parts() -> str | None:
    try:
        read_object()
    except FastPathError as error:
        return str(error)
    try:
        libbpf.library()
    except (OSError, AttributeError) as error:
        return f"libbpf 1.0 or later cannot be loaded ({error}); install libbpf"
    return None
