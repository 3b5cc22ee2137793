"""What becomes of a packet: the packets to send for it, or that it is dropped, in silence or not."""

from __future__ import annotations

from typing import TypeAlias

Packet: TypeAlias = "tuple[bytes, memoryview]"
"""A packet to send: its beginning, freshly made, and the rest, still in the received packet's buffer."""

Packets: TypeAlias = "tuple[Packet, ...]"


class Discard(Exception):  # noqa: N818 - a verdict on a packet, not a fault of the program
    """The packet is dropped in silence. `counter` is one of `counters.MEANINGS`."""

    def __init__(self, counter: str) -> None:
        super().__init__(counter)
        self.counter = counter


class Reject(Exception):  # noqa: N818 - a verdict on a packet, not a fault of the program
    """The packet is dropped, and its sender is told by an ICMP error of its own family.

    `value` fills the error's second 32-bit word: an MTU, a pointer, or zero.
    """

    def __init__(self, counter: str, icmp_type: int, code: int, value: int = 0) -> None:
        super().__init__(counter)
        self.counter = counter
        self.icmp_type = icmp_type
        self.code = code
        self.value = value


class InParts(Exception):  # noqa: N818 - a verdict on a packet, not a fault of the program
    """A packet that stands for several cannot go on whole, but each of those can be translated."""
