"""The kernel gives each query about a name to the same one of the sockets that share a port."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
from collections import Counter
from typing import TYPE_CHECKING

import dns.edns
import dns.message
import dns.name
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nat64.dns64 import name_steering

if TYPE_CHECKING:
    from collections.abc import Iterator

SOCKETS = 4
_SO_ATTACH_REUSEPORT_CBPF = 51
LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=8)


class Group:
    """Sockets that share a port of the loopback, with a program that chooses among them."""

    def __init__(self, program: bytes) -> None:
        first = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        first.bind(("::1", 0))
        self.address = first.getsockname()
        self.sockets = [first]
        for _ in range(SOCKETS - 1):
            other = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(self.address)
            self.sockets.append(other)
        for each in self.sockets:
            each.setblocking(False)
        instructions = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
        first.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, header)

    def which(self, query: bytes) -> int:
        """Send a query from a port of its own, and return which socket got it."""
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            client.sendto(query, self.address)
        for number, each in enumerate(self.sockets):
            with contextlib.suppress(BlockingIOError):
                assert each.recv(1 << 16) == query
                return number
        raise AssertionError("nobody got it")

    def close(self) -> None:
        for each in self.sockets:
            each.close()


@pytest.fixture(scope="module")
def group() -> Iterator[Group]:
    made = Group(name_steering.by_name(SOCKETS))
    yield made
    made.close()


def queries(name: dns.name.Name) -> Iterator[bytes]:
    """Yield queries about a name that differ in all else."""
    cookie: list[dns.edns.Option] = [dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")]
    for kind in ("A", "AAAA", "TXT"):
        yield dns.message.make_query(name, kind).to_wire()
        yield dns.message.make_query(name, kind, use_edns=0, want_dnssec=True, options=cookie).to_wire()
    plain = dns.message.make_query(name, "A")
    plain.flags = 0
    wire = plain.to_wire()
    yield wire[:12] + bytes(wire[12:-4]).upper() + wire[-4:]


@given(LABELS)
@settings(max_examples=150, deadline=None)
def test_all_queries_about_a_name_go_to_one_socket(group: Group, labels: list[bytes]) -> None:
    while sum(map(len, labels)) + len(labels) > 254:
        labels.pop()
    name = dns.name.Name([*labels, b""])
    assert len({group.which(query) for query in queries(name)}) == 1


@pytest.mark.parametrize(
    "name", ["h{}.example.com", "{}.v4.example", "host-{:06}.some.long.domain.of.a.company.example"]
)
def test_names_are_spread_evenly(group: Group, name: str) -> None:
    asked = 800
    counts = Counter(
        group.which(dns.message.make_query(name.format(number), "AAAA").to_wire()) for number in range(asked)
    )
    assert sum(counts.values()) == asked
    assert len(counts) == SOCKETS
    assert max(counts.values()) < 1.25 * asked / SOCKETS


@given(st.binary(max_size=80))
@settings(max_examples=100, deadline=None)
def test_whatever_comes_goes_to_somebody(group: Group, datagram: bytes) -> None:
    assert group.which(datagram) in range(SOCKETS)


def test_any_is_any() -> None:
    made = Group(name_steering.at_random(2))
    query = dns.message.make_query("example.com", "A").to_wire()
    assert {made.which(query) for _ in range(64)} == {0, 1}
    made.close()


def test_the_program_fits_where_the_kernel_keeps_it() -> None:
    assert len(name_steering.by_name(64)) // 8 < 1000
