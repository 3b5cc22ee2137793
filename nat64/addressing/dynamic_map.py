"""The text of TAYGA's `dynamic.map`, in which leases of the dynamic pool outlive the daemon.

A line holds an IPv4 address, an IPv6 address and the time of last use in Unix seconds, with a tab between
them. Our one extension is a fourth word, the prefix, in lines of leases that belong to another prefix than
the first. Empty lines and lines that begin with ``#`` are skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

from nat64.addressing.prefix import Pref64
from nat64.addressing.special_purpose import may_translate_ipv6

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from nat64.addressing.lease import Lease
    from nat64.addressing.pool import DynamicPool

FILE_NAME: Final = "dynamic.map"

_HEADING: Final = """\
###
###
### Dynamic map database of nat64d, in TAYGA's format
###
### You can edit this (carefully!) as long as you stop the daemon first
###
###
### Last written: {written}
###
###

"""


@dataclass(frozen=True, slots=True)
class SkippedLine:
    """A line that was not used: its number, counted from 1, and why."""

    line: int
    problem: str


def write(leases: Iterable[Lease], first_prefix: Pref64 | None, now: float, unix_now: float) -> str:
    """Return the file's text. `now` is the leases' clock and `unix_now` the same moment in Unix seconds."""
    written = datetime.fromtimestamp(unix_now, UTC).strftime("%a %b %d %H:%M:%S %Y")
    lines = [_HEADING.format(written=written)]
    for lease in leases:
        last_use = max(1, int(unix_now - max(0.0, now - lease.used())))
        other_prefix = f"\t{lease.prefix}" if lease.prefix not in {None, first_prefix} else ""
        lines.append(f"{IPv4Address(lease.address)}\t{IPv6Address(lease.host)}\t{last_use}{other_prefix}\n")
    return "".join(lines)


def restore(
    text: str,
    pools: Mapping[Pref64 | None, DynamicPool | None],
    now: float,
    unix_now: float,
    only: Container[Pref64 | None] | None = None,
) -> list[SkippedLine]:
    """Put the leases of the file's text back into `pools`, and return what could not be used.

    `pools` are those of the config's prefixes, the first one first. `only` names the prefixes whose lines are wanted, if
    not all; lines of others are passed over. A time of last use in the future counts as `now`.
    """
    skipped: list[SkippedLine] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        problem = _restore_line(words, pools, now, unix_now, only)
        if problem is not None:
            skipped.append(SkippedLine(number, problem))
    return skipped


def _restore_line(
    words: list[str],
    pools: Mapping[Pref64 | None, DynamicPool | None],
    now: float,
    unix_now: float,
    only: Container[Pref64 | None] | None,
) -> str | None:
    """Put one lease back, or return why not."""
    if not 3 <= len(words) <= 4:
        return f"{len(words)} words in place of IPv4 address, IPv6 address, and time"
    try:
        address = IPv4Address(words[0])
        host = IPv6Address(words[1])
        prefix = Pref64(IPv6Network(words[3])) if len(words) == 4 else next(iter(pools), None)
        last_use = _unix_time(words[2])
    except ValueError as error:
        return str(error)
    if not may_translate_ipv6(host.packed) or any(
        other is not None and host in other.network for other in pools
    ):
        return f"{host} is not the address of a host"
    pool = pools.get(prefix)
    if pool is None:
        return f"the prefix {prefix} {'has no pool' if prefix in pools else 'is not configured'}"
    if only is not None and prefix not in only:
        return None
    idle = max(0.0, unix_now - last_use)
    return pool.restore(host.packed, prefix, address.packed, now - idle)


def _unix_time(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 0 < len(word) <= 12 and int(word)):
        raise ValueError(f"'{word}' is not a time in Unix seconds")
    return int(word)
