"""What the ways to the forwarders have in common: whose question it is, and why it could not be asked."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from nat64.dns64.exchange import Ask

OUR_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN})
"""Errors of a socket that are not the other side's fault."""


class ForwarderError(Exception):
    """A forwarder cannot be asked; the text is ``why; remedy``."""


class Asker(Protocol):
    """Whose questions these are."""

    def reply_received(self, ask: Ask, data: bytes, now: float) -> bool:
        """Take what may be the reply; return whether it is."""

    def ask_failed(self, ask: Ask, now: float, *, by_us: bool = False, why: str | None = None) -> None:
        """Learn that there will be none. `by_us`: we ourselves could not ask; `why` is for the log."""
