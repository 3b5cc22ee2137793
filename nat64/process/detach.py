"""Going into the background the way daemon(7) describes, with the parent waiting until the daemon is ready."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from pathlib import Path
from typing import Final

_SYSLOG: Final = Path("/dev/log")


class Detached:
    """The daemon's end of the pipe to the process that the user started; `ready` lets that one end well.

    Processes that the daemon starts for itself are started after `let_go`: they would hold the terminal, too.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._holds_terminal = True

    def let_go(self) -> None:
        """Let go of the terminal. From here on the log goes to syslog, where there is one."""
        if not self._holds_terminal:
            return
        self._holds_terminal = False
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.close(null)
        log_to_syslog()

    def ready(self) -> None:
        """Tell the waiting parent that the daemon serves, and let go of the terminal."""
        self.let_go()
        os.write(self._pipe, b"+")
        os.close(self._pipe)


def detach() -> Detached:
    """Fork twice and return in the daemon. The parent waits, and exits with status 1 if the daemon never gets ready."""
    ours, daemons = os.pipe()
    if os.fork():
        os.close(daemons)
        sys.exit(0 if os.read(ours, 1) else 1)
    os.close(ours)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    return Detached(daemons)


def log_to_syslog() -> None:
    """Send the log to syslog, where there is one."""
    if not _SYSLOG.exists():
        return
    root = logging.getLogger()
    syslog = logging.handlers.SysLogHandler(str(_SYSLOG), logging.handlers.SysLogHandler.LOG_DAEMON)
    syslog.ident = f"{Path(sys.argv[0]).name}: "
    if root.handlers:
        syslog.setFormatter(root.handlers[0].formatter)
    root.handlers[:] = [syslog]
