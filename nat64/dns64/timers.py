"""Timers that cost little to set and to drop, and are up to a grain late. No I/O, no clock."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

GRAIN: Final = 0.02
"""How much later than wanted something may be due, in seconds."""

Item = TypeVar("Item")


class Timers(Generic[Item]):
    """When to look at what: each item is in one slot of `GRAIN` seconds.

    Most of what waits for a reply is dropped long before it is due, so nothing is kept sorted but the slots.
    """

    def __init__(self) -> None:
        self._slots: dict[int, dict[Item, None]] = {}
        self._slot_of: dict[Item, int] = {}

    def wake(self, item: Item, when: float) -> None:
        """Have an item due at `when`, unless it is due before that already."""
        slot = int(when / GRAIN) + 1
        before = self._slot_of.get(item)
        if before is not None:
            if before <= slot:
                return
            del self._slots[before][item]
        self._slot_of[item] = slot
        beside = self._slots.get(slot)
        if beside is None:
            self._slots[slot] = {item: None}
        else:
            beside[item] = None

    def drop(self, item: Item) -> None:
        """Forget an item, if it is there."""
        slot = self._slot_of.pop(item, None)
        if slot is not None:
            del self._slots[slot][item]

    @property
    def next(self) -> float | None:
        """When to call `due` next; ``None``: for nothing."""
        return min(self._slots) * GRAIN if self._slots else None

    def due(self, now: float) -> list[Item]:
        """Take out and return what is due, the soonest first."""
        slots = sorted(slot for slot in self._slots if slot * GRAIN <= now)
        items = [item for slot in slots for item in self._slots.pop(slot)]
        for item in items:
            del self._slot_of[item]
        return items
