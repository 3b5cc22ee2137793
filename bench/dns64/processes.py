"""A daemon's processes, seen by /proc: their processor time, their memory, the cores that they may run on."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_PROC: Final = Path("/proc")
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


class Processes:
    """One process and all that descend from it. Those that end meanwhile count as nothing."""

    def __init__(self, process: int) -> None:
        self.first = process

    def ids(self) -> list[int]:
        """Return the numbers of those that are there now."""
        children: dict[int, list[int]] = {}
        for process, words in _stat():
            children.setdefault(int(words[1]), []).append(process)
        found = [self.first]
        for process in found:
            found.extend(children.get(process, ()))
        return found

    def processor_seconds(self) -> float:
        """Return the processor time that they have had, in the kernel's ticks of usually 10 ms."""
        wanted = set(self.ids())
        ticks = sum(int(words[11]) + int(words[12]) for process, words in _stat() if process in wanted)
        return ticks / _TICKS_A_SECOND

    def memory(self) -> int:
        """Return their memory in bytes, what they share counted once (PSS)."""
        return sum(map(proportional_set_size, self.ids()))

    def pin(self, cores: Collection[int]) -> None:
        """Let all their threads run on these cores only."""
        for process in self.ids():
            with contextlib.suppress(FileNotFoundError):
                for thread in (_PROC / str(process) / "task").iterdir():
                    with contextlib.suppress(ProcessLookupError):
                        os.sched_setaffinity(int(thread.name), cores)

    def datagrams_received(self) -> int:
        """Return how many UDP datagrams over IPv6 their network namespace has taken in."""
        for line in (_PROC / str(self.first) / "net/snmp6").read_text(encoding="ascii").splitlines():
            name, value = line.split()
            if name == "Udp6InDatagrams":
                return int(value)
        raise AssertionError("no Udp6InDatagrams in snmp6")


def proportional_set_size(process: int) -> int:
    """Return a process's PSS in bytes; 0 for one that is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        text = (_PROC / str(process) / "smaps_rollup").read_text(encoding="ascii")
        for line in text.splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def _stat() -> Iterator[tuple[int, list[str]]]:
    """Give each process with the words of its stat file that follow its name."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                yield int(entry.name), text.rpartition(")")[2].split()
