"""What the CLAT shall do: RFC 6877, draft-ietf-v6ops-claton. No I/O; times in seconds, `now` never goes back.

It runs where the host has an IPv6 default route and no IPv4 one, and the network has a NAT64 prefix. It takes an address
of its own from the uplink's /64, which no other host may have, so that what is sent to that belongs to the translator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from nat64.clat.identifiers import stable_address
from nat64.discovery.known_prefixes import KnownPrefixes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv6Address, IPv6Network

    from nat64.addressing.prefix import Pref64
    from nat64.clat.network import HostNetwork, Uplink
    from nat64.discovery.advertisement import RouterAdvertisement
    from nat64.discovery.known_prefixes import KnownPrefix

SOLICITATIONS: Final = 3
"""How often routers are asked, RFC 4861 section 10 (MAX_RTR_SOLICITATIONS)."""
SOLICITS_EVERY: Final = 4.0
"""RTR_SOLICITATION_INTERVAL."""
RESOLVES_AFTER: Final = 4.0
"""How long a PREF64 is waited for before name servers are asked: a router that has just advertised answers a solicitation after 3.5
seconds at most (RFC 4861 section 6.2.6), and what a name server says meanwhile may be another prefix."""
RESOLVES_AGAIN_AFTER: Final = 10.0
"""When they are asked again that had no answer; twice as long each time."""
RESOLVES_AT_LEAST_EVERY: Final = 300.0
SHORTEST_TTL: Final = 60.0
"""An answer is believed at least for so long."""
LONGEST_TTL: Final = 86400.0
REFRESHES_BEFORE: Final = 10.0
"""Before an answer ends it is asked for again, RFC 7050 section 3."""
MOST_CONFLICTS: Final = 3
"""How many addresses are tried at once, RFC 7217 section 6 (IDGEN_RETRIES)."""
TRIES_AGAIN_AFTER: Final = 60.0
"""When all of them were other hosts'."""


@dataclass(frozen=True, slots=True)
class Solicit:
    """Ask the routers on the uplink to advertise."""


@dataclass(frozen=True, slots=True)
class Resolve:
    """Ask the name servers for ipv4only.arpa, and tell `Clat.resolved`."""


@dataclass(frozen=True, slots=True)
class DetectDuplicate:
    """Find out whether another host has the address (RFC 4862 section 5.4), and tell `Clat.checked`."""

    index: int
    address: IPv6Address


Action: TypeAlias = Solicit | Resolve | DetectDuplicate


@dataclass(frozen=True, slots=True)
class Wanted:
    """The CLAT as it shall run."""

    uplink: str
    index: int
    mtu: int
    """Of IPv6 on the uplink, in octets."""
    address: IPv6Address
    """What stands for the host's IPv4 address."""
    source: IPv6Address
    """An address of the host's own, from which the translator's errors come."""
    prefix: Pref64


@dataclass(slots=True)
class _Candidate:
    """An address that may become the CLAT's; `is_unique` is None until that is known."""

    network: IPv6Network
    address: IPv6Address
    is_unique: bool | None = None
    is_asked: bool = False


