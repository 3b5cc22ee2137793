# noqa: INP001 - a script that the role sends, not a module
"""Look at a host before the DNS64 server is set up on it, and say what stands in the way.

The role feeds this file to the host's own Python (``python3 - JSON``). It changes nothing, and prints JSON:
``findings``, each of which names the variable and the remedy; empty when nothing stands in the way; and ``left_over``,
the topics of handlers that an earlier run did not come to.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

PREFIX_LENGTHS = (32, 40, 48, 56, 64, 96)
ANY = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
WILDCARDS = frozenset({*ANY, "*"})
UNIT = "dns64d.service"


@dataclass(frozen=True)
class Wanted:
    """What the role's variables ask for."""

    interfaces: list[str]
    allow_query: list[str]
    listen: list[dict[str, Any]]
    port: int
    prefixes: list[str]
    forwarders: list[dict[str, Any]]
    applied: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Socket:
    """Where something listens. A wildcard is 0.0.0.0, ::, or * for both; no device means all."""

    address: str
    port: int
    device: str = ""
    process: str = ""

    def keeps_out(self, other: Socket) -> bool:
        """Tell whether the kernel refuses to let `other` listen while this one does."""
        if self.port != other.port or (self.device and other.device and self.device != other.device):
            return False
        if "*" in (self.address, other.address):
            return True
        if (":" in self.address) != (":" in other.address):
            return False
        return self.address == other.address or bool(WILDCARDS & {self.address, other.address})


@dataclass(frozen=True)
class Host:
    """What the host has: its interfaces' names, and who else listens."""

    interfaces: list[str]
    listening: list[Socket]


def findings(wanted: Wanted, host: Host) -> list[str]:
    """Say everything that is wrong with what is wanted, by itself and on this host."""
    found: list[str] = []
    if not wanted.interfaces and not wanted.allow_query:
        found.append(
            "dns64_interfaces: no LAN is named, so that no client would be answered; name the LAN's interfaces"
            " here, or the clients' networks in dns64_allow_query"
        )
    found += [
        f"dns64_interfaces: there is no interface '{name}'; this host has {', '.join(host.interfaces)}"
        for name in wanted.interfaces
        if name not in host.interfaces and name not in {"*", "all"}
    ]
    for network in wanted.allow_query:
        found += _network_findings("dns64_allow_query", network)
    if not wanted.prefixes:
        found.append("dns64_prefixes: no prefix is given; give the translator's, such as 64:ff9b::/96")
    for prefix in wanted.prefixes:
        found += _prefix_findings(prefix)
    found += _forwarder_findings(wanted)
    for endpoint in wanted.listen:
        found += _address_findings("dns64_listen", endpoint)
    found += _number_findings("dns64_port", wanted.port)
    if not found:
        found += _port_findings(sockets(wanted), host.listening)
    return found


def _network_findings(variable: str, word: str) -> list[str]:
    try:
        ipaddress.ip_network(word)
    except ValueError as reason:
        return [f"{variable}: '{word}' is not a network ({reason}); write it as 2001:db8::/64"]
    return []


def _prefix_findings(word: str) -> list[str]:
    try:
        prefix = ipaddress.IPv6Network(word)
    except ValueError as reason:
        return [f"dns64_prefixes: '{word}' is not an IPv6 prefix ({reason}); write it as 64:ff9b::/96"]
    if prefix.prefixlen not in PREFIX_LENGTHS:
        lengths = ", ".join(f"/{length}" for length in PREFIX_LENGTHS)
        return [f"dns64_prefixes: {prefix} has a length that RFC 6052 does not know; give one of {lengths}"]
    return []


def _address_findings(variable: str, endpoint: dict[str, Any]) -> list[str]:
    try:
        ipaddress.ip_address(str(endpoint["address"]))
    except ValueError:
        return [
            f"{variable}: '{endpoint['address']}' is not an IP address; write it as 192.0.2.53 or 2001:db8::53"
        ]
    return _number_findings(variable, endpoint.get("port") or 53)


def _number_findings(variable: str, port: int | str) -> list[str]:
    if 1 <= int(port) <= 65535:
        return []
    return [f"{variable}: there is no port {port}; choose one from 1 to 65535"]


