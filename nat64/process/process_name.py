"""The name under which the kernel lists this process, by which people and tools find it (``ps``, ``pgrep``, ``ss``)."""

from __future__ import annotations

import contextlib
from pathlib import Path

_COMM = Path("/proc/self/comm")


def call_process(name: str) -> None:
    """Have this process, and those that it forks from here on, listed as `name`, of which 15 octets count.

    A program that was run by its interpreter, as after an upgrade in place, is else listed as that.
    """
    with contextlib.suppress(OSError):  # no /proc here; then nobody reads it either
        _COMM.write_text(name, encoding="ascii")
