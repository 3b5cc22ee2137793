"""The file that tells a daemon's process number."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from nat64.process.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def pidfile(path: Path | None, *, is_there: bool = False) -> Iterator[None]:
    """Write our process number to `path` for as long as the context lasts, unless it `is_there` already.

    Raises `ProcessError`.

    At the end it is removed, unless privileges given up since forbid that: it stays root's own, for whoever
    could write to it could have another process killed.
    """
    if path is None:
        yield
        return
    try:
        if not is_there:
            path.write_text(f"{os.getpid()}\n", encoding="ascii")
    except OSError as error:
        raise ProcessError(
            f"cannot write the pid file {path}: {error.strerror}; make its directory writable"
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
