"""All sockets that clients' queries come in by: for each binding one set a worker, kept open by the supervisor.

The sockets of one binding share its port (SO_REUSEPORT): the kernel gives each query over UDP to one of them by its name
(`name_steering`), and each connection to any. A worker's sockets are numbered like the worker, and outlive it: what comes
in meanwhile waits for the next one.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

from nat64.dns64 import name_steering
from nat64.dns64.sockets import BindError, Binding, BoundSockets, open_bound, refuse_taken

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

Opened = dict[Binding, dict[int, BoundSockets]]
"""Sockets by the binding, and by the number of the worker that they are for."""

# asm-generic/socket.h; Python's socket module does not carry them.
_SO_ATTACH_REUSEPORT_CBPF: Final = 51
_SO_DETACH_REUSEPORT_BPF: Final = 68


class Listening:
    """The sockets that are open now. `owner` is the user that the daemon becomes, ``None`` where it stays itself."""

    def __init__(self, owner: int | None = None) -> None:
        self._owner = owner
        self._open: Opened = {}

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """What is open."""
        return tuple(self._open)

    @property
    def inodes(self) -> set[int]:
        """The inodes of all sockets."""
        return {os.fstat(each.fileno()).st_ino for bound in self._all() for each in bound}

    @property
    def descriptors(self) -> list[int]:
        """The numbers of all sockets among the open files."""
        return [each.fileno() for bound in self._all() for each in bound]

    def of(self, number: int) -> dict[Binding, BoundSockets]:
        """Return the sockets of one worker."""
        return {binding: numbered[number] for binding, numbered in self._open.items() if number in numbered}

    def open_missing(self, wanted: Iterable[Binding], workers: int) -> Opened:
        """Open what `workers` workers need and is not open yet; `add` it, or close it.

        Raises `BindError`, and then nothing has been opened.
        """
        opened: Opened = {}
        ours: Collection[int] = self.inodes
        try:
            for binding in wanted:
                there = self._open.get(binding, {})
                if not there:
                    refuse_taken(binding, ours)
                for number in range(workers):
                    if number not in there:
                        opened.setdefault(binding, {})[number] = open_bound(binding, self._owner)
        except BindError:
            close(opened)
            raise
        return opened

    def add(self, opened: Mapping[Binding, Mapping[int, BoundSockets]]) -> None:
        """Have what was opened among the rest; what it takes the place of is closed."""
        for binding, numbered in opened.items():
            there = self._open.setdefault(binding, {})
            for number, bound in numbered.items():
                if number in there:
                    there[number].close()
                there[number] = bound

    def reopen(self, binding: Binding) -> Opened:
        """Open all sockets of a binding anew, beside those that are there. Raises `BindError`, as `open_missing`."""
        opened: Opened = {binding: {}}
        try:
            for number in self._open[binding]:
                opened[binding][number] = open_bound(binding, self._owner)
        except BindError:
            close(opened)
            raise
        return opened

    def stranded(self) -> list[Binding]:
        """Return the bindings whose interface was removed."""
        return [
            binding
            for binding, numbered in self._open.items()
            if binding.device is not None and any(bound.is_stranded for bound in numbered.values())
        ]

    def close_others(self, wanted: Collection[Binding]) -> list[Binding]:
        """Close, in this process, the sockets of all bindings that are not wanted; return those."""
        leaving = [binding for binding in self._open if binding not in wanted]
        for binding in leaving:
            close({binding: self._open.pop(binding)})
        return leaving

    def share(self, workers: int) -> None:
        """Have the kernel give each query to the worker of its name, and each connection to any, of the first `workers`.

        Where it cannot (before Linux 5.3), clients are spread over all sockets by their addresses and ports.
        """
        for numbered in self._open.values():
            if 0 not in numbered:
                continue
            udp, tcp = numbered[0].udp, numbered[0].tcp
            if udp is not None and len(numbered) > 1:
                _share_by(udp, name_steering.by_name(workers))
            if any(number >= workers for number in numbered):
                _share_by(tcp, name_steering.at_random(workers))

    def close_beyond(self, workers: int) -> None:
        """Close, in this process, the sockets of the workers beyond the first `workers`."""
        for numbered in self._open.values():
            # From the last one on: so the rest keep their order, which `share` counts on.
            for number in sorted((number for number in numbered if number >= workers), reverse=True):
                numbered.pop(number).close()
            if 0 in numbered:
                with contextlib.suppress(OSError):
                    numbered[0].tcp.setsockopt(socket.SOL_SOCKET, _SO_DETACH_REUSEPORT_BPF, 0)

    def close(self) -> None:
        """Close all in this process."""
        close(self._open)
        self._open = {}

    def hand_over(self) -> list[list[Any]]:
        """Describe what is open, by descriptors, to the program that takes this one's place (see `adopted`)."""
        return [
            [
                str(binding.address),
                binding.port,
                binding.device,
                binding.tls,
                number,
                [each.fileno() for each in bound],
            ]
            for binding, numbered in self._open.items()
            for number, bound in numbered.items()
        ]

    def _all(self) -> Iterable[BoundSockets]:
        return (bound for numbered in self._open.values() for bound in numbered.values())


def close(opened: Mapping[Binding, Mapping[int, BoundSockets]]) -> None:
    """Close what was opened."""
    for numbered in opened.values():
        for bound in numbered.values():
            bound.close()


def adopted(rows: Iterable[Iterable[Any]]) -> Opened:
    """Take the sockets that the program before this one handed over. Raises `ValueError`, `TypeError` and `OSError`."""
    opened: Opened = {}
    for address, port, device, tls, number, descriptors in rows:
        binding = Binding(ipaddress.ip_address(address), port, device, tls)
        *udp, tcp = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        for each in (*udp, tcp):
            each.set_inheritable(False)
        opened.setdefault(binding, {})[number] = BoundSockets(tcp, udp[0] if udp else None)
    return opened


def _share_by(one: socket.socket, program: bytes) -> None:
    """Have a program choose among the sockets that share a port with this one, in the order in which they were bound."""
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack(
        "@HP", len(program) // name_steering.INSTRUCTION.size, ctypes.addressof(instructions)
    )
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, header)
