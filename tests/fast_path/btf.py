"""The types of a compiled program, read from its BTF (the kernel's Documentation/bpf/btf.rst) apart from the code under test."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM = 1, 2, 3, 4, 5, 6
_TYPEDEF, _FUNC_PROTO, _VAR, _DATASEC, _DECL_TAG, _ENUM64 = 8, 13, 14, 15, 17, 19
_BEHIND: Final = {_INT: (4, 0), _ARRAY: (12, 0), _STRUCT: (0, 12), _UNION: (0, 12), _ENUM: (0, 8)} | {
    _FUNC_PROTO: (0, 8),
    _VAR: (4, 0),
    _DATASEC: (0, 12),
    _DECL_TAG: (4, 0),
    _ENUM64: (0, 12),
}
"""Octets behind a type's header: so many, and so many for each member."""


class Types(NamedTuple):
    """The structures with their octets and where their members begin, and the enumerations' numbers.

    A union whose first member is a structure without a name counts as that structure.
    """

    sizes: dict[str, int]
    offsets: dict[str, dict[str, int]]
    numbers: dict[str, dict[str, int]]


def read(object_file: bytes) -> Types:
    """Read the types of an ELF object for little-endian BPF."""
    section = _section(object_file, ".BTF")
    _, _, _, header, types_at, types_length, names_at, _ = struct.unpack_from("<HBBIIIII", section)
    at, end, names = header + types_at, header + types_at + types_length, header + names_at
    found = Types({}, {}, {})
    by_number: list[dict[str, int]] = [{}]
    of_unions: dict[tuple[str, int], int] = {}
    while at < end:
        name_at, info, size = struct.unpack_from("<III", section, at)
        kind, count = info >> 24 & 31, info & 0xFFFF
        fixed, each = _BEHIND.get(kind, (0, 0))
        name = _name(section, names + name_at)
        members = [
            struct.unpack_from("<III"[: each // 4 + 1], section, at + 12 + fixed + index * each)
            for index in range(count)
            if each
        ]
        offsets: dict[str, int] = {}
        if kind == _STRUCT:
            offsets = {_name(section, names + member[0]): (member[2] & 0xFFFFFF) // 8 for member in members}
        elif kind == _UNION and not _name(section, names + members[0][0]):
            of_unions[name, size] = members[0][1]
        by_number.append(offsets)
        if offsets:
            found.sizes[name], found.offsets[name] = size, offsets
        if kind == _ENUM:
            found.numbers[name] = {_name(section, names + member[0]): member[1] for member in members}
        at += 12 + fixed + each * count
    for (name, size), number in of_unions.items():
        found.sizes[name], found.offsets[name] = size, by_number[number]
    return found


def _name(section: bytes, at: int) -> str:
    return section[at : section.index(0, at)].decode()


def _section(elf: bytes, wanted: str) -> bytes:
    """Return a section of a 64-bit ELF file."""
    (headers_at,) = struct.unpack_from("<Q", elf, 40)
    size, count, names_index = struct.unpack_from("<HHH", elf, 58)
    headers = [struct.unpack_from("<IIQQQQ", elf, headers_at + index * size) for index in range(count)]
    names_at = headers[names_index][4]
    for name, _, _, _, at, length in headers:
        if _name(elf, names_at + name) == wanted:
            return elf[at : at + length]
    raise AssertionError(f"no section {wanted}")
