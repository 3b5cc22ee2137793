"""Who listens on a port: what the kernel's tables tell, and what the kernel does with real sockets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from plugins.module_utils import listening
from plugins.module_utils.listening import Listener, listeners, parse

# As the kernel of a little-endian machine shows them; the last UDP line is a connected socket.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 3500007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 41 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100 0 0 10 0
   2: 0100007F:0035 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 43 1 0 20 4 30 10 -1
"""
UDP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
  11: B80D0120010064000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0 00:0 0  0 0 51 2 0 0
  12: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 07 0:0 00:0 0  0 0 52 2 0 0
  13: 00000000000000000000000001000000:0035 00000000000000000000000001000000:0035 01 0:0 00:0 0  0 0 53 2 0 0
"""


def test_a_table_tells_who_waits_on_the_port_and_nobody_else() -> None:
    assert list(parse(TCP, "tcp", 53)) == [("127.0.0.53", 41)]
    assert list(parse(UDP6, "udp6", 53)) == [("2001:db8:64:1::1", 51), ("::", 52)]


def bound(kind: socket.SocketKind, address: str, *, port: int = 0, v6only: bool = True) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = socket.socket(family, kind)
    if family == socket.AF_INET6:
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    found.bind((address, port))
    if kind == socket.SOCK_STREAM:
        found.listen()
    return found


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_real_socket_is_found_with_its_process(kind: socket.SocketKind, address: str) -> None:
    protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
    with bound(kind, address) as own:
        port = own.getsockname()[1]
        (found,) = [each for each in listeners(port) if each.protocol == protocol]
    name = Path("/proc/self/comm").read_text().strip()
    assert found == Listener(protocol, address, "", name, os.getpid())
    assert [each for each in listeners(port) if each.protocol == protocol] == []


def test_a_device_and_a_wildcard_are_told_as_they_are() -> None:
    with bound(socket.SOCK_DGRAM, "::", v6only=False) as both:
        assert [each.address for each in listeners(both.getsockname()[1])] == ["*"]
    with bound(socket.SOCK_DGRAM, "::") as one:
        assert [each.address for each in listeners(one.getsockname()[1])] == ["::"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        own.bind(("127.0.0.1", 0))
        (found,) = listeners(own.getsockname()[1])
    assert str(found) == "127.0.0.1%lo"


def test_without_sock_diag_a_listener_is_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_SOCK_DIAG", 31)  # a netlink protocol that nobody speaks
    with bound(socket.SOCK_DGRAM, "127.0.0.1") as own:
        (found,) = listeners(own.getsockname()[1])
    assert (found.address, found.pid) == ("127.0.0.1", os.getpid())


ADDRESSES = ("127.0.0.1", "0.0.0.0", "::1", "::", "*")  # noqa: S104 - on a port of the test's own, for a moment


@pytest.mark.parametrize("first", ADDRESSES)
@pytest.mark.parametrize("second", ADDRESSES)
def test_who_keeps_out_whom_is_what_the_kernel_says(first: str, second: str) -> None:
    def listen(address: str, port: int) -> socket.socket:
        wildcard = address == "*"
        return bound(socket.SOCK_DGRAM, "::" if wildcard else address, port=port, v6only=not wildcard)

    with listen(first, 0) as taken:
        port = taken.getsockname()[1]
        try:
            listen(second, port).close()
            refused = False
        except OSError:
            refused = True
    assert Listener("udp", first).keeps_out(Listener("udp", second)) == refused
