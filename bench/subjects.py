"""What is measured: ways from the client to the server, each behind an address of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.gateway import SERVER4, SERVER4_IN_HEX, SERVER6
from tests.lab import debian_tayga
from tests.lab.namespaces import wait_until

if TYPE_CHECKING:
    from collections.abc import Collection

    from bench.gateway import BenchNetwork

NAT64D: Final = Path(sys.executable).parent / "nat64d"

ROUTED: Final = "nat64d, routed pool"
UNUSUAL: Final = "nat64d in Python, offload no"
VARIANTS: Final[dict[str, tuple[str, ...]]] = {
    "nat64d": ("fast-path require",),
    ROUTED: ("fast-path require",),
    "nat64d in Python": ("fast-path off",),
    UNUSUAL: ("fast-path off", "offload no"),
}
"""Each way to run nat64d, by the name it has in the results, with the lines that it adds to the config.

The server knows the way to the pool of `ROUTED`, which is not masqueraded.
"""

LIMITS: Final = ("IPv6", "NAT44")
PEER: Final = "TAYGA"
NAMES: Final = (*LIMITS, PEER, *VARIANTS)
"""All ways from the client to the server."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One way: `address` is the server's as the client sees it by this way, `hosts` how many hosts the translator knows."""

    name: str
    address: str
    hosts: int = 1


def start(network: BenchNetwork, directory: Path, names: Collection[str]) -> list[Subject]:
    """Start the translators that are among `names`, with their files in `directory`, and return the subjects.

    `IPv6` is plain forwarding, `NAT44` IPv4 forwarding with conntrack and masquerade: the limit for a gateway that
    masquerades. Raises `TaygaUnavailableError`.
    """
    subjects = [
        subject for subject in (Subject("IPv6", SERVER6), Subject("NAT44", SERVER4)) if subject.name in names
    ]
    if PEER in names:
        subjects.append(_start_tayga(network, directory, 1))
    for number, (name, lines) in enumerate(VARIANTS.items(), start=2):
        if name not in names:
            continue
        if name == ROUTED:
            network.route_without_masquerade(_directives(number)["dynamic-pool"])
        subjects.append(start_nat64d(network, directory, number, name, lines))
    for subject in subjects:
        network.client.run("ping", "-c1", "-W5", subject.address)
    return subjects


def _directives(number: int, pool: str | None = None) -> dict[str, str]:
    """Return what both translators are told; `number` keeps the subjects apart, also where they are given a `pool`."""
    return {
        "tun-device": f"tun{number}",
        "ipv4-addr": f"192.168.{16 * number}.1",
        "ipv6-addr": f"2001:db8:3::{number}",
        "prefix": f"2001:db8:64:{number}::/96",
        "dynamic-pool": pool or f"192.168.{16 * number}.0/20",
    }


def _address(number: int) -> str:
    return f"2001:db8:64:{number}::{SERVER4_IN_HEX}"


def _start_tayga(network: BenchNetwork, directory: Path, number: int) -> Subject:
    directives = _directives(number)
    config = directory / "tayga.conf"
    config.write_text("".join(f"{keyword} {value}\n" for keyword, value in directives.items()))
    program = str(debian_tayga.program())
    network.gateway.run(program, "-c", str(config), "--mktun")
    debian_tayga.bring_up(
        network.gateway, directives["tun-device"], directives["prefix"], directives["dynamic-pool"]
    )
    with (directory / "tayga.log").open("w") as log:
        network.gateway.popen(
            *(program, "-c", str(config), "--nodetach"), stdout=subprocess.DEVNULL, stderr=log
        )
    return Subject(PEER, _address(number))


def start_nat64d(  # noqa: PLR0913 - where it runs, and how
    network: BenchNetwork,
    directory: Path,
    number: int,
    name: str,
    lines: tuple[str, ...],
    *,
    pool: str | None = None,
) -> Subject:
    """Start nat64d with these lines in its config, and its files in `directory`; `number` keeps it apart from others."""
    directives = _directives(number, pool)
    own = (
        "tun-up yes",
        f"tun-route {directives['prefix']}",
        f"tun-route {directives['dynamic-pool']}",
        "control-socket none",
    )
    config = directory / f"{directives['tun-device']}.conf"
    config.write_text(
        "\n".join((*(f"{keyword} {value}" for keyword, value in directives.items()), *own, *lines, ""))
    )
    log = directory / f"{directives['tun-device']}.log"
    with log.open("w") as stream:
        network.gateway.popen(
            *(str(NAT64D), "-c", str(config), "--nodetach"), stdout=subprocess.DEVNULL, stderr=stream
        )
    wait_until(
        lambda: "msg=translating" in log.read_text(), f"{name}, which says:\n{log.read_text()}", timeout=120
    )
    return Subject(name, _address(number))
