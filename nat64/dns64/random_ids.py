"""Message IDs that nobody can foresee (RFC 5452 section 9.2), drawn from the kernel by the block."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK: Final = struct.Struct("!256H")


def random_ids() -> Iterator[int]:
    """Yield numbers from 0 to 65535 for ever. After a fork one side must begin anew, or both get the same."""
    while True:
        yield from _BLOCK.unpack(os.urandom(_BLOCK.size))
