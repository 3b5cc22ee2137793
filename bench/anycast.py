"""What clients lose while one of two announced gateways is taken out of service: ``python -m bench.anycast`` (root).

For each event a download and a stream of queries run, the event happens to each gateway in turn, and what was lost
is added up in a Markdown table on standard output.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ansible.plugins.loader import init_plugin_loader

from tests.lab.anycast_network import DNS64, SERVER, SERVER6, AnycastNetwork, Gateway, anycast_network

if TYPE_CHECKING:
    from collections.abc import Callable

COLLECTIONS: Final = Path(sys.prefix) / "share" / "ansible" / "collections"
LOAD: Final = Path(__file__).parents[1] / "tests" / "lab" / "anycast_load.py"
SETTLED: Final = 2.0
"""Seconds of load before and after."""

# Sends without end, at some 8 Mbit/s, to whoever connects.
SOURCE: Final = """
import socket, sys, threading, time
def send(channel):
    try:
        while True:
            channel.sendall(bytes(10_000))
            time.sleep(0.01)
    except OSError:
        channel.close()
listener = socket.create_server((sys.argv[1], 8000))
print("listening", flush=True)
while True:
    threading.Thread(target=send, args=(listener.accept()[0],), daemon=True).start()
"""


def restart(daemon: str) -> Callable[[AnycastNetwork, Gateway], None]:
    """Return what a restart of the daemon is by the role's units: withdraw, wait, restart, announce."""

    def event(_network: AnycastNetwork, gateway: Gateway) -> None:
        gateway.stop("anycastd")
        gateway.stop(daemon)
        gateway.start(daemon)
        gateway.start("anycastd")

    return event


def stopped(network: AnycastNetwork, gateway: Gateway) -> None:
    """Stop a gateway for maintenance, and take it into service again."""
    for daemon in ("anycastd", "dns64d", "nat64d"):
        gateway.stop(daemon)
    network.wait_for(*(each for each in network.gateways if each is not gateway))
    for daemon in ("nat64d", "dns64d", "anycastd"):
        gateway.start(daemon)


def killed(daemon: str) -> Callable[[AnycastNetwork, Gateway], None]:
    """Return what it is when the daemon is killed, and comes back after some seconds."""

    def event(_network: AnycastNetwork, gateway: Gateway) -> None:
        gateway.signal(daemon, signal.SIGKILL)
        time.sleep(8)
        gateway.stop(daemon)
        gateway.start(daemon)

    return event


def dead(network: AnycastNetwork, gateway: Gateway) -> None:
    """Let the host fall silent, and live again."""
    gateway.go_silent()
    network.wait_for(*(each for each in network.gateways if each is not gateway))
    gateway.come_back()


EVENTS: Final[dict[str, Callable[[AnycastNetwork, Gateway], None]]] = {
    "stopped for maintenance": stopped,
    "nat64d restarted or upgraded": restart("nat64d"),
    "dns64d restarted": restart("dns64d"),
    "nat64d killed, 8 s dead": killed("nat64d"),
    "dns64d killed, 8 s dead": killed("dns64d"),
    "anycastd killed, 8 s dead": killed("anycastd"),
    "host falls silent": dead,
}


def measure(network: AnycastNetwork, event: Callable[[AnycastNetwork, Gateway], None]) -> dict[str, Any]:
    """Have it happen to each gateway in turn under load, and return what was lost, added up."""
    total: dict[str, Any] = {}
    for gateway in network.gateways:
        load = network.client.popen(sys.executable, str(LOAD), SERVER6, DNS64, stdin=subprocess.PIPE)
        time.sleep(SETTLED)
        event(network, gateway)
        network.wait_for(*network.gateways)
        time.sleep(SETTLED)
        told = json.loads(load.communicate("end\n", timeout=60)[0].splitlines()[-1])
        total = {name: total.get(name, 0) + value for name, value in told.items()}
    return total


def main() -> int:
    """Measure each event and print the table; the words on the command line choose some by their beginnings."""
    init_plugin_loader([str(COLLECTIONS)])
    print(
        "| what happened, to each of two gateways in turn | queries lost of | broken connections | stalled, s |"
    )
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory, anycast_network(Path(directory)) as network:
        source = network.server.popen("python3", "-c", SOURCE, SERVER)
        assert source.stdout is not None  # noqa: S101 - it is piped
        source.stdout.readline()
        network.start()
        for name, event in EVENTS.items():
            if sys.argv[1:] and not name.startswith(tuple(sys.argv[1:])):
                continue
            seen = measure(network, event)
            row = f"{seen['lost']} of {seen['asked']} | {seen['broken']} | {seen['stalled']:.1f}"
            print(f"| {name} | {row} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
