"""The forwarders of a totd.conf: gathered in order of preference, and checked not to be dns64d itself."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nat64.config.dns64_config import Endpoint, Forwarder, IPAddress
from nat64.config.grammar import Findings, Place, Placed, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nat64.config.dns64_config import Interfaces, TlsEndpoint

WILDCARDS: Final[dict[int, IPAddress]] = {4: ipaddress.IPv4Address(0), 6: ipaddress.IPv6Address(0)}
_OWN_LOOPBACK: Final[dict[int, IPAddress]] = {
    4: ipaddress.IPv4Address("127.0.0.1"),
    6: ipaddress.IPv6Address("::1"),
}


@dataclass(slots=True)
class GatheredForwarders:
    """The forwarders that directives name, in order of preference. `directive` is what stands before each address."""

    findings: Findings
    directive: str = "forwarder"
    found: dict[Endpoint, Placed[Forwarder]] = field(default_factory=dict)

    def add(self, forwarder: Forwarder, place: Place) -> None:
        """Add a forwarder; one that is there already is warned of. Raises `Refused` when its options differ."""
        endpoint = forwarder.endpoint
        before = self.found.setdefault(endpoint, Placed(forwarder, place))
        if before.place is not place:
            if before.value != forwarder:
                raise Refused(
                    f"{self.directive} {endpoint} stands at line {before.place.line} with other options",
                    "remove one of the two",
                )
            self.findings.warn_of_repetition(place, f"{self.directive} {endpoint}")
        elif endpoint.address.version == 6 and endpoint.address.is_link_local:
            self.findings.warn(
                place,
                f"forwarder {endpoint.address} cannot be reached: "
                "a link-local address means nothing without its interface",
                "give another address of that name server",
            )

    def values(self) -> tuple[Forwarder, ...]:
        """Return the forwarders in order of preference."""
        return tuple(placed.value for placed in self.found.values())

    def warn_of_mixed_trust(self) -> None:
        """Warn where only some validate: whoever answers first may be one that does not."""
        kinds = {placed.value.validating: placed.place for placed in reversed(self.found.values())}
        if len(kinds) > 1:
            self.findings.warn(
                kinds[False],
                f"of the name servers of '{self.directive}' only some are 'validating': "
                "where those are late, one that does not validate answers",
                "write 'validating' for all of them, or for none",
            )

    def refuse_loops(
        self,
        port: int,
        listen: Sequence[Endpoint],
        interfaces: Interfaces | None,
        listen_tls: Sequence[TlsEndpoint],
    ) -> None:
        """Record a mistake for each that would be dns64d itself, as far as the config tells."""
        tls = tuple(served.endpoint for served in listen_tls)
        for endpoint, placed in self.found.items():
            reached = _reached(endpoint)
            if _is_itself(reached, port, listen, interfaces) or _is_among(reached, tls):
                self.findings.refuse(
                    placed.place,
                    f"forwarder {endpoint} is where dns64d itself listens",
                    f"give the name server's own port, e.g.: {self.directive} {reached.address} port 65053",
                )


def _reached(endpoint: Endpoint) -> Endpoint:
    """Return who gets what is sent there."""
    address = endpoint.address
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    # What is sent to 0.0.0.0 or :: goes to this host's loopback (ip(7)).
    if address == WILDCARDS[address.version]:
        address = _OWN_LOOPBACK[address.version]
    return Endpoint(address, endpoint.port)


def _is_itself(
    reached: Endpoint, port: int, listen: Sequence[Endpoint], interfaces: Interfaces | None
) -> bool:
    if listen:
        return _is_among(reached, listen)
    if interfaces is not None and not interfaces.every:
        return reached in {Endpoint(address, port) for address in _OWN_LOOPBACK.values()}
    return reached.address.is_loopback and reached.port == port


def _is_among(reached: Endpoint, listen: Sequence[Endpoint]) -> bool:
    """Return whether one who listens there gets what is sent to `reached`."""
    wildcard = Endpoint(WILDCARDS[reached.address.version], reached.port)
    return reached in listen or (wildcard in listen and reached.address.is_loopback)
