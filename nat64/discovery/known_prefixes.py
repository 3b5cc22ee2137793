"""The NAT64 prefixes that are known just now, and the one to use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from ipaddress import IPv6Address

    from nat64.addressing.prefix import Pref64
    from nat64.discovery.advertisement import RouterAdvertisement


MOST_ADVERTISED: Final = 16
"""How many prefixes of all routers are kept: anyone on the link can tell some."""


class Origin(Enum):
    """Who says so, the best first."""

    CONFIGURED = "configured"
    ADVERTISED = "PREF64"
    """A router advertisement, RFC 8781."""
    RESOLVED = "ipv4only.arpa"
    """The name server, RFC 7050."""

    @property
    def is_advertised(self) -> bool:
        """Whether a router says so, and no name server needs to be asked."""
        return self is Origin.ADVERTISED


class KnownPrefix(NamedTuple):
    """A prefix, and how it is known."""

    prefix: Pref64
    origin: Origin


@dataclass(slots=True)
class _Advertised:
    """What a router said of a prefix. Times in seconds."""

    router: IPv6Address
    since: float
    seen: float
    until: float


class KnownPrefixes:
    """Prefixes with their lifetimes. `now` never goes back.

    What routers advertise goes before what name servers answer (RFC 8781 section 5.1), and what an administrator gave, before
    both. The prefix that was chosen stays the choice as long as it is valid, so that connections live on. Only where its
    router has begun to advertise another one, and left it out since, that one takes its place.
    """

    def __init__(self, configured: Pref64 | None = None) -> None:
        self._configured = configured
        self._advertised: dict[tuple[IPv6Address, Pref64], _Advertised] = {}
        self._resolved: tuple[Pref64, ...] = ()
        self._resolved_until = 0.0
        self._chosen: KnownPrefix | None = None

    def advertise(self, advertisement: RouterAdvertisement, now: float) -> None:
        """Take what a router says. New prefixes beyond `MOST_ADVERTISED` are not heeded."""
        self._advertised = {key: entry for key, entry in self._advertised.items() if entry.until > now}
        for prefix, lifetime in advertisement.prefixes:
            key = advertisement.router, prefix
            if not lifetime:
                self._advertised.pop(key, None)
            elif (known := self._advertised.get(key)) is not None:
                known.seen, known.until = now, now + lifetime
            elif len(self._advertised) < MOST_ADVERTISED:
                self._advertised[key] = _Advertised(advertisement.router, now, now, now + lifetime)

    def resolve(self, prefixes: Sequence[Pref64], lifetime: float, now: float) -> None:
        """Take what a name server answers, which replaces its earlier answer; `lifetime` is the records' TTL."""
        self._resolved, self._resolved_until = tuple(prefixes), now + lifetime

    def forget(self) -> None:
        """Forget what the network has said, as it is another one now."""
        self._advertised.clear()
        self._resolved = ()
        self._chosen = None

    def choose(self, now: float) -> KnownPrefix | None:
        """Return the prefix to use."""
        candidates = self._candidates(now)
        if self._chosen not in candidates:
            self._chosen = next(iter(candidates), None)
        return self._chosen

    def next_change(self, now: float) -> float | None:
        """Return when the next of them ends, if nothing is heard until then."""
        ends = [entry.until for entry in self._advertised.values()]
        if self._resolved:
            ends.append(self._resolved_until)
        return min((end for end in ends if end > now), default=None)

    def _candidates(self, now: float) -> list[KnownPrefix]:
        """Return those of the best origin that has any."""
        if self._configured is not None:
            return [KnownPrefix(self._configured, Origin.CONFIGURED)]
        self._advertised = {key: entry for key, entry in self._advertised.items() if entry.until > now}
        entries = list(self._advertised.values())
        advertised = [
            KnownPrefix(prefix, Origin.ADVERTISED)
            for (_, prefix), entry in self._advertised.items()
            if not _is_superseded(entry, entries)
        ]
        if advertised:
            return advertised
        if self._resolved_until <= now:
            self._resolved = ()
        return [KnownPrefix(prefix, Origin.RESOLVED) for prefix in self._resolved]


def _is_superseded(entry: _Advertised, others: Iterable[_Advertised]) -> bool:
    """Whether its router has begun with another one later, and not told of this one since."""
    return any(
        other.router == entry.router and other.since > entry.since and other.seen > entry.seen
        for other in others
    )
