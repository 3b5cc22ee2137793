"""What turns a command into a daemon: another process, less privilege, a pid file."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class CannotStart(Exception):  # noqa: N818 - it says what happened: the command cannot start
    """The daemon cannot start as it was told to; the text is ``why; remedy``."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The user and the groups to become."""

    user: str
    uid: int
    gid: int


def find_identity(user: str | None, group: str | None) -> Identity | None:
    """Look up who to become: the user, in its own or the named group; ``None`` when neither is given.

    Raises `CannotStart`.
    """
    if user is None and group is None:
        return None
    try:
        entry = pwd.getpwnam(user) if user is not None else pwd.getpwuid(os.getuid())
    except KeyError:
        raise CannotStart(f"there is no user '{user or os.getuid()}'; create it or give another -u") from None
    try:
        gid = grp.getgrnam(group).gr_gid if group is not None else entry.pw_gid
    except KeyError:
        raise CannotStart(f"there is no group '{group}'; create it or give another -g") from None
    return Identity(entry.pw_name, entry.pw_uid, gid)


def drop_privileges(identity: Identity) -> None:
    """Become that user for good, with its supplementary groups. Raises `CannotStart`."""
    if os.getuid() == identity.uid and os.getgid() == identity.gid:
        return
    try:
        os.initgroups(identity.user, identity.gid)
        os.setgid(identity.gid)
        os.setuid(identity.uid)
    except PermissionError:
        raise CannotStart(f"not permitted to become user '{identity.user}'; start as root") from None


def confine(directory: str) -> None:
    """Make `directory` the root of the file system, chroot(2). Raises `CannotStart`."""
    try:
        os.chroot(directory)
        os.chdir("/")
    except OSError as error:
        raise CannotStart(
            f"cannot chroot to {directory}: {error.strerror}; start as root, or leave -t out"
        ) from None


def write_pidfile(path: Path) -> None:
    """Write our process number. Raises `CannotStart`."""
    try:
        path.write_text(f"{os.getpid()}\n", encoding="ascii")
    except OSError as error:
        raise CannotStart(
            f"cannot write the pid file {path}: {error.strerror}; make its directory writable"
        ) from None


def remove_pidfile(path: Path) -> None:
    """Remove the pid file; one that cannot be removed any more, privileges gone, is emptied if possible."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        with contextlib.suppress(OSError):
            os.truncate(path, 0)


class Detached:
    """The process in the background that `detach` made; its starter waits for `ready`."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def ready(self) -> None:
        """Let the starter return with success, and let go of its terminal.

        Standard error is kept if it is no terminal: somebody collects it.
        """
        os.write(self._pipe, b"\0")
        os.close(self._pipe)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            if stream < 2 or os.isatty(stream):
                os.dup2(nowhere, stream)
        os.close(nowhere)


def detach() -> Detached:
    """Go to the background: return in a new session's process, while the starter waits and exits.

    The starter exits with 0 when the daemon calls `Detached.ready`, and with the daemon's own status when it
    ends before. Call it before there are threads or an event loop.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        started = os.read(reading, 1)
        if started:
            os._exit(0)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) or 1)
    os.close(reading)
    os.setsid()
    return Detached(writing)
