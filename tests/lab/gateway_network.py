"""An IPv6-only client and an IPv4-only server, with a router beside each, and a gateway with nat64d between.

::

    client ── router6 ── gateway ── router4 ── server
       2001:db8:1::/64  2001:db8:2::/64  198.51.100.0/24  203.0.113.0/24
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.lab.namespaces import Namespace, link, namespaces, stop, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT: Final = "2001:db8:1::c"
ROUTER6: Final = "2001:db8:1::1"
GATEWAY6: Final = "2001:db8:2::2"
ROUTER4: Final = "198.51.100.1"
SERVER: Final = "203.0.113.80"
SERVER6: Final = "2001:db8:64:ff9b::cb00:7150"
OWN4: Final = "192.168.240.1"
OWN6: Final = "2001:db8:3::1"
COMMANDS: Final = Path(sys.executable).parent

CONFIG: Final = f"""\
tun-device nat64
ipv4-addr {OWN4}
ipv6-addr {OWN6}
prefix 2001:db8:64:ff9b::/96
dynamic-pool 192.168.240.0/20
tun-up yes
tun-ip 198.51.100.130
tun-route 192.168.240.0/20
tun-route 2001:db8:64:ff9b::/96
tun-route {OWN6}
"""


class GatewayNetwork:
    """The five namespaces, and the daemon's files in `directory`. `fast_path` is what the config says of it."""

    def __init__(self, spaces: tuple[Namespace, ...], directory: Path, fast_path: str = "off") -> None:
        self.client, self.router6, self.gateway, self.router4, self.server = spaces
        self.directory = directory
        self.config = directory / "nat64.conf"
        self.log = directory / "log"
        self.socket = directory / "control.sock"
        self.daemon: subprocess.Popen[str] | None = None
        self.fast_path = fast_path
        self.write_config()

    def write_config(self, *lines: str, base: str = CONFIG) -> None:
        own = (
            f"data-dir {self.directory}",
            f"control-socket {self.socket}",
            f"fast-path {self.fast_path}",
        )
        self.config.write_text(base + "\n".join((*own, *lines)) + "\n")

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run nat64d on the gateway and wait for its end."""
        return self.gateway.run(str(COMMANDS / "nat64d"), "-c", str(self.config), *arguments, check=check)

    def start(self, *arguments: str, **environment: str) -> None:
        """Start nat64d on the gateway and wait until it serves."""
        with self.log.open("w") as log:
            self.daemon = self.gateway.popen(
                str(COMMANDS / "nat64d"),
                *("-c", str(self.config), *(arguments or ("-n",))),
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=os.environ | environment,
            )
        self.wait_for_log("msg=translating")

    def wait_for_log(self, text: str) -> None:
        try:
            wait_until(lambda: text in self.log.read_text(), f"{text!r} in the log")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.log.read_text()}") from None

    def stop(self) -> int:
        assert self.daemon is not None
        return stop(self.daemon)

    def ask(self, command: str, *, check: bool = True) -> dict[str, Any]:
        """Ask the daemon by nat64ctl and return its answer."""
        completed = subprocess.run(
            [str(COMMANDS / "nat64ctl"), command, "nat64d", "--socket", str(self.socket), "--json"],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert completed.returncode == 0 or not check, completed.stderr
        answers: dict[str, dict[str, Any]] = json.loads(completed.stdout or "{}")
        return answers.get("nat64d", {"error": completed.stderr})

    def counter(self, name: str) -> int:
        count: int = self.ask("status")["counters"][name]
        return count

    def lease(self) -> str:
        """Return the client's address in the pool."""
        (row,) = [row for row in self.ask("hosts")["rows"] if row["host"] == CLIENT]
        address: str = row["address"]
        return address

    def ping(self, *arguments: str, of: str = SERVER6, check: bool = True) -> bool:
        completed = self.client.run("ping", "-c1", "-W5", *arguments, of, check=check)
        return completed.returncode == 0


@contextlib.contextmanager
def gateway_network(directory: Path, fast_path: str = "off") -> Iterator[GatewayNetwork]:
    """Make the network; nat64d does not run yet."""
    with namespaces("client", "router6", "gateway", "router4", "server") as spaces:
        client, router6, gateway, router4, server = spaces
        link(client, "lan0", router6, "lan0")
        link(router6, "up0", gateway, "lan0")
        link(gateway, "wan0", router4, "down0")
        link(router4, "wan0", server, "eth0")
        for namespace, device, address in (
            (client, "lan0", f"{CLIENT}/64"),
            (router6, "lan0", f"{ROUTER6}/64"),
            (router6, "up0", "2001:db8:2::1/64"),
            (gateway, "lan0", f"{GATEWAY6}/64"),
            (gateway, "wan0", "198.51.100.2/24"),
            (router4, "down0", f"{ROUTER4}/24"),
            (router4, "wan0", "203.0.113.1/24"),
            (server, "eth0", f"{SERVER}/24"),
        ):
            namespace.run("ip", "address", "add", address, "dev", device)
        for namespace in (router6, gateway, router4):
            namespace.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        client.run("ip", "route", "add", "default", "via", ROUTER6)
        router6.run("ip", "route", "add", "default", "via", GATEWAY6)
        gateway.run("ip", "route", "add", "2001:db8:1::/64", "via", "2001:db8:2::1")
        gateway.run("ip", "route", "add", "default", "via", ROUTER4)
        router4.run("ip", "route", "add", "192.168.240.0/20", "via", "198.51.100.2")
        server.run("ip", "route", "add", "default", "via", "203.0.113.1")
        yield GatewayNetwork(spaces, directory, fast_path)
