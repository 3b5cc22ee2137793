"""The control protocol: JSON lines over a Unix stream socket. This module does no I/O.

A request is one line, ``{"version": 1, "command": "status", "arguments": {}}``; its reply is one line,
``{"version": 1, "ok": true, "result": {}}`` or ``{"version": 1, "ok": false, "error": "why; remedy"}``.

A result's ``rows`` are paged: at most `PAGE` of them stand in one reply, beside ``"next": N``, the ``offset``
argument that fetches the rest (``null`` at the end). So every line is bounded, whatever a daemon holds.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

VERSION: Final = 1
LONGEST_REQUEST: Final = 64 * 1024
"""Bytes a request line may have, its newline included."""
PAGE: Final = 500
"""Rows in one reply at most."""

Result = dict[str, object]


class Access(enum.Enum):
    """Who may give a command: READ whoever may open the socket (group nat64), CHANGE only root."""

    READ = "read"
    CHANGE = "change"


class CommandFailed(Exception):  # noqa: N818 - the protocol's own word for it
    """A command could not do what was asked; the text is ``why; remedy``."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a daemon offers.

    ``answer`` takes the request's arguments and returns the result; it must be quick, for packets wait
    meanwhile. Raises `CommandFailed`.
    """

    access: Access
    answer: Callable[[Mapping[str, object]], Result | Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Request:
    """A well-formed request; ``offset`` counts the rows to pass over."""

    command: str
    arguments: Mapping[str, object]
    offset: int


def parse_request(line: bytes) -> Request:
    """Read one request line. Raises `CommandFailed` when it is not a request of this version."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise CommandFailed('the request is not JSON; send {"version": 1, "command": "status"}') from None
    if not isinstance(message, dict):
        raise CommandFailed("the request is not an object; send one JSON object a line")
    if message.get("version") != VERSION:
        raise CommandFailed(
            f"protocol version {message.get('version')!r} is not spoken here; use version {VERSION}"
        )
    command = message.get("command")
    arguments = message.get("arguments", {})
    if not isinstance(command, str) or not isinstance(arguments, dict):
        raise CommandFailed("'command' must be a string and 'arguments' an object; mend the request")
    offset = arguments.get("offset", 0)
    if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
        raise CommandFailed(f"offset {offset!r} is not a row number; give 0 or the 'next' of a reply")
    return Request(command, arguments, offset)


def choose(request: Request, commands: Mapping[str, Command], *, may_change: bool) -> Command:
    """Find the command that a request names. Raises `CommandFailed` when there is none or it is not allowed."""
    command = commands.get(request.command)
    if command is None:
        raise CommandFailed(f"unknown command {request.command!r}; known here: {', '.join(sorted(commands))}")
    if command.access is Access.CHANGE and not may_change:
        raise CommandFailed(f"'{request.command}' changes the daemon; only root may give it")
    return command


def render_result(result: Result, offset: int) -> bytes:
    """Write the reply line of a result, its ``rows`` cut to the page that begins at `offset`."""
    rows = result.get("rows")
    if isinstance(rows, Iterable):
        page = list(islice(rows, offset, offset + PAGE + 1))
        following = offset + PAGE if len(page) > PAGE else None
        result = {**result, "rows": page[:PAGE], "next": following}
    return _line({"version": VERSION, "ok": True, "result": result})


def render_error(error: CommandFailed) -> bytes:
    """Write the reply line of a failure."""
    return _line({"version": VERSION, "ok": False, "error": str(error)})


def render_request(command: str, arguments: Mapping[str, object]) -> bytes:
    """Write a request line."""
    return _line({"version": VERSION, "command": command, "arguments": dict(arguments)})


def parse_reply(line: bytes) -> Result:
    """Read one reply line and return its result. Raises `CommandFailed` with the daemon's reason."""
    try:
        reply = json.loads(line)
    except ValueError:
        reply = None
    if not isinstance(reply, dict) or reply.get("version") != VERSION:
        raise CommandFailed(
            f"the daemon does not speak protocol version {VERSION}; use the nat64ctl of its bundle"
        )
    if reply.get("ok") is not True:
        raise CommandFailed(str(reply.get("error", "the daemon gave no reason; see its log")))
    result = reply.get("result")
    if not isinstance(result, dict):
        raise CommandFailed("the daemon's reply has no result; see its log")
    return result


def _line(message: Mapping[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
