"""The control protocol's messages, without a socket."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.control import protocol
from nat64.control.protocol import Access, Command, CommandFailed, Request

COMMANDS = {
    "status": Command(Access.READ, lambda _arguments: {}),
    "reload": Command(Access.CHANGE, lambda _arguments: {}),
}


def test_a_request_is_read_as_it_was_written() -> None:
    line = protocol.render_request("hosts", {"offset": 500, "filter": "192.0.2.1"})

    assert line.endswith(b"\n")
    assert protocol.parse_request(line) == Request("hosts", {"offset": 500, "filter": "192.0.2.1"}, 500)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"status\n", "not JSON"),
        (b"[]\n", "not an object"),
        (b'{"command": "status"}\n', "protocol version None"),
        (b'{"version": 2, "command": "status"}\n', "protocol version 2"),
        (b'{"version": 1}\n', "'command' must be a string"),
        (b'{"version": 1, "command": "status", "arguments": []}\n', "'arguments' an object"),
        (b'{"version": 1, "command": "status", "arguments": {"offset": -1}}\n', "offset -1"),
        (b'{"version": 1, "command": "status", "arguments": {"offset": true}}\n', "offset True"),
    ],
)
def test_a_request_out_of_form_is_refused_with_the_reason(line: bytes, reason: str) -> None:
    with pytest.raises(CommandFailed, match="; ") as refused:
        protocol.parse_request(line)

    assert reason in str(refused.value)


@given(st.binary())
def test_no_bytes_in_a_request_raise_anything_else(line: bytes) -> None:
    with contextlib.suppress(CommandFailed):
        protocol.parse_request(line)


def test_a_request_of_deeply_nested_json_is_refused() -> None:
    with pytest.raises(CommandFailed):
        protocol.parse_request(b"[" * 60_000)


def test_an_unknown_command_is_told_the_known_ones() -> None:
    with pytest.raises(CommandFailed, match="known here: reload, status"):
        protocol.choose(Request("stats", {}, 0), COMMANDS, may_change=True)


def test_only_root_may_give_a_command_that_changes_something() -> None:
    request = Request("reload", {}, 0)

    with pytest.raises(CommandFailed, match="only root"):
        protocol.choose(request, COMMANDS, may_change=False)
    assert protocol.choose(request, COMMANDS, may_change=True) is COMMANDS["reload"]


def test_whoever_may_open_the_socket_may_read() -> None:
    assert protocol.choose(Request("status", {}, 0), COMMANDS, may_change=False) is COMMANDS["status"]


@pytest.mark.parametrize("rows", [0, 1, protocol.PAGE, protocol.PAGE + 1, 3 * protocol.PAGE])
def test_a_long_result_arrives_in_bounded_pages(rows: int) -> None:
    received: list[object] = []
    offset: int | None = 0
    while offset is not None:
        reply = protocol.parse_reply(protocol.render_result({"rows": iter(range(rows))}, offset))
        page = reply["rows"]
        assert isinstance(page, list)
        assert len(page) <= protocol.PAGE
        received += page
        following = reply["next"]
        assert following is None or isinstance(following, int)
        offset = following

    assert received == list(range(rows))


def test_a_failure_reaches_the_client_as_the_daemon_put_it() -> None:
    with pytest.raises(CommandFailed, match="no such host; list them"):
        protocol.parse_reply(protocol.render_error(CommandFailed("no such host; list them")))


@pytest.mark.parametrize("reply", [b"", b"garbage\n", b'{"version": 9, "ok": true, "result": {}}\n'])
def test_a_reply_of_another_version_is_refused(reply: bytes) -> None:
    with pytest.raises(CommandFailed, match="version 1"):
        protocol.parse_reply(reply)


def test_messages_are_single_lines_of_json() -> None:
    line = protocol.render_result({"text": "two\nlines"}, 0)

    assert line.count(b"\n") == 1
    assert json.loads(line) == {"version": 1, "ok": True, "result": {"text": "two\nlines"}}
