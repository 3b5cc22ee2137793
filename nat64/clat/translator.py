"""The translator that a CLAT runs: nat64d on a TUN of its own, started, reloaded and ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nat64.clat.errors import ClatError
from nat64.device import tun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nat64.process.privileges import Identity

log = logging.getLogger(__name__)

_READY_WITHIN: Final = 20.0
_ENDS_WITHIN: Final = 5.0
_LONGEST_MESSAGE: Final = 4096


@dataclass(frozen=True, slots=True)
class Invocation:
    """How nat64d is run: the program, its TUN, where its files are, and as whom, None for as who we are."""

    program: Path
    device: str
    directory: Path
    identity: Identity
    user: str | None


class Translator:
    """`ended` is called when it ends although nobody has asked for that."""

    def __init__(self, invocation: Invocation, ended: Callable[[], None]) -> None:
        self._of = invocation
        self._ended = ended
        self._config = invocation.directory / "nat64.conf"
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._text = ""

    def have_device(self) -> None:
        """Make the TUN where it is not there. Raises `DeviceError`."""
        if not tun.exists(self._of.device):
            tun.make_persistent(self._of.device, self._of.identity.user, self._of.identity.group)

    async def run(self, text: str) -> None:
        """Have it run with this config: start it, or reload it where that is another one. Raises `ClatError`."""
        is_running = self._process is not None and self._process.returncode is None
        if is_running and text == self._text:
            return
        with _notifications(self._of.directory / "notify") as ready:
            self._write(text)
            if self._process is not None and is_running:
                self._process.send_signal(signal.SIGHUP)
            else:
                await self._start(ready.getsockname())
            await self._wait_until_ready(ready)
        self._text = text

    async def end(self) -> None:
        """End it if it runs."""
        process, self._process = self._process, None
        self._text = ""
        self._config.unlink(missing_ok=True)  # also that of one that was killed
        if self._watching is not None:
            self._watching.cancel()
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_ENDS_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _write(self, text: str) -> None:
        new = self._config.with_suffix(".new")
        try:
            new.write_text(text, encoding="utf-8")
            new.chmod(0o644)  # who it becomes reads it at a reload
            new.replace(self._config)
        except OSError as error:
            raise ClatError(
                f"cannot write {self._config}: {error.strerror}; make its directory writable"
            ) from None

    async def _start(self, notify: str) -> None:
        become = ("--user", self._of.user) if self._of.user is not None else ()
        try:
            self._process = await asyncio.create_subprocess_exec(
                self._of.program,
                *("--nodetach", "--config", self._config, *become),
                stdin=asyncio.subprocess.DEVNULL,
                env=os.environ | {"NOTIFY_SOCKET": notify},
            )
        except OSError as error:
            raise ClatError(f"cannot run {self._of.program}: {error.strerror}; install it again") from None
        self._watching = asyncio.create_task(self._watch(self._process))

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        status = await process.wait()
        log.error("the translator has ended", extra={"status": status})
        self._ended()

    async def _wait_until_ready(self, ready: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        process = self._process
        try:
            async with asyncio.timeout(_READY_WITHIN):
                while process is not None and process.returncode is None:
                    message = asyncio.ensure_future(loop.sock_recv(ready, _LONGEST_MESSAGE))
                    ended = asyncio.ensure_future(process.wait())
                    await asyncio.wait({message, ended}, return_when=asyncio.FIRST_COMPLETED)
                    ended.cancel()
                    if message.done() and b"READY=1" in message.result():
                        return
                    message.cancel()
        except TimeoutError:
            raise ClatError(
                f"the translator does not begin within {_READY_WITHIN:.0f} s; see its log"
            ) from None
        raise ClatError("the translator does not begin; its log, just above, says why")


@contextlib.contextmanager
def _notifications(path: Path) -> Iterator[socket.socket]:
    """Open the socket that the translator tells of its readiness, sd_notify(3)."""
    path.unlink(missing_ok=True)
    with socket.socket(
        socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    ) as ready:
        try:
            ready.bind(str(path))
            path.chmod(0o666)  # it has become its user by then
            yield ready
        except OSError as error:
            raise ClatError(f"cannot make {path}: {error.strerror}; make its directory writable") from None
        finally:
            path.unlink(missing_ok=True)
