"""The asking side of the control protocol: blocking, one connection a question."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from nat64.control import protocol
from nat64.control.protocol import CommandFailed, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PATIENCE_SECONDS: Final = 10.0
LONGEST_REPLY: Final = 16 * 1024 * 1024


class NotRunning(CommandFailed):
    """Nobody answers on the socket."""


def ask(path: Path, command: str, arguments: Mapping[str, object] | None = None) -> Result:
    """Give one command to the daemon at `path` and return the result.

    Raises `NotRunning` where no daemon listens, `CommandFailed` with the daemon's reason or when the socket
    may not be opened.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.connect(str(path))
            connection.sendall(protocol.render_request(command, arguments or {}))
            with connection.makefile("rb") as replies:
                line = replies.readline(LONGEST_REPLY)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning(f"no daemon listens on {path}; is it running?") from None
    except PermissionError:
        raise CommandFailed(f"{path} may not be opened; be root or a member of the group nat64") from None
    except TimeoutError:
        raise CommandFailed(
            f"{path} gave no answer in {PATIENCE_SECONDS:.0f} s; see the daemon's log"
        ) from None
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}; see the daemon's log") from None
    return protocol.parse_reply(line)


def rows(path: Path, command: str, arguments: Mapping[str, object] | None = None) -> Iterator[Result]:
    """Give a command whose result is a list, and yield its rows page by page. Raises as `ask` does."""
    offset: object = 0
    while offset is not None:
        result = ask(path, command, {**(arguments or {}), "offset": offset})
        page = result.get("rows")
        if not isinstance(page, list):
            raise CommandFailed(f"'{command}' has no rows; ask for it without paging")
        yield from page
        offset = result.get("next")
