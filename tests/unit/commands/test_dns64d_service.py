"""dns64d as a process: its signals and what it inherits from who starts it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from nat64.commands.dns64d_service import Daemon, Settings
from nat64.config.totd import parse
from nat64.dns64.listening import Listening
from nat64.dns64.sockets import Families, bindings
from nat64.process import privileges

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.process.upgrade import Program

SECONDS = 30
Result = TypeVar("Result")


def config(more: str = "") -> str:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::1", 0))
        port = probe.getsockname()[1]
    return (
        f"forwarder 192.0.2.53\nprefix 64:ff9b::/96\nlisten ::1 port {port}\nworkers 1\n"
        f"control-socket none\n{more}"
    )


class Recorded:
    """A program that is checked at once, and only notes that it is to run anew."""

    def __init__(self) -> None:
        self.ran = 0

    async def check(self, *_: str) -> None:
        pass

    def run_anew(self, *_: object) -> None:
        self.ran += 1


def test_what_is_told_to_end_does_not_run_anew() -> None:
    read = parse(config(), "f")
    settings = Settings(Path("/nonexistent"), Families(), detach=False)
    program = Recorded()

    async def test() -> None:
        listening = Listening()
        listening.add(listening.open_missing(bindings(read, settings.families), 1))
        identity = privileges.look_up(None, None)
        daemon = Daemon(settings, identity, cast("Program", program), None)
        serving = asyncio.ensure_future(daemon.serve(read, listening, {}))
        while not (hasattr(daemon, "server") and daemon.server.processes.workers):  # noqa: ASYNC110 - the loop starts it
            await asyncio.sleep(0.01)
        end = daemon.server.end

        async def ends_slowly(seconds: float) -> None:
            await asyncio.sleep(0.5)  # as with queries under way
            await end(seconds)

        daemon.server.end = ends_slowly  # type: ignore[method-assign]
        await daemon.upgrade()
        os.kill(os.getpid(), signal.SIGTERM)
        await serving

    asyncio.run(asyncio.wait_for(test(), SECONDS))
    assert not program.ran


def _until(seen: Callable[[], Result]) -> Result:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if found := seen():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


def test_a_worker_is_replaced_also_where_the_end_of_children_was_ignored_before(tmp_path: Path) -> None:
    path, log = tmp_path / "dns64.conf", tmp_path / "log"
    path.write_text(config(), encoding="ascii")
    starts = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    with log.open("wb") as written:
        daemon = subprocess.Popen(
            [sys.executable, "-c", starts, "-m", "nat64.commands.dns64d", "-n", "-c", str(path)],
            stderr=written,
        )
    try:
        _until(lambda: "msg=serving" in log.read_text())
        children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children")
        first = children.read_text()
        os.kill(int(first), signal.SIGKILL)
        _until(lambda: "another takes its place" in log.read_text())
        assert _until(children.read_text) != first
    finally:
        daemon.terminate()
        assert daemon.wait(SECONDS) == 0
