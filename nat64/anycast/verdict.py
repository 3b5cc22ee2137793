"""When a service counts as up: hysteresis over its probes, so that one lost packet moves no traffic. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Verdict:
    """The verdict on one service: down at first, up after `up_after` good probes in a row, down after `down_after` bad."""

    up_after: int
    down_after: int
    up: bool = False
    contrary: int = 0
    """How many probes in a row have said the opposite of `up`."""

    def __post_init__(self) -> None:
        if min(self.up_after, self.down_after) < 1:
            raise ValueError("a verdict takes one probe at least to change")

    def see(self, *, good: bool) -> bool:
        """Take the outcome of a probe, and tell whether the verdict has changed by it."""
        if good == self.up:
            self.contrary = 0
            return False
        self.contrary += 1
        if self.contrary < (self.down_after if self.up else self.up_after):
            return False
        self.up, self.contrary = good, 0
        return True
