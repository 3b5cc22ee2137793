"""The control socket of a daemon: an asyncio adapter around `protocol`.

Whoever may open the socket may read: its mode is 0660, its group nat64. To change something the peer must be
root, which the kernel tells by SO_PEERCRED (unix(7)).
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import inspect
import logging
import os
import socket
import struct
from typing import TYPE_CHECKING, Final

from nat64.control import protocol
from nat64.control.protocol import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nat64.control.protocol import Command

log = logging.getLogger(__name__)

MOST_CLIENTS: Final = 16
IDLE_SECONDS: Final = 30.0
_PEER_CREDENTIALS: Final = struct.Struct("=iII")  # pid, uid, gid


class ControlServer:
    """A listening control socket; `close` ends it and removes its file."""

    def __init__(self, path: Path, commands: Mapping[str, Command]) -> None:
        self.path = path
        self._commands = commands
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, group: str) -> None:
        """Bind and listen. Raises `OSError` when the path is taken by a live daemon or cannot be made."""
        _remove_stale(self.path)
        before = os.umask(0o117)
        try:
            self._server = await asyncio.start_unix_server(
                self._accept, self.path, limit=protocol.LONGEST_REQUEST
            )
        finally:
            os.umask(before)
        _give_to_group(self.path, group)

    def close(self) -> None:
        """Stop listening, hang up on every client, remove the socket's file."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        self.path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._clients) >= MOST_CLIENTS:
            writer.close()
            return
        self._clients.add(task)
        try:
            await self._converse(reader, writer)
        except (TimeoutError, OSError, asyncio.CancelledError):
            pass  # a client that stalls or goes away is no event; the daemon's end cancels the rest
        finally:
            self._clients.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        may_change = _peer_is_root(writer)
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    line = await reader.readuntil()
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                too_long = CommandFailed(
                    f"the request is over {protocol.LONGEST_REQUEST} bytes; send a shorter one"
                )
                writer.write(protocol.render_error(too_long))
                return
            writer.write(await self._answer(line, may_change=may_change))
            async with asyncio.timeout(IDLE_SECONDS):
                await writer.drain()

    async def _answer(self, line: bytes, *, may_change: bool) -> bytes:
        try:
            request = protocol.parse_request(line)
            command = protocol.choose(request, self._commands, may_change=may_change)
            result = command.answer(request.arguments)
            if inspect.isawaitable(result):
                result = await result
            return protocol.render_result(result, request.offset)
        except CommandFailed as error:
            return protocol.render_error(error)
        except Exception:
            log.exception("control command failed")
            return protocol.render_error(CommandFailed("the daemon hit a fault of its own; see its log"))


async def serve(path: Path, commands: Mapping[str, Command], group: str = "nat64") -> ControlServer:
    """Offer `commands` on the Unix socket `path`, readable for `group` where that group exists.

    A file that a dead daemon left is replaced. Raises `OSError` when a live one answers there, or when the
    socket cannot be made.
    """
    server = ControlServer(path, commands)
    await server.start(group)
    return server


def _remove_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:
            pass  # a full backlog: somebody lives there
    raise OSError(f"{path} is answered by another daemon; stop it, or give this one its own control-socket")


def _give_to_group(path: Path, group: str) -> None:
    with contextlib.suppress(
        KeyError, PermissionError
    ):  # no such group here: the daemon's own group may read
        os.chown(path, -1, grp.getgrnam(group).gr_gid)


def _peer_is_root(writer: asyncio.StreamWriter) -> bool:
    connection: socket.socket = writer.get_extra_info("socket")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
    _pid, uid, _gid = _PEER_CREDENTIALS.unpack(credentials)
    return bool(uid == 0)
