"""Processes that a daemon forks off to work for it: what it does before that, and they do first."""

from __future__ import annotations

import gc
import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_STANDARD_STREAMS: Final = 3
_DAEMONS_SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


def expect_children() -> None:
    """Have the kernel keep how children end until they are waited for; who started us may have had it forget."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def keep_only(descriptors: Iterable[int]) -> None:
    """Become a process of its own after a fork: no signals of the daemon's, and of its files only these.

    The end of a channel tells when to go. Held open here, the daemon's sockets would outlive it. Its objects are
    taken from the garbage collector: one that is collected here could close a number that is ours by then.
    """
    gc.freeze()
    signal.set_wakeup_fd(-1)
    for number in _DAEMONS_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    first = _STANDARD_STREAMS
    for descriptor in sorted(set(descriptors)):
        if descriptor >= first:
            os.closerange(first, descriptor)
            first = descriptor + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
