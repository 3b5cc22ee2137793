# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Who listens on a port, read from the kernel without the command ``ss``.

/proc/net tells the sockets, /proc/*/fd whose they are. What these tables leave out, whether a socket is bound to a
device and whether it serves IPv6 alone, comes from the kernel's sock_diag(7) where it answers.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PROC = Path("/proc")
TABLES = ("tcp", "tcp6", "udp", "udp6")
ANY = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
_IDLE = {"tcp": "0A", "udp": "07"}  # TCP_LISTEN and TCP_CLOSE of linux/include/net/tcp_states.h
_STATES = 1 << 7 | 1 << 10  # the same two, as sock_diag(7) asks for them

# sock_diag(7): struct nlmsghdr, inet_diag_req_v2, inet_diag_msg, nlattr.
_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_DONE_OR_ERROR = (2, 3)
_V6ONLY = 11
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI48x")
_MESSAGE = struct.Struct("=4x2H16s16sI8x5I")
_ATTRIBUTE = struct.Struct("=HH")


@dataclass(frozen=True)
class Listener:
    """A socket that takes what comes to a port, and a process that holds it."""

    protocol: str
    """``tcp`` or ``udp``."""
    address: str
    """``0.0.0.0`` and ``::`` are all of a family, ``*`` is all of both."""
    device: str = ""
    """The device that it is bound to; empty: all, or unknown."""
    process: str = ""
    """Empty if no process holds it that this user may see, as the kernel's own."""
    pid: int = 0

    def keeps_out(self, other: Listener) -> bool:
        """Tell whether the kernel refuses to let `other` listen on the same port while this one does."""
        if self.device and other.device and self.device != other.device:
            return False
        if "*" in (self.address, other.address):
            return True
        if (":" in self.address) != (":" in other.address):
            return False
        return self.address == other.address or self.address in ANY or other.address in ANY

    def __str__(self) -> str:
        """Name it as ``ss`` does."""
        return f"{self.address}%{self.device}" if self.device else self.address


class Row(NamedTuple):
    """A line of a table of /proc/net."""

    address: str
    inode: int


class Binding(NamedTuple):
    """What sock_diag(7) tells of a socket beyond /proc."""

    device: int
    ipv6_only: bool


def listeners(port: int) -> list[Listener]:
    """Return who takes TCP connections or UDP datagrams on the port; empty where nobody does."""
    rows = [(table, row) for table in TABLES for row in parse(_text(PROC / "net" / table), table, port)]
    if not rows:
        return []
    bindings = {table: _bindings(table) for table in {table for table, __ in rows}}
    owners = _owners({row.inode for __, row in rows})
    found: list[Listener] = []
    for table, row in rows:
        binding = bindings[table].get(row.inode, Binding(0, ipv6_only=False))
        both = row.address == "::" and not binding.ipv6_only
        pid = owners.get(row.inode, 0)
        found.append(
            Listener(
                protocol=table[:3],
                address="*" if both else row.address,
                device=_device(binding.device),
                process=_text(PROC / str(pid) / "comm").strip() if pid else "",
                pid=pid,
            )
        )
    return found


def parse(text: str, table: str, port: int) -> Iterator[Row]:
    """Pick the sockets that listen on the port from a table such as /proc/net/udp6."""
    for line in text.splitlines()[1:]:
        columns = line.split()
        address, __, local_port = columns[1].partition(":")
        if int(local_port, 16) == port and columns[3] == _IDLE[table[:3]]:
            yield Row(_address(address), int(columns[9]))


def _address(word: str) -> str:
    """Read an address, which /proc/net shows as words of the machine's own byte order."""
    packed = b"".join(struct.pack("=I", int(word[at : at + 8], 16)) for at in range(0, len(word), 8))
    return str(ipaddress.ip_address(packed))


def parse_bindings(data: bytes) -> tuple[dict[int, Binding], bool]:
    """Read messages of sock_diag(7), by the socket's inode; and whether they were the last."""
    found: dict[int, Binding] = {}
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, offset)[:2]
        if kind in _DONE_OR_ERROR or length < _HEADER.size:
            return found, True
        message = data[offset + _HEADER.size : offset + length]
        fields = _MESSAGE.unpack_from(message)
        found[fields[-1]] = Binding(fields[4], ipv6_only=_is_ipv6_only(message[_MESSAGE.size :]))
        offset += length + 3 & ~3
    return found, False


def _is_ipv6_only(attributes: bytes) -> bool:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, offset)
        if kind == _V6ONLY:
            return attributes[offset + _ATTRIBUTE.size] != 0
        offset += max(length + 3 & ~3, _ATTRIBUTE.size)
    return False


def _bindings(table: str) -> dict[int, Binding]:
    """Ask the kernel for all idle sockets of a table; an old or reduced kernel tells none."""
    family = socket.AF_INET6 if table.endswith("6") else socket.AF_INET
    protocol = socket.IPPROTO_TCP if table.startswith("tcp") else socket.IPPROTO_UDP
    body = _REQUEST.pack(family, protocol, 0, _STATES)
    request_and_dump = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
    header = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, request_and_dump, 1, 0)
    found: dict[int, Binding] = {}
    with (
        contextlib.suppress(OSError, struct.error),
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel,
    ):
        kernel.settimeout(5)
        kernel.send(header + body)
        last = False
        while not last:
            told, last = parse_bindings(kernel.recv(1 << 18))
            found.update(told)
    return found


def _device(index: int) -> str:
    if not index:
        return ""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)  # it was removed, the socket is stranded


def _owners(inodes: set[int]) -> dict[int, int]:
    """Return the process that holds each socket; the eldest of several that share it."""
    found: dict[int, int] = {}
    for process in sorted(int(path.name) for path in PROC.glob("[0-9]*")):
        with contextlib.suppress(OSError):
            for descriptor in (PROC / str(process) / "fd").iterdir():
                with contextlib.suppress(OSError):
                    match = re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink()))
                    if match and int(match[1]) in inodes:
                        found.setdefault(int(match[1]), process)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