class Clat:
    """Takes what happens, and tells what to do. `secret` makes its addresses; a `prefix` that is given is not looked for."""

    def __init__(self, secret: bytes, prefix: Pref64 | None = None) -> None:
        self._secret = secret
        self._looks_for_prefix = prefix is None
        self._prefixes = KnownPrefixes(prefix)
        self._network: HostNetwork | None = None
        self._candidate: _Candidate | None = None
        self._conflicts = 0
        self._tries_again_at: float | None = None
        self._solicits_left = 0
        self._solicits_at = 0.0
        self._resolves_at = 0.0
        self._is_resolving = False
        self._failures = 0

    # What happens

    def observe(self, network: HostNetwork, now: float) -> None:
        """Take what the host's network is now."""
        before, self._network = self._network, network
        uplink = network.uplink
        old = before.uplink if before is not None else None
        if uplink is None:
            if old is not None:
                self._leave_network()
            return
        if old is None or (uplink.device, uplink.index) != (old.device, old.index):
            self._leave_network()
            self._begin_discovery(now)
        elif uplink.subnets() != old.subnets():
            self._conflicts, self._tries_again_at = 0, None
            self._begin_discovery(
                now
            )  # RFC 7050 section 3: a network that was renumbered may have another prefix
        if self._candidate is not None and self._candidate.network not in uplink.subnets():
            self._candidate = None

    def advertised(self, advertisement: RouterAdvertisement, now: float) -> None:
        """Take what a router on the uplink says."""
        self._prefixes.advertise(advertisement, now)
        if advertisement.prefixes:
            self._solicits_left = 0

    def resolved(self, prefixes: Sequence[Pref64], lifetime: float, now: float) -> None:
        """Take the answer to `Resolve`; no prefixes where there was none. A failure lets an earlier answer live on."""
        self._is_resolving = False
        if prefixes:
            believed = min(max(lifetime, SHORTEST_TTL), LONGEST_TTL)
            self._prefixes.resolve(prefixes, believed, now)
            self._failures = 0
            self._resolves_at = now + believed - REFRESHES_BEFORE
        else:
            self._resolves_at = now + min(RESOLVES_AGAIN_AFTER * 2**self._failures, RESOLVES_AT_LEAST_EVERY)
            self._failures = min(self._failures + 1, 10)

    def checked(self, address: IPv6Address, now: float, *, is_unique: bool) -> None:
        """Take the outcome of `DetectDuplicate`."""
        candidate = self._candidate
        if candidate is None or candidate.address != address:
            return
        candidate.is_unique = is_unique
        if not is_unique:
            self._conflicts += 1
            self._candidate = None
            if self._conflicts % MOST_CONFLICTS == 0:
                self._tries_again_at = now + TRIES_AGAIN_AFTER

    # What to do

    def act(self, now: float) -> list[Action]:
        """Return what is to be done now; each is returned once."""
        if self._network is None or (uplink := self._network.uplink) is None or self._stands_aside():
            return []
        actions: list[Action] = []
        known = self._prefixes.choose(now)
        if self._looks_for_prefix:
            actions += self._discover(known, now)
        if known is not None:
            actions += self._take_address(uplink, now)
        return actions

    def wanted(self, now: float) -> Wanted | None:
        """Return how the CLAT shall run; None where it shall not."""
        if self._network is None or (uplink := self._network.uplink) is None or self._stands_aside():
            return None
        known, candidate, sources = self._prefixes.choose(now), self._candidate, uplink.sources()
        if known is None or candidate is None or not candidate.is_unique or not sources:
            return None
        return Wanted(
            uplink=uplink.device,
            index=uplink.index,
            mtu=uplink.mtu,
            address=candidate.address,
            source=min(sources),
            prefix=known.prefix,
        )

    def reason(self, now: float) -> str:
        """Return in a line why it runs, or why not and what would change that."""
        if self._network is None or (uplink := self._network.uplink) is None:
            return "no IPv6 default route; it waits for one"
        return _why_aside(self._network) or self._how_far(uplink, now)

    def _how_far(self, uplink: Uplink, now: float) -> str:
        known = self._prefixes.choose(now)
        if known is None and not self._failures:
            return "looking for a NAT64 prefix"
        if known is None:
            return (
                f"no NAT64 prefix: neither PREF64 from a router on {uplink.device} nor an answer for ipv4only.arpa; "
                "it goes on looking, or give one with --prefix"
            )
        if not uplink.subnets():
            return f"no address in a /64 on {uplink.device}, as SLAAC would give; it waits for one"
        if self._candidate is None:
            return f"{self._conflicts} addresses were other hosts'; it tries others in a minute"
        if not self._candidate.is_unique:
            return f"asking whether another host has {self._candidate.address}"
        return f"{known.prefix} by {known.origin.value}"

    def next_timer(self, now: float) -> float | None:
        """Return when `act` and `wanted` are to be asked again if nothing happens before."""
        if self._network is None or self._network.uplink is None or self._stands_aside():
            return None
        times = [self._prefixes.next_change(now), self._tries_again_at]
        if self._looks_for_prefix:
            if self._solicits_left:
                times.append(self._solicits_at)
            if not self._is_resolving and not self._is_advertised(now):
                times.append(self._resolves_at)
        return min((max(time, now) for time in times if time is not None), default=None)

    def _stands_aside(self) -> bool:
        return self._network is not None and bool(_why_aside(self._network))

    def _is_advertised(self, now: float) -> bool:
        known = self._prefixes.choose(now)
        return known is not None and known.origin.is_advertised

    def _leave_network(self) -> None:
        self._prefixes.forget()
        self._candidate = None
        self._conflicts, self._tries_again_at = 0, None

    def _begin_discovery(self, now: float) -> None:
        self._solicits_left, self._solicits_at = SOLICITATIONS, now
        self._resolves_at, self._failures = now + RESOLVES_AFTER, 0

    def _discover(self, known: KnownPrefix | None, now: float) -> list[Action]:
        actions: list[Action] = []
        if self._solicits_left and self._solicits_at <= now:
            self._solicits_left -= 1
            self._solicits_at = now + SOLICITS_EVERY
            actions.append(Solicit())
        is_advertised = known is not None and known.origin.is_advertised
        if not is_advertised and not self._is_resolving and self._resolves_at <= now:
            self._is_resolving = True
            actions.append(Resolve())
        return actions

    def _take_address(self, uplink: Uplink, now: float) -> list[Action]:
        if self._tries_again_at is not None:
            if now < self._tries_again_at:
                return []
            self._tries_again_at = None
        if self._candidate is None:
            subnet = next(iter(uplink.subnets()), None)
            if subnet is None:
                return []
            address = stable_address(self._secret, subnet, uplink.device, self._conflicts)
            self._candidate = _Candidate(subnet, address)
        if self._candidate.is_asked:
            return []
        self._candidate.is_asked = True
        return [DetectDuplicate(uplink.index, self._candidate.address)]


def _why_aside(network: HostNetwork) -> str:
    """Return why the host has no need of this CLAT; empty where it has."""
    if network.other_clat:
        return f"another CLAT has its address on {network.other_clat}; turn that one off to use this one"
    if network.native_ipv4:
        return f"IPv4 by way of {network.native_ipv4}; no CLAT is needed"
    return ""
