"""The rounds of anycastd: each probes every service, and marks for FRR those that are up."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nat64.anycast.asking import answered
from nat64.anycast.probes import Echo, Query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv6Address, IPv6Network

    from nat64.anycast.marks import Marks
    from nat64.anycast.verdict import Verdict

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Service:
    """What is announced as one, and what is known of it."""

    network: IPv6Network
    verdict: Verdict
    pinged: tuple[IPv6Address, ...] = ()
    """For a prefix: the targets in it."""


@dataclass(slots=True)
class Rounds:
    """The rounds of probes: `timeout` is how many seconds one waits for answers, `hold` how many a mark lives.

    DNS64 is asked for `name`, and must answer with an address in one of `synthesized`, where that is not empty.
    """

    marks: Marks
    services: Sequence[Service]
    name: str
    synthesized: tuple[IPv6Network, ...]
    timeout: float
    hold: int
    number: int = field(default=0)

    def go(self) -> None:
        """Probe every service, and mark those that are up. Raises `OSError` and `ProcessError`."""
        self.number = (self.number + 1) & 0xFFFF
        for service in self.services:
            if not service.pinged:
                self.marks.take_packets_for(service.network)
        probes = {service.network: self._probes(service) for service in self.services}
        good = answered([probe for each in probes.values() for probe in each], self.timeout)
        for service in self.services:
            if service.verdict.see(good=any(probe in good for probe in probes[service.network])):
                state = "announced" if service.verdict.up else "withdrawn"
                log.info(state, extra={"network": service.network})
                if not service.verdict.up:
                    self.marks.withdraw(service.network)
            if service.verdict.up:
                self.marks.renew(service.network, self.hold)

    def withdraw(self) -> None:
        """Withdraw all that is announced, or was left so by an earlier run. Raises `ProcessError`."""
        for service in self.services:
            self.marks.withdraw(service.network)

    def _probes(self, service: Service) -> list[Echo | Query]:
        if service.pinged:
            return [Echo(target, os.getpid() & 0xFFFF, self.number) for target in service.pinged]
        return [Query(service.network.network_address, self.name, self.number, self.synthesized)]
