# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""What runs on a host and since when, by systemd or OpenRC.

OpenRC keeps no such times. What it keeps, below /run/openrc, leads to the daemon's process, whose start the kernel
knows; of a service without a daemon it is the mark that it was started.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

SYSTEMD = Path("/run/systemd/system")
OPENRC = Path("/run/openrc")
RUN = Path("/run")
PROC = Path("/proc")
RUNLEVELS = Path("/etc/runlevels")
# The argument that left_over() takes, for a module's argument_spec.
APPLIED: dict[str, dict[str, Any]] = {"applied": {"type": "list", "elements": "dict", "default": []}}
PATIENCE = 30  # seconds for an answer of the init system


def is_running(service: str) -> bool:
    """Tell whether the service runs; one that is starting or has crashed does not."""
    return started_at(service) is not None


def is_enabled(service: str) -> bool:
    """Tell whether the service is started at boot."""
    if SYSTEMD.exists():
        return _answer("systemctl", "is-enabled", "--quiet", service)[0] == 0
    return any(RUNLEVELS.glob(f"*/{service}"))


def started_at(service: str) -> float | None:
    """Return when the service was started, in seconds since the epoch; None if it does not run."""
    if SYSTEMD.exists():
        return _systemd_moment(service, "ActiveEnter")
    return _openrc_start(service)


def reloaded_at(service: str) -> float | None:
    """Return when the running service last read its config; None if it does not run.

    That is at its start, at a reload, or at an upgrade in place.

    On OpenRC our own init scripts touch ``/run/NAME/reloaded``; other services count from their start.
    """
    if SYSTEMD.exists():
        return _systemd_moment(service, "StateChange")
    since = program_since(service)
    return None if since is None else max(since, _modified(RUN / service / "reloaded"))


def program_since(service: str) -> float | None:
    """Return since when the service runs its program: its start, or an upgrade in place; None if it does not run.

    Whoever upgrades a service in place makes ``/run/NAME/upgraded`` anew.
    """
    started = started_at(service)
    return None if started is None else max(started, _modified(RUN / service / "upgraded"))


def left_over(applied: list[dict[str, Any]]) -> list[str]:
    """Name the handlers' topics whose files are newer than what their running service has taken from them.

    A run that failed or was cut short wrote those files and did not come to its handlers. Of each entry: ``topic``,
    ``service``, ``files``, and ``since``: ``start`` for what is read only then, ``reload`` for what a reload reads too,
    ``program`` for what an upgrade in place takes up.
    """
    since = {"start": started_at, "reload": reloaded_at, "program": program_since}
    found: list[str] = []
    for entry in applied:
        taken = since[entry["since"]](entry["service"])
        written = max((_modified(Path(file)) for file in entry["files"] if file), default=0.0)
        if taken is not None and written > taken:
            found.append(entry["topic"])
    return found


def _modified(path: Path) -> float:
    """Return when a file was written (a link: was made); 0 without the file."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def _answer(*command: str) -> tuple[int, str]:
    """Return the status and the output of a command; a failure when it is not there or does not answer."""
    try:
        done = subprocess.run(  # noqa: S603 - the role's words
            command, check=False, capture_output=True, text=True, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return 1, ""
    return done.returncode, done.stdout


# --- systemd ------------------------------------------------------------------------------------------------


def _systemd_moment(service: str, moment: str) -> float | None:
    name = f"{moment}TimestampMonotonic"
    __, shown = _answer("systemctl", "show", "--property=ActiveState", f"--property={name}", service)
    state = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    if state.get("ActiveState") != "active" or not state.get(name, "").isdigit():
        return None
    return time.time() - time.monotonic() + int(state[name]) / 1e6


# --- OpenRC -------------------------------------------------------------------------------------------------


def _openrc_start(service: str) -> float | None:
    mark = OPENRC / "started" / service
    if not os.path.lexists(mark) or _answer("rc-service", service, "status")[0] != 0:
        return None
    for pid in _openrc_processes(service):
        start = _process_start(pid)
        if start is not None:
            return start
    return _modified(mark)


def _openrc_processes(service: str) -> list[int]:
    """Return the process that the service's supervisor keeps, and else what its pid files say."""
    found = [_number(_text(OPENRC / "options" / service / "child_pid"))]
    kept = [_text(file) for file in sorted((OPENRC / "daemons" / service).glob("*"))]
    pidfiles = re.findall(r"^pidfile=(.+)$", "\n".join(kept), re.MULTILINE)
    found += [_number(_text(Path(pidfile))) for pidfile in pidfiles]
    return [pid for pid in found if pid]


def _process_start(pid: int) -> float | None:
    """Return when a process began, in seconds since the epoch; None if there is none. See proc_pid_stat(5)."""
    fields = _text(PROC / str(pid) / "stat").rpartition(")")[2].split()
    if len(fields) < 20:
        return None
    since_boot = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # field 22; two stand before the name's end
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot


def _number(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
