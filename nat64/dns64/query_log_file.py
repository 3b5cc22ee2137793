"""Writes the query log to its file: in batches, from a bounded buffer, whatever becomes of the disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nat64.dns64.statistics import Statistics

log = logging.getLogger(__name__)

BATCH_SECONDS: Final = 1.0
BATCH_SIZE: Final = 1 << 16
"""Bytes; so much is written without waiting for the second to end."""
BUFFER_SIZE: Final = 1 << 20
"""Bytes that wait for a file that cannot be written; lines beyond are lost, and counted as `query_log_lost`."""
RETRY_SECONDS: Final = 5.0

_OPEN: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
_MODE: Final = 0o640


class QueryLogFile:
    """The file of the query log. Serving never waits for more than one write(2) to it, and never ends by its errors.

    Several processes may write the same file: each write goes to its end.
    """

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._path: str | None = None
        self._file: int | None = None
        self._lines: list[bytes] = []
        self._size = 0
        self._failed = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether there is a file to write to."""
        return self._path is not None

    def use(self, path: str | None) -> None:
        """Write to the file at `path` from here on; ``None``: to none.

        The same path is opened anew, so that logrotate may have moved the old file away.
        """
        self.flush()
        if path != self._path:
            self._lose()
            self._failed = False
        self._close_file()
        self._path = path
        if path is not None:
            with contextlib.suppress(OSError):  # told with the first line, if it is so still
                self._file = os.open(path, _OPEN, _MODE)

    def write(self, line: bytes) -> None:
        """Take one line, with its end."""
        if self._path is None:
            return
        if self._size + len(line) > BUFFER_SIZE:
            self._statistics.counters["query_log_lost"] += 1
            return
        self._lines.append(line)
        self._size += len(line)
        if self._size >= BATCH_SIZE and not self._failed:
            self.flush()
        elif self._timer is None:
            delay = RETRY_SECONDS if self._failed else BATCH_SECONDS
            self._timer = asyncio.get_running_loop().call_later(delay, self.flush)

    def flush(self) -> None:
        """Write what waits. What an error leaves waits for the next time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._path is None or not self._lines:
            return
        data = b"".join(self._lines)
        try:
            if self._file is None:
                self._file = os.open(self._path, _OPEN, _MODE)
            written = os.write(self._file, data)
        except OSError as error:
            self._fail(self._path, error)
            return
        rest = data[written:]
        self._lines = [rest] if rest else []
        self._size = len(rest)
        if rest:
            self._wait(BATCH_SECONDS)
        elif self._failed:
            self._failed = False
            log.info("the query log is written again", extra={"path": self._path})

    def close(self) -> None:
        """Write what waits, if that can be done at once, and close the file."""
        self.use(None)

    def _fail(self, path: str, error: OSError) -> None:
        """Tell the first of several errors, and wait with what is not written."""
        self._close_file()
        if not self._failed:
            self._failed = True
            why = f"{error.strerror}; make room or mend the path, it is tried again each {RETRY_SECONDS:g} s"
            log.warning("the query log cannot be written", extra={"path": path, "why": why})
        self._wait(RETRY_SECONDS)

    def _wait(self, seconds: float) -> None:
        with contextlib.suppress(
            RuntimeError
        ):  # without a loop the daemon is at its end, and nothing comes after
            self._timer = asyncio.get_running_loop().call_later(seconds, self.flush)

    def _lose(self) -> None:
        """Give up what could not be written."""
        self._statistics.counters["query_log_lost"] += b"".join(self._lines).count(b"\n")
        self._lines = []
        self._size = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
