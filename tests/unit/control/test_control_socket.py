"""The control socket: the asyncio server and the blocking client against each other."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from nat64.control import client, protocol, server
from nat64.control.client import NotRunning
from nat64.control.protocol import Access, Command, CommandFailed, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    Serve = Callable[[Path, Mapping[str, Command]], AbstractContextManager[None]]


def _status(_arguments: Mapping[str, object]) -> Result:
    return {"daemon": "testd"}


async def _slow_reload(_arguments: Mapping[str, object]) -> Result:
    await asyncio.sleep(0)
    return {"warnings": []}


def _hosts(_arguments: Mapping[str, object]) -> Result:
    return {"rows": ({"host": number} for number in range(1200))}


def _broken(_arguments: Mapping[str, object]) -> Result:
    raise ZeroDivisionError


COMMANDS = {
    "status": Command(Access.READ, _status),
    "hosts": Command(Access.READ, _hosts),
    "broken": Command(Access.READ, _broken),
    "reload": Command(Access.CHANGE, _slow_reload),
}


@pytest.fixture
def path(tmp_path: Path, serve_control: Serve) -> Iterator[Path]:
    socket_path = tmp_path / "control.sock"
    with serve_control(socket_path, COMMANDS):
        yield socket_path


def test_a_command_is_answered(path: Path) -> None:
    assert client.ask(path, "status") == {"daemon": "testd"}


def test_a_long_list_is_fetched_page_by_page(path: Path) -> None:
    assert [row["host"] for row in client.rows(path, "hosts")] == list(range(1200))


def test_a_fault_of_the_daemon_is_told_and_survived(path: Path) -> None:
    with pytest.raises(CommandFailed, match="fault of its own"):
        client.ask(path, "broken")
    assert client.ask(path, "status") == {"daemon": "testd"}


@pytest.mark.skipif(
    os.geteuid() != 0, reason="who is not root is refused, as the next line of the protocol says"
)
def test_root_may_change_the_daemon(path: Path) -> None:
    assert client.ask(path, "reload") == {"warnings": []}


def test_the_socket_is_for_its_owner_and_its_group_only(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_garbage_gets_one_error_and_the_connection_goes_on(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        with connection.makefile("rwb") as stream:
            stream.write(b"\x00\xff garbage\n" + protocol.render_request("status", {}))
            stream.flush()
            with pytest.raises(CommandFailed, match="not JSON"):
                protocol.parse_reply(stream.readline())
            assert protocol.parse_reply(stream.readline()) == {"daemon": "testd"}


def test_an_endless_request_is_cut_off(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(b"x" * (protocol.LONGEST_REQUEST + 1))
        with connection.makefile("rb") as stream, pytest.raises(CommandFailed, match="shorter"):
            protocol.parse_reply(stream.readline())


def test_a_client_over_the_limit_is_turned_away(path: Path) -> None:
    kept = []
    try:
        for _ in range(server.MOST_CLIENTS):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(10)
            connection.connect(str(path))
            connection.sendall(protocol.render_request("status", {}))
            assert connection.recv(4096)
            kept.append(connection)
        with pytest.raises(CommandFailed):
            client.ask(path, "status")
    finally:
        for connection in kept:
            connection.close()


def test_a_socket_that_a_dead_daemon_left_is_replaced(tmp_path: Path, serve_control: Serve) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()

    with serve_control(path, COMMANDS):
        assert client.ask(path, "status") == {"daemon": "testd"}
    assert not path.exists()


def test_the_socket_of_a_live_daemon_is_left_alone(path: Path) -> None:
    with pytest.raises(OSError, match="answered by another daemon"):
        asyncio.run(server.serve(path, COMMANDS))
    assert client.ask(path, "status") == {"daemon": "testd"}


def test_where_no_daemon_runs_the_client_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="is it running"):
        client.ask(tmp_path / "control.sock", "status")
