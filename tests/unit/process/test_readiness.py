"""sd_notify(3), heard from the manager's side."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from nat64.process import readiness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """Stand in for systemd, on a socket with a path and on an abstract one."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.settimeout(10)
        channel.bind(name if request.param == "path" else f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", name if request.param == "path" else f"@{name}")
        yield channel


def test_readiness_is_told(manager: socket.socket) -> None:
    readiness.ready()

    assert manager.recv(1024) == b"READY=1"


def test_a_reload_is_told_with_its_time(manager: socket.socket) -> None:
    readiness.reloading()

    assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", manager.recv(1024))


def test_the_end_is_told(manager: socket.socket) -> None:
    readiness.stopping()

    assert manager.recv(1024) == b"STOPPING=1"


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))

    readiness.ready()
