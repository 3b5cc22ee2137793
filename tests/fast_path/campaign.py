"""Many packets of many gateways through both, and what came of it."""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

from tests.fast_path import claims
from tests.fast_path.differential import Comparison, Difference
from tests.fast_path.gateway import Gateway
from tests.fast_path.packets import Generator

if TYPE_CHECKING:
    from collections.abc import Callable

PACKETS_OF_A_GATEWAY: Final = 1500
_MOST_TOLD: Final = 10
_AT_ZERO: Final = 0.02
"""How often a translated packet comes again so that its checksum becomes a zero."""
_SLEEPS: Final = 0.1
"""How probable it is that one lease sleeps, where any may."""


@dataclass(slots=True)
class Findings:
    """What was seen: packets, gateways, what came of packets, what the program counted, and the differences."""

    packets: int = 0
    gateways: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    not_taken: int = 0
    """Packets that the kernel refuses for a test run."""


def run(
    packets: int,
    seed: int,
    object_file: bytes | None = None,
    told: Callable[[Findings], None] = lambda _: None,
) -> Findings:
    """Compare so many packets, the same for the same seed. `told` is called after each gateway."""
    findings = Findings()
    while findings.packets < packets and len(findings.differences) < _MOST_TOLD:
        random = Random(f"{seed} {findings.gateways}")  # noqa: S311 - packets, not secrets
        gateway = Gateway(random, object_file)
        try:
            _run_gateway(gateway, random, min(PACKETS_OF_A_GATEWAY, packets - findings.packets), findings)
        finally:
            gateway.close()
        findings.gateways += 1
        told(findings)
    return findings


def _run_gateway(gateway: Gateway, random: Random, packets: int, findings: Findings) -> None:
    generator, comparison = Generator(gateway, random), Comparison(gateway)
    for number in range(packets):
        case = generator.case()
        asleep = frozenset[bytes]()
        if number % 4 == 0:
            asleep = frozenset(lease.address for lease in gateway.leases if random.random() < _SLEEPS)
        findings.packets += 1
        try:
            translated = comparison.check(case, asleep)
            if translated is not None and random.random() < _AT_ZERO:
                comparison.check(case._replace(packet=claims.at_zero(case.packet, translated)), asleep)
        except Difference as difference:
            findings.differences.append(f"gateway {findings.gateways}, packet {number}: {difference}")
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            findings.not_taken += 1
    findings.seen += comparison.seen
    findings.outcomes += Counter(
        {outcome.name: count for outcome, count in gateway.program.maps.outcomes().items()}
    )
