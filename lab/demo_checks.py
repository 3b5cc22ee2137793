"""What the demo shows from the client: commands with their real output, and how each is judged."""

import hashlib
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.init_systems import InitSystem

PREFIX = ipaddress.IPv6Network("2001:db8:64:ff9b::/96")
"""NAT64 prefix of the lab's gateway, from inventory/lab."""
SERVER = ipaddress.IPv4Address("203.0.113.80")
"""The web server behind ipv4only.example, from lab/hosts/internet."""
SYNTHESIZED = ipaddress.IPv6Address(int(PREFIX.network_address) + int(SERVER))
"""What the client must learn for that server: RFC 6052 section 2.2, prefix length 96."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing shown.

    `judge` reads what the command printed and returns what is wrong with it, None if nothing is. A command
    that fails is a failed check whatever it printed.
    """

    title: str
    command: str
    judge: Callable[[str], str | None]
    host: str = "client"


def checks(download: Path) -> list[Check]:
    """List what is shown of a working gateway; `download` is the server's copy of the file it offers."""
    digest = hashlib.sha256(download.read_bytes()).hexdigest()
    dig = "dig +noall +comments +answer +tries=1 +time=10"
    return [
        Check("The client has no IPv4 address but loopback", "ip -4 -brief address", only_loopback),
        Check("An IPv4-only name has an IPv6 address", f"{dig} AAAA ipv4only.example", synthesized),
        Check(
            "The page behind it",
            "curl --silent --show-error --fail --max-time 20 http://ipv4only.example/",
            page,
        ),
        Check(
            "20 MB arrive unharmed",
            "curl --silent --show-error --fail --max-time 60 --output /tmp/20M.bin"
            " --write-out '%{size_download} bytes from %{remote_ip}, %{speed_download} bytes/s\\n'"
            " http://ipv4only.example/20M.bin && sha256sum /tmp/20M.bin",
            lambda output: None if digest in output else f"the server's copy has SHA-256 {digest}",
        ),
        Check("Ping", "ping -c 3 -i 0.2 ipv4only.example", all_pings_answered),
        Check("The way there", "traceroute -6 -q 1 -w 3 -m 8 ipv4only.example", destination_reached),
    ]


def forwarder_checks(init_system: InitSystem) -> list[Check]:
    """List what is shown of the gateway's DNS64 when its first forwarder dies and comes back."""
    dig = "dig +noall +comments +answer +tries=1 +time=10"
    stop, start, status = (init_system.service_command(verb, "named") for verb in ("stop", "start", "status"))
    return [
        Check(
            "The first forwarder (BIND on the gateway) is dead",
            f"{stop} && ! {status}",
            lambda output: None if init_system.stopped in output else "it still runs",
            host="gateway",
        ),
        Check("The next query is answered all the same", f"{dig} AAAA alias.example", synthesized),
        Check("The forwarder is back", f"{start} && {status}", lambda _: None, host="gateway"),
        Check("And so are its answers", f"{dig} AAAA ipv4only.example", synthesized),
    ]


def only_loopback(output: str) -> str | None:
    """Judge `ip -4 -brief address`."""
    others = [line.split()[0] for line in output.splitlines() if line.strip() and line.split()[0] != "lo"]
    return f"IPv4 addresses on {', '.join(others)}" if others else None


def synthesized(output: str) -> str | None:
    """Judge an answer section with AAAA records of dig."""
    if "status: NOERROR" not in output:
        return "the status is not NOERROR"
    addresses = [
        ipaddress.IPv6Address(found) for found in re.findall(r"\sAAAA\s+(\S+)$", output, re.MULTILINE)
    ]
    return None if addresses == [SYNTHESIZED] else f"expected the one address {SYNTHESIZED}"


def page(output: str) -> str | None:
    """Judge the page that the IPv4-only web server serves."""
    return (
        None if "This page lives on a host that has only IPv4." in output else "not the page of that server"
    )


def all_pings_answered(output: str) -> str | None:
    """Judge `ping -c 3`."""
    return None if "3 packets transmitted, 3 received" in output else "not every ping was answered"


def destination_reached(output: str) -> str | None:
    """Judge a traceroute to the server: its last line must name the server itself, with a time."""
    last = output.rstrip().rsplit("\n", 1)[-1]
    reached = f"({SYNTHESIZED})" in last and re.search(r"\d ms", last) and "!" not in last
    return None if reached else f"the last hop is not {SYNTHESIZED}"
