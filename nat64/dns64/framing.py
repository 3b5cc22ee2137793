"""DNS messages on a stream: each with its length before it (RFC 1035 section 4.2.2, RFC 7766 section 8). No I/O."""

from __future__ import annotations

from typing import Final

LENGTH_SIZE: Final = 2
LONGEST_FRAME: Final = LENGTH_SIZE + 0xFFFF
_COMPACTED_AT: Final = 1 << 12
"""Bytes of messages taken that are kept until then: cutting them off for each message would move the rest each time."""


def framed(message: bytes) -> bytes:
    """Return a message as it goes on a stream."""
    return len(message).to_bytes(LENGTH_SIZE, "big") + message


class Framing:
    """What came on a stream, to be taken message by message."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0

    def __len__(self) -> int:
        """Return how many bytes wait."""
        return len(self._data) - self._at

    def add(self, data: bytes) -> None:
        """Take what came."""
        self._data += data

    @property
    def is_ready(self) -> bool:
        """Whether a whole message waits."""
        held = len(self)
        return held >= LENGTH_SIZE and held >= LENGTH_SIZE + self._length()

    def take(self) -> bytes | None:
        """Return the next message, ``None`` as long as it is not whole."""
        if not self.is_ready:
            return None
        start = self._at + LENGTH_SIZE
        end = start + self._length()
        message = bytes(self._data[start:end])
        self._at = end
        if end == len(self._data) or end >= _COMPACTED_AT:
            del self._data[:end]
            self._at = 0
        return message

    def _length(self) -> int:
        return self._data[self._at] << 8 | self._data[self._at + 1]
