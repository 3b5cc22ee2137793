# ruff: noqa: T201 - it prints a table
"""``python -m tests.failover``: what clients lose while a gateway of two is killed, stopped, restarted or upgraded; as root.

Two booted gateways, made one by the playbook; a client downloads and asks, and each event strikes the one that is master at
the time, so that they strike each in turn. Prints a Markdown table. `make failover` runs it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from lab.platforms import DEBIAN12
from lab.running import Lab, State
from lab.topology import namespace, topology_named
from tests.lab.namespaces import wait_until
from tests.lab.playbooks import play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE: Final = Path(__file__).parent
SERVER: Final = "203.0.113.80"
SERVER6: Final = "2001:db8:64:ff9b::cb00:7150"
NAME_SERVER: Final = "2001:db8:64:1::53"
NAME: Final = "ipv4only.example"
GATEWAYS: Final = ("gateway", "gateway2")
# The other end of each gateway's wires: what is cut when it loses its power.
FAR_ENDS: Final = {
    "gateway": (("client", "port1"), ("isp", "port1"), ("gateway2", "sync0")),
    "gateway2": (("client", "port2"), ("isp", "port2"), ("gateway", "sync0")),
}
BEFORE: Final = 1.5
AFTER: Final = 6.0
"""Seconds for which the client runs before and after an event."""


class Pair:
    """The two gateways of a lab that is up."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def inside(self, host: str, *command: str) -> list[str]:
        """Return the command line that runs `command` in a host's network namespace."""
        return ["ip", "netns", "exec", namespace(self.lab.name, host), *command]

    def on(self, host: str, command: str) -> None:
        """Run a shell's command on a host; what it says of failing is the event's own affair."""
        self.lab.container(host).run(["sh", "-c", command], capture_output=True, timeout=60)

    def masters(self) -> list[str]:
        """Return who has the shared addresses; a host that is not up has none."""
        found = []
        for host in GATEWAYS:
            shown = subprocess.run(
                self.inside(host, "ip", "-oneline", "address", "show", "to", NAME_SERVER),
                check=False,
                capture_output=True,
                text=True,
            )
            if shown.stdout:
                found.append(host)
        return found

    def master(self) -> str:
        """Wait until one is master and both are well; return which."""
        wait_until(self.settled, "one master, and two gateways that are well", timeout=90)
        return self.masters()[0]

    def settled(self) -> bool:
        """Tell whether one is master and both run all that they should."""
        wanted = "nat64d dns64d nat64-conntrackd nat64-keepalived"
        return len(self.masters()) == 1 and all(
            self.lab.container(host).init() is not None
            and self.lab.container(host)
            .run(["sh", "-c", f"systemctl -q is-active {wanted} && /etc/nat64/failover-health"])
            .returncode
            == 0
            for host in GATEWAYS
        )

    def cut(self, host: str, state: str) -> None:
        """Take a gateway's wires `down`, or `up` again, from their other ends."""
        for far, interface in FAR_ENDS[host]:
            subprocess.run(self.inside(far, "ip", "link", "set", interface, state), check=True)


def _command(text: str) -> Callable[[Pair, str], None]:
    return lambda pair, host: pair.on(host, text)


def _lose_power(pair: Pair, host: str) -> None:
    pair.cut(host, "down")


def _power_on(pair: Pair, host: str) -> None:
    pair.cut(host, "up")


def _reboot(pair: Pair, host: str) -> None:
    pair.lab.container(host).ask_to_reboot()


class Event(NamedTuple):
    """Something that befalls the master."""

    name: str
    strike: Callable[[Pair, str], None]
    mend: Callable[[Pair, str], None] = lambda _pair, _host: None
    """What brings the gateway back; the client runs meanwhile, too."""


EVENTS: Final = (
    Event("nothing", lambda _pair, _host: None),
    Event("nat64d: kill -9", _command("systemctl kill --signal=KILL nat64d")),
    Event("dns64d: kill -9", _command("systemctl kill --signal=KILL dns64d")),
    Event("dns64d stopped", _command("systemctl stop dns64d"), _command("systemctl start dns64d")),
    Event("keepalived: kill -9", _command("systemctl kill --signal=KILL nat64-keepalived")),
    Event("conntrackd: kill -9", _command("systemctl kill --signal=KILL nat64-conntrackd")),
    Event(
        "keepalived stopped",
        _command("systemctl stop nat64-keepalived"),
        _command("systemctl start nat64-keepalived"),
    ),
    Event("nat64d restarted", _command("systemctl restart nat64d")),
    Event("dns64d restarted", _command("systemctl restart dns64d")),
    Event("dns64d upgraded in place", _command("nat64ctl upgrade dns64d")),
    Event("host rebooted", _reboot),
    Event("host without its wires", _lose_power, _power_on),
)


@contextlib.contextmanager
def stream_server(pair: Pair) -> Iterator[None]:
    """Run the server of the download."""
    command = pair.inside("internet", sys.executable, "-u", str(HERE / "stream_server.py"), SERVER)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "listening\n"
            yield
        finally:
            server.kill()


def measure(pair: Pair, event: Event) -> str:
    """Have the event befall the master while a client runs; return a row of the table."""
    before = pair.master()
    command = pair.inside("client", sys.executable, "-u", str(HERE / "client.py"), SERVER6, NAME_SERVER, NAME)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        try:
            assert client.stdout is not None
            assert client.stdout.readline() == "running\n"
            time.sleep(BEFORE)
            event.strike(pair, before)
            time.sleep(AFTER)
            during = pair.masters()
            event.mend(pair, before)
            after = pair.master()
            time.sleep(BEFORE)
            printed, _ = client.communicate("end\n", timeout=60)
        finally:
            client.kill()
    found = json.loads(printed)
    # One that has lost its wires still thinks itself the master.
    moved = any(host != before for host in during) or after != before
    return (
        f"| {event.name} | {before} | {'yes' if moved else 'no'} | {found['lost']} of {found['asked']}"
        f" | {found['silent']:.2f} | {found['stalled']:.2f} | {'goes on' if found['intact'] else 'broken'} |"
    )


def prepare(lab: Lab) -> None:
    """Boot the lab, and make its gateways one."""
    lab.up()
    played = play(lab.name, "--inventory=molecule/failover/inventory/hosts.yml", "site.yml")
    if played.returncode:
        sys.exit(f"site.yml failed:\n{played.stdout[-4000:]}\n{played.stderr}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.failover", description=__doc__)
    parser.add_argument("--lab", default="failover", help="its name; one that is up is used as it is")
    parser.add_argument("--rounds", type=int, default=2, help="how often each event comes")
    parser.add_argument("--only", default="", help="only events with this in their names")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    lab = Lab(arguments.lab, DEBIAN12, topology_named("two-gateways"))
    found_up = lab.state() is State.UP
    try:
        if not found_up:
            prepare(lab)
        pair = Pair(lab)
        print(
            "| event | befalls | moved | queries lost | for seconds | download stalled, s | the connection |"
        )
        print("|---|---|---|---|---|---|---|")
        with stream_server(pair):
            for event in EVENTS:
                for _ in range(arguments.rounds if arguments.only in event.name else 0):
                    print(measure(pair, event), flush=True)
    finally:
        if not found_up:
            lab.down()


if __name__ == "__main__":
    main()
