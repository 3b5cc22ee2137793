"""The event log: one line an event on standard error, ``key=value``, for journald, syslog or a terminal."""

from __future__ import annotations

import logging
import socket
import sys
from typing import Final

from logfmter import Logfmter

_LEVEL_AND_EVENT: Final = {"level": "levelname"}


def start(level: int = logging.INFO) -> None:
    """Send every logger's events of `level` and above to standard error.

    An event is ``log.info("lease made", extra={"host": host})`` and becomes
    ``level=INFO msg="lease made" host=2001:db8::1``. Time stamps are left to who collects the lines, except on
    a terminal.
    """
    keys = ["level"]
    mapping = dict(_LEVEL_AND_EVENT)
    if sys.stderr.isatty():
        keys.insert(0, "at")
        mapping["at"] = "asctime"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Logfmter(keys=keys, mapping=mapping))
    handler.addFilter(_is_ours_or_grave)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def descriptors() -> set[int]:
    """Return the descriptors that the log goes to beside the standard streams, for who closes all others."""
    sockets = (getattr(handler, "socket", None) for handler in logging.getLogger().handlers)
    return {each.fileno() for each in sockets if isinstance(each, socket.socket)} - {-1}


def _is_ours_or_grave(event: logging.LogRecord) -> bool:
    """Leave out what pyroute2 says below an error.

    It warns at its import that traffic control, which is not used, is limited under the units' ProcSubset=pid. A
    level of its logger would be no help: the import sets that back.
    """
    return event.levelno >= logging.ERROR or not event.name.startswith("pyroute2")
