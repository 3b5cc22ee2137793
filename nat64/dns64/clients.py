"""What is known of a client as long as the config stands: whether it is answered, and by which view. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from nat64.config.dns64_config import IPAddress
    from nat64.dns64.ready_answers import ReadyAnswer, ReadyAnswers
    from nat64.dns64.views import Surroundings

MOST_REMEMBERED: Final = 16384
"""Clients; with more all are forgotten, and looked up anew."""


@dataclass(slots=True, eq=False)
class Client:
    """One client's address, and what holds for it."""

    address: IPAddress
    allowed: bool
    around: Surroundings
    ready: ReadyAnswers
    """The answers that stand ready for its view."""
    find_ready: Callable[[bytes], ReadyAnswer | None]
    """Finds one of them; none for a client that is not allowed."""
    packed: bytes
    """The address in 4 or 16 bytes."""
    left: int = 0
    """Responses over UDP that may be sent in `second` before the rate limit is asked again."""
    second: int = -1
    granted: int = 1
    """How many it will be the next time: twice as many as before in the same second."""
    flights: int = 0
    """Questions under way that it was the first to ask."""
    waiting: int = 0
    """Its queries that wait for their answers."""
