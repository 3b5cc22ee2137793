"""Files of state that survive a crash at any moment: the old content or the whole new one, never a part."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from nat64.device.errors import DeviceError

if TYPE_CHECKING:
    from pathlib import Path

_MODE: Final = 0o640  # who has which address is nobody else's business


class StateDirectory:
    """A directory held open, so that its files stay in reach after chroot(2) and when it is renamed.

    Raises `DeviceError` when it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise DeviceError(
                f"cannot open the data directory {path}: {error.strerror}; create it, for the daemon's user"
            ) from None

    def read(self, name: str) -> str | None:
        """Return a file's text, or None when there is no such file. Raises `OSError`."""
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        with open(fd, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - opened by descriptor
            return file.read()

    def write(self, name: str, text: str) -> None:
        """Replace a file's content, durably. Raises `OSError`, and then the old content is still there."""
        temporary = f".{name}.new"
        with contextlib.suppress(FileNotFoundError):  # what a crash left, perhaps as another user's
            os.unlink(temporary, dir_fd=self._fd)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE, dir_fd=self._fd)
        try:
            with open(fd, "w", encoding="utf-8") as file:  # noqa: PTH123 - opened by descriptor
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=self._fd)
            raise
        os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._fd)
