"""What several unit tests stand on."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible.plugins.loader import init_plugin_loader
from hypothesis import settings

from nat64.control import server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from contextlib import AbstractContextManager

    from nat64.control.protocol import Command

    Serve = Callable[[Path, Mapping[str, Command]], AbstractContextManager[None]]

# Plugins are imported as Ansible imports them: by their collection's name, from where packaging/lay_collections.py
# laid it. Before any test names one, or Python would look for them in its own way.
init_plugin_loader([str(Path(sys.prefix) / "share" / "ansible" / "collections")])

# How long one example takes says more about what else the machine does than about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def serve_control() -> Serve:
    """Give a context manager that serves commands on a control socket, from a thread of its own."""

    @contextmanager
    def serve(path: Path, commands: Mapping[str, Command]) -> Iterator[None]:
        started = threading.Event()
        loop = asyncio.new_event_loop()
        end = asyncio.Event()

        async def live() -> None:
            control = await server.serve(path, commands)
            started.set()
            await end.wait()
            control.close()

        thread = threading.Thread(target=_run_to_the_end, args=(loop, live))
        thread.start()
        try:
            assert started.wait(10)
            yield
        finally:
            loop.call_soon_threadsafe(end.set)
            thread.join()

    return serve


def _run_to_the_end(loop: asyncio.AbstractEventLoop, live: Callable[[], Coroutine[None, None, None]]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(live())
