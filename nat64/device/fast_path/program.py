"""The program: loaded with its maps, kept by pins, and taken over from them by the next daemon."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from nat64.device.fast_path import layout
from nat64.device.fast_path.errors import FastPathError
from nat64.device.fast_path.libbpf import LOG_OCTETS, library
from nat64.device.fast_path.maps import Maps

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OBJECT: Final = "fast_path.bpf.o"
PROGRAM: Final = "nat64_fast_path"
DEVICE_DATA: Final = ".rodata.device"
"""The section of what the program is told of its device: `link_header` in headers.h."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many entries the maps have room for: `hosts` leases and exact maps, `maps` of networks, `last_used` slots."""

    hosts: int
    maps: int
    last_used: int

    def of(self, name: str) -> int:
        """Return the number for the map with this name, which is never 0."""
        if name == "last_used":
            return max(1, self.last_used)
        # From IPv6 each fixed map is found twice. No entry takes memory before it is made.
        return max(
            1, {"hosts6": 2 * self.hosts, "hosts4": self.hosts, "maps6": 2 * self.maps}.get(name, self.maps)
        )


class Program:
    """The program in the kernel and its maps. Closing leaves what is attached and pinned in place.

    `descriptor` is the program's, for attaching and pinning.
    """

    def __init__(self, descriptor: int, maps: Maps, closes: ExitStack) -> None:
        self.descriptor = descriptor
        self.maps = maps
        self._closes = closes

    def close(self) -> None:
        """Let go of the program and its maps."""
        self._closes.close()

    def has_room(self, sizes: Sizes) -> bool:
        """Whether the maps, which keep the sizes that they were made with, have room for so many entries."""
        return all(
            _entries(self.maps[name].descriptor) >= sizes.of(name)
            for name, kind in layout.MAPS.items()
            if kind.is_sized
        )

    def pin(self, directory: Path) -> None:
        """Keep the program and its maps under names in `directory`, which lies in a bpffs. Raises `FastPathError`.

        What is pinned there already is replaced, name by name, and what fails halfway leaves the rest as it was.
        """
        named = {name: one.descriptor for name, one in self.maps.by_name.items()} | {PROGRAM: self.descriptor}
        try:
            for name, descriptor in named.items():
                staged = directory / f"{name}-new"
                staged.unlink(missing_ok=True)
                library()("bpf_obj_pin", descriptor, os.fsencode(staged))
            for name in named:
                (directory / f"{name}-new").replace(directory / name)
        except OSError as error:
            raise FastPathError(
                f"cannot pin the fast path in {directory}: {error.strerror}; mount a bpffs there that nat64d may write to"
            ) from None


def unpin(directory: Path) -> None:
    """Remove what `Program.pin` made; what is not attached to a device ends by that. Raises `FastPathError`."""
    try:
        for name in (PROGRAM, *layout.MAPS):
            (directory / name).unlink(missing_ok=True)
            (directory / f"{name}-new").unlink(missing_ok=True)
    except OSError as error:
        raise FastPathError(
            f"cannot remove the fast path's pins from {directory}: {error.strerror}; remove them as root"
        ) from None


@cache
def read_object() -> bytes:
    """Return the compiled program that this package was built with. Raises `FastPathError` if it has none."""
    try:
        return resources.files(__package__).joinpath(OBJECT).read_bytes()
    except FileNotFoundError:
        raise FastPathError(
            "this build of nat64 has no fast path, as clang was missing; build it with clang installed"
        ) from None


def load(
    sizes: Sizes,
    *,
    object_file: bytes | None = None,
    link_header: int = 0,
    maps: Mapping[str, int] | None = None,
) -> Program:
    """Load the program with maps of its own, or with some that are there, by their descriptors. Raises `FastPathError`.

    `link_header` is how many octets each packet has before its IP header: none on a TUN device. `object_file` is for
    another build of the program than the package's own. Maps that are there keep their sizes.
    """
    content = object_file if object_file is not None else read_object()
    try:
        call = library()
    except (OSError, AttributeError) as error:
        raise FastPathError(f"libbpf 1.0 or later cannot be loaded ({error}); install libbpf") from None
    with ExitStack() as closes:
        opened = _open(content, closes)
        program = call("bpf_object__find_program_by_name", opened, PROGRAM.encode())
        log = ctypes.create_string_buffer(LOG_OCTETS)
        call("bpf_program__set_log_buf", program, log, len(log))
        _prepare(opened, sizes, link_header, maps or {})
        try:
            call("bpf_object__load", opened)
        except OSError as error:
            raise FastPathError(_why_not_loaded(error), log.value.decode(errors="replace")) from None
        descriptors = {name: call("bpf_map__fd", _map(opened, name)) for name in layout.MAPS}
        found = Maps(descriptors, _entries(descriptors["last_used"]))
        closes.callback(found.close)
        return Program(call("bpf_program__fd", program), found, closes.pop_all())
    raise AssertionError  # not reached: the stack passes no exception over