def _forwarder_findings(wanted: Wanted) -> list[str]:
    if not wanted.forwarders:
        return ["dns64_forwarders: there is no name server to ask; give one, or leave the variable unset"]
    found: list[str] = []
    own = sockets(wanted)
    for forwarder in wanted.forwarders:
        mistakes = _address_findings("dns64_forwarders", forwarder)
        if mistakes:
            found += mistakes
            continue
        address = ipaddress.ip_address(forwarder["address"])
        asked = Socket(str(address), int(forwarder.get("port") or 53), device="lo")
        if address.is_loopback and any(socket.keeps_out(asked) for socket in own):
            found.append(
                f"dns64_forwarders: {address} port {asked.port} is this server itself; name the server behind it"
            )
    return found


def sockets(wanted: Wanted) -> list[Socket]:
    """Return where dns64d will listen with the config that the role writes."""
    if wanted.listen:
        return [
            Socket(endpoint["address"], int(endpoint.get("port") or wanted.port))
            for endpoint in wanted.listen
        ]
    if not wanted.interfaces or {"*", "all"} & set(wanted.interfaces):
        return [Socket(wildcard, wanted.port) for wildcard in ANY]
    own = [Socket(wildcard, wanted.port, name) for name in wanted.interfaces for wildcard in ANY]
    return own + [Socket(local, wanted.port, "lo") for local in ("127.0.0.1", "::1")]


def _port_findings(own: list[Socket], listening: list[Socket]) -> list[str]:
    clashes = {
        (other.process, other.port): f"{other.address}%{other.device}" if other.device else other.address
        for other in listening
        if any(other.keeps_out(socket) for socket in own)
    }
    return [
        f"dns64_port: port {port} is taken by {process or 'a process'} on {where}; stop and disable it, move it to"
        " another port and name that in dns64_forwarders, or choose addresses that are free in dns64_listen"
        for (process, port), where in clashes.items()
    ]


def parse_listening(text: str, own_pid: str) -> list[Socket]:
    """Read what ``ss -H -tulnp`` shows, without what the process `own_pid` holds."""
    found: list[Socket] = []
    for line in text.splitlines():
        local = line.split()[4]
        owners = re.findall(r'\("([^"]*)",pid=(\d+)', line)
        if any(pid == own_pid for _, pid in owners):
            continue
        address, _, port = local.rpartition(":")
        address, _, device = address.strip("[]").partition("%")
        found.append(
            Socket(address.rstrip("]"), int(port), device.rstrip("]"), owners[0][0] if owners else "")
        )
    return found


def look() -> Host:
    """Ask the host for its interfaces, and for who listens."""
    return Host(
        interfaces=[link["ifname"] for link in json.loads(_output("ip", "-json", "link", "show"))],
        listening=parse_listening(
            _output("ss", "-H", "-tulnp"),
            _output("systemctl", "show", "--property=MainPID", "--value", UNIT).strip(),
        ),
    )


def _output(*command: str) -> str:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout  # noqa: S603 - fixed words


def left_over(applied: list[dict[str, Any]]) -> list[str]:
    """Name the handlers' topics whose files are newer than what their running unit has taken from them.

    A run that failed or was cut short wrote those files and did not come to its handlers.
    """
    boot = time.time() - time.monotonic()
    found: list[str] = []
    for entry in applied:
        moment = f"{entry['since']}TimestampMonotonic"
        shown = _output("systemctl", "show", "--property=ActiveState", f"--property={moment}", entry["unit"])
        state = dict(line.split("=", 1) for line in shown.splitlines())
        written = [os.lstat(file).st_mtime for file in entry["files"] if os.path.lexists(file)]
        if state.get("ActiveState") == "active" and max(written, default=0) > boot + int(state[moment]) / 1e6:
            found.append(entry["topic"])
    return found


def report(wanted: Wanted) -> dict[str, list[str]]:
    """Look at the host and say what stands in the way."""
    try:
        host = look()
    except FileNotFoundError as missing:
        return {
            "findings": [f"the command '{missing.filename}' is missing; install iproute2"],
            "left_over": [],
        }
    return {"findings": findings(wanted, host), "left_over": left_over(wanted.applied)}


if __name__ == "__main__":
    print(json.dumps(report(Wanted(**json.loads(sys.argv[1])))))  # noqa: T201 - the answer to the role
