"""Taking up a new version in place: the same process runs the program anew, and its open files stay (execve(2)).

What the new program needs to know of them is in one more open file, which an environment variable names.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from nat64.process.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WAITING_SIGNALS: Final = (signal.SIGHUP, signal.SIGUSR2)
"""What is blocked until the program that runs anew has handlers for it."""

_ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_VARIABLE: Final = "NAT64_HANDED_OVER"
_CHECKS_WITHIN: Final = 30.0
_LOOKS_EVERY: Final = 0.02
_LONGEST_REASON: Final = 4096


class Program:
    """This program as it was started, by which it can be run anew."""

    def __init__(self) -> None:
        self._path = sys.executable
        self._arguments = tuple(sys.orig_argv)
        self._started_in = os.getcwd()  # noqa: PTH109 - it goes to chdir

    @property
    def _directory(self) -> str:
        """Where it was started, for the paths among its arguments; who has given up root may not get there."""
        return self._started_in if os.access(self._started_in, os.X_OK) else "/"

    async def check(self, *more: str) -> None:
        """Run it beside this one with some more arguments. Raises `ProcessError` when it does not end well."""
        with os.fdopen(os.memfd_create("check"), "w+b") as output:
            try:
                process = self._start(more, output)
            except OSError as error:
                raise ProcessError(f"the program cannot be run: {error}; install it again") from None
            status = await _wait(process)
            if status is None:
                raise ProcessError(
                    f"the new program did not check the config within {_CHECKS_WITHIN:.0f} s; see the host's load"
                )
            if status:
                raise ProcessError(_reason(output) or f"the new program ends with status {status}; run it")

    def _start(self, more: Iterable[str], output: BinaryIO) -> subprocess.Popen[bytes]:
        # Not by asyncio, which would take a thread to wait for it: forks and threads do not go together.
        return subprocess.Popen(  # noqa: S603 - what we are ourselves
            [self._path, *self._arguments[1:], *more],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=self._directory,
            env={name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"},
        )

    def run_anew(self, descriptors: Iterable[int], told: Mapping[str, Any]) -> None:
        """Become the program anew, with these files still open; `told` is what `handed_over` returns there.

        Raises `ProcessError`, and then nothing has changed.
        """
        directory = os.getcwd()  # noqa: PTH109 - it goes to chdir
        message = os.memfd_create("handed-over", 0)
        passed_on = [*descriptors, message]
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, WAITING_SIGNALS)
        # A handler would take them down to a program that is gone before it looks.
        handlers = {number: signal.signal(number, signal.SIG_DFL) for number in _ENDING_SIGNALS}
        try:
            os.write(message, json.dumps(told).encode())
            os.chdir(self._directory)
            for descriptor in passed_on:
                os.set_inheritable(descriptor, True)
            os.execve(  # noqa: S606 - what we are ourselves
                self._path, self._arguments, {**os.environ, _VARIABLE: f"{os.getpid()} {message}"}
            )
        except OSError as error:
            for descriptor in passed_on:
                os.set_inheritable(descriptor, False)
            os.close(message)
            os.chdir(directory)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            raise ProcessError(f"the program cannot be run anew: {error}; restart it") from None


def handed_over() -> dict[str, Any] | None:
    """Return what the program before this one told, ``None`` when there was none. Raises `ProcessError`."""
    process, _, descriptor = os.environ.pop(_VARIABLE, "").partition(" ")
    if process != str(os.getpid()):
        return None
    try:
        with open(int(descriptor), encoding="utf-8") as message:  # noqa: PTH123 - a descriptor
            message.seek(0)
            return cast("dict[str, Any]", json.load(message))
    except (OSError, ValueError) as error:
        raise ProcessError(f"what was handed over cannot be read: {error}; start it again") from None


async def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """Wait for its end and return its status; kill it after long, and return ``None``."""
    try:
        async with asyncio.timeout(_CHECKS_WITHIN):
            while process.poll() is None:  # noqa: ASYNC110 - see `_start`
                await asyncio.sleep(_LOOKS_EVERY)
    except TimeoutError:
        return None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return process.returncode


def _reason(output: BinaryIO) -> str:
    output.seek(0)
    return output.read(_LONGEST_REASON).decode(errors="replace").strip()