def adopt(directory: Path) -> Program:
    """Return the program and the maps that are pinned in `directory`. Raises `FastPathError`.

    The caller compares `Maps.layout` before it trusts what they hold.
    """
    with ExitStack() as closes:
        try:
            descriptors = {name: _pinned(directory / name, closes) for name in (PROGRAM, *layout.MAPS)}
            program = descriptors.pop(PROGRAM)
            for name, descriptor in descriptors.items():
                _check_sizes(directory, name, descriptor)
            found = Maps(descriptors, _entries(descriptors["last_used"]))
        except OSError as error:
            raise FastPathError(
                f"cannot take over the fast path pinned in {directory}: {error.strerror}; load it anew"
            ) from None
        closes.callback(found.close)
        return Program(program, found, closes.pop_all())
    raise AssertionError  # not reached: the stack passes no exception over


def number(descriptor: int) -> int:
    """Return the kernel's number for a loaded program, by which it is known on a device (`attachment.attached`)."""
    return int.from_bytes(_info(descriptor)[4:8], "little")


def tag(descriptor: int) -> bytes:
    """Return the kernel's digest (8 octets) of a loaded program's instructions, by which two builds are told apart."""
    return _info(descriptor)[8:16]  # type, id, tag


def _info(descriptor: int) -> bytes:
    """Return what begins struct bpf_prog_info or bpf_map_info of the kernel's uapi, as the descriptor is a program's or a map's."""
    info = ctypes.create_string_buffer(64)
    length = ctypes.c_uint32(len(info))
    library()("bpf_obj_get_info_by_fd", descriptor, info, ctypes.byref(length))
    return info.raw


def _open(content: bytes, closes: ExitStack) -> int:
    try:
        opened = library()("bpf_object__open_mem", content, len(content), None)
    except OSError as error:
        raise FastPathError(
            f"libbpf cannot read the fast path's object: {error.strerror}; install a later libbpf"
        ) from None
    closes.callback(library(), "bpf_object__close", opened)
    return opened


def _map(opened: int, name: str) -> int:
    try:
        return library()("bpf_object__find_map_by_name", opened, name.encode())
    except OSError:
        raise FastPathError(
            f"the fast path's object has no map '{name}', it is of another version; build nat64 anew"
        ) from None


def _prepare(opened: int, sizes: Sizes, link_header: int, maps: Mapping[str, int]) -> None:
    """Set what the object leaves open before it is loaded."""
    call = library()
    try:
        value = layout.INDEX.pack(link_header)
        call("bpf_map__set_initial_value", _map(opened, DEVICE_DATA), value, len(value))
        for name, kind in layout.MAPS.items():
            if name in maps:
                call("bpf_map__reuse_fd", _map(opened, name), maps[name])
            elif kind.is_sized:
                call("bpf_map__set_max_entries", _map(opened, name), sizes.of(name))
    except OSError as error:
        raise FastPathError(
            f"the fast path's maps cannot be set up: {error.strerror}; load it with maps of its own"
        ) from None


def _pinned(path: Path, closes: ExitStack) -> int:
    descriptor = library()("bpf_obj_get", os.fsencode(path))
    closes.callback(os.close, descriptor)
    return descriptor


def _map_info(descriptor: int) -> tuple[int, int, int]:
    """Return a map's octets in a key and in a value, and its entries: what follows type and id."""
    key, value, entries = struct.unpack_from("=3I", _info(descriptor), 8)
    return key, value, entries


def _entries(descriptor: int) -> int:
    return _map_info(descriptor)[2]


def _check_sizes(directory: Path, name: str, descriptor: int) -> None:
    key, value, _ = _map_info(descriptor)
    kind = layout.MAPS[name]
    if (key, value) != (kind.key.size, kind.value.size):
        raise FastPathError(
            f"the fast path pinned in {directory} is of another version (its map {name} is); load it anew"
        )


def _why_not_loaded(error: OSError) -> str:
    match error.errno:
        case errno.EPERM:
            return "the kernel does not let nat64d load the fast path; give it CAP_BPF and CAP_NET_ADMIN, outside of containers"
        case errno.ENOMEM | errno.E2BIG:
            return f"the fast path's maps do not fit: {error.strerror}; make the pools smaller or the memory larger"
        case _:
            return (
                f"the kernel refuses the fast path: {error.strerror}; Linux 5.15 or later is needed, and on one,"
                " report what its verifier says (nat64d -d)"
            )
