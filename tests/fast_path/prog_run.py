"""Hands single packets to a loaded program and takes what it makes of them: BPF_PROG_RUN, through libbpf."""

from __future__ import annotations

import ctypes
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.device.fast_path.libbpf import library

if TYPE_CHECKING:
    from nat64.device.fast_path.program import Program

LINK_HEADER: Final = 14
"""The kernel's test run wants an Ethernet header before each packet."""
LARGEST: Final = 3200
"""Octets of the largest packet that a test run takes."""
REDIRECTED: Final = 7  # TC_ACT_REDIRECT
PASSED: Final = 0xFFFFFFFF  # TC_ACT_UNSPEC

_ETHERTYPES: Final = {4: b"\x08\x00", 6: b"\x86\xdd"}
_CONTEXT: Final = 184  # struct __sk_buff as far as gso_size and a padding
_NUMBER: Final = Struct("=I")
_MARK_AT: Final = 8
_GSO_SEGMENTS_AT: Final = 164
_GSO_SIZE_AT: Final = 176


class Result(NamedTuple):
    """The program's verdict, and the packet that it left."""

    verdict: int
    packet: bytes


class _Options(ctypes.Structure):
    """libbpf's struct bpf_test_run_opts."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("data_in", ctypes.c_char_p),
        ("data_out", ctypes.c_void_p),
        ("data_size_in", ctypes.c_uint32),
        ("data_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_void_p),
        ("ctx_out", ctypes.c_void_p),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("retval", ctypes.c_uint32),
        ("repeat", ctypes.c_int),
        ("duration", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
    )


class TestRun:
    """Runs a program that was loaded with `LINK_HEADER`."""

    __test__ = False  # not pytest's

    def __init__(self, program: Program) -> None:
        self._descriptor = program.descriptor
        self._call = library()
        self._out = ctypes.create_string_buffer(LARGEST + 256)
        self._context = ctypes.create_string_buffer(_CONTEXT)
        self._options = _Options(sz=ctypes.sizeof(_Options), repeat=1)
        self._options.data_out = ctypes.addressof(self._out)
        self._reference = ctypes.byref(self._options)

    def mark_after(self, packet: bytes, mark: int) -> int:
        """Run the program for a packet with a firewall mark, and return the mark that it leaves."""
        context = ctypes.create_string_buffer(2 * _CONTEXT)  # the kernel may give more than it takes
        _NUMBER.pack_into(context, _MARK_AT, mark)
        self._options.ctx_out, self._options.ctx_size_out = ctypes.addressof(context), len(context)
        self._run(packet, context)
        self._options.ctx_out, self._options.ctx_size_out = None, 0
        (after,) = _NUMBER.unpack_from(context, _MARK_AT)
        return int(after)

    def __call__(self, packet: bytes, segment_size: int = 0) -> Result:
        """Run the program for one IP packet; with `segment_size` it stands for several, as GSO has it."""
        if not segment_size:
            return self._run(packet, None)
        _NUMBER.pack_into(self._context, _GSO_SIZE_AT, segment_size)
        _NUMBER.pack_into(self._context, _GSO_SEGMENTS_AT, 2)
        return self._run(packet, self._context)

    def _run(self, packet: bytes, context: ctypes.Array[ctypes.c_char] | None) -> Result:
        options = self._options
        framed = bytes(12) + _ETHERTYPES.get(packet[0] >> 4 if packet else 0, b"\x08\x06") + packet
        options.data_in = framed
        options.data_size_in = len(framed)
        options.data_size_out = len(self._out)
        options.ctx_in = None if context is None else ctypes.addressof(context)
        options.ctx_size_in = 0 if context is None else _CONTEXT
        self._call("bpf_prog_test_run_opts", self._descriptor, self._reference)
        return Result(options.retval, self._out.raw[LINK_HEADER : options.data_size_out])
