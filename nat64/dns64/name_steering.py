"""Which worker a query is for: the same one for each query about a name, so that an answer is kept by one of them alone.

The kernel asks a classic BPF program for the number of the socket, of those that share a port, which gets a datagram
(SO_ATTACH_REUSEPORT_CBPF, socket(7)). Here the programs are made. No I/O.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

_HEADER: Final = 12
_LABELS: Final = 12
"""The name's end is looked for behind so many labels; what follows counts for nothing then."""
_OCTETS: Final = 48
"""So many octets of a name count."""
_LONGEST_LABEL: Final = 63
_MULTIPLIER: Final = 31
_SPREAD: Final = 0x9E3779B1
"""2^32 by the golden ratio: names that differ in one octet are far apart in the upper half of the product."""
_LOWER_CASE: Final = 0x20

# linux/filter.h. A is the accumulator, X the index register, M[k] sixteen words of memory. Who loads from behind the end
# of a datagram returns 0.
_LOAD_BYTE: Final = 0x30  # A = octet k
_LOAD_BYTE_AT_X: Final = 0x50  # A = octet X + k
_LOAD_MEMORY: Final = 0x60  # A = M[k]
_LOAD_SPECIAL: Final = 0x20  # A = the word k, or what the kernel has under a number like that
_STORE: Final = 0x02  # M[k] = A
_SET_X: Final = 0x01  # X = k
_TO_X: Final = 0x07  # X = A
_FROM_X: Final = 0x87  # A = X
_ADD: Final = 0x04
_ADD_X: Final = 0x0C
_MULTIPLY: Final = 0x24
_SHIFT_RIGHT: Final = 0x74
_OR: Final = 0x44
_MODULO: Final = 0x94
_JUMP: Final = 0x05
_IF_EQUAL: Final = 0x15
_IF_GREATER: Final = 0x25
_RETURN_A: Final = 0x16
_RANDOM: Final = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM
_END, _HASH = range(2)
"""What stands in memory: where the name ends, and what its octets make so far."""

INSTRUCTION: Final = struct.Struct("=HBBI")
"""``struct sock_filter``, of which a program is a row."""


class Instruction(NamedTuple):
    """``struct sock_filter``: a code, how many instructions to skip if a condition holds and if not, an operand."""

    code: int
    operand: int = 0
    if_true: int = 0
    if_false: int = 0


def by_name(sockets: int) -> bytes:
    """Return the program that gives one of `sockets` for the question's name, whatever its case and the question's type.

    What is no query, or has no whole name, goes to any.
    """
    return _written([*_find_end(), *_hash_name(), *_chosen(sockets)])


def at_random(sockets: int) -> bytes:
    """Return the program that gives any of the first `sockets`."""
    return _written([Instruction(_LOAD_SPECIAL, _RANDOM), *_remainder(sockets)])


def _find_end() -> list[Instruction]:
    """Go from label to label; M[_END] is where the last one is behind us."""
    label = [
        Instruction(_LOAD_BYTE_AT_X),
        Instruction(_IF_EQUAL, 0),  # jumps to the end, see below
        Instruction(_IF_GREATER, _LONGEST_LABEL),  # likewise
        Instruction(_ADD_X),
        Instruction(_ADD, 1),
        Instruction(_TO_X),
    ]
    labels = label * _LABELS
    for at, instruction in enumerate(labels):
        if instruction.code in {_IF_EQUAL, _IF_GREATER}:
            labels[at] = instruction._replace(if_true=len(labels) - at - 1)
    return [Instruction(_SET_X, _HEADER), *labels, Instruction(_FROM_X), Instruction(_STORE, _END)]


def _hash_name() -> list[Instruction]:
    """Mix the name's octets; M[_HASH] is what they make."""
    each = 10
    found = [Instruction(_SET_X, 0), Instruction(_FROM_X), Instruction(_STORE, _HASH)]
    for at in range(_HEADER, _HEADER + _OCTETS):
        rest = (_HEADER + _OCTETS - at) * each
        found += [
            Instruction(_LOAD_MEMORY, _END),
            Instruction(_IF_GREATER, at, if_true=1),
            Instruction(_JUMP, rest - 3),
            Instruction(_LOAD_MEMORY, _HASH),
            Instruction(_MULTIPLY, _MULTIPLIER),
            Instruction(_TO_X),
            Instruction(_LOAD_BYTE, at),
            Instruction(_OR, _LOWER_CASE),
            Instruction(_ADD_X),
            Instruction(_STORE, _HASH),
        ]
    return found


def _chosen(sockets: int) -> list[Instruction]:
    return [
        Instruction(_LOAD_MEMORY, _HASH),
        Instruction(_MULTIPLY, _SPREAD),
        Instruction(_SHIFT_RIGHT, 16),
        *_remainder(sockets),
    ]


def _remainder(sockets: int) -> list[Instruction]:
    return [Instruction(_MODULO, sockets), Instruction(_RETURN_A)]


def _written(program: list[Instruction]) -> bytes:
    return b"".join(
        INSTRUCTION.pack(each.code, each.if_true, each.if_false, each.operand) for each in program
    )
