"""Several gateways behind one router, which shares out over those that are announced (ECMP).

::

    client ── router ─┬─ gateway1 ─┬─ isp ── server
                      └─ gateway2 ─┘

The router speaks BGP and BFD. On each gateway run nat64d, dns64d, anycastd and FRR, with the config of role anycast; each
has a pool of its own.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab.frr import Frr
from tests.lab.namespaces import Namespace, link, namespaces, stop, wait_until
from tests.unit.roles.rendering import render

if TYPE_CHECKING:
    import signal
    import subprocess
    from collections.abc import Iterator

PREFIX: Final = "2001:db8:64:ff9b::/96"
SERVER: Final = "203.0.113.80"
SERVER6: Final = "2001:db8:64:ff9b::cb00:7150"
DNS64: Final = "2001:db8:53::53"
CLIENT: Final = "2001:db8:1::c"
GATEWAYS: Final = ("gateway1", "gateway2")
COMMANDS: Final = Path(sys.executable).parent
DAEMONS: Final = ("nat64d", "dns64d", "anycastd")

_ROUTER: Final = """\
bfd
 profile lab
  receive-interval 300
  transmit-interval 300
 exit
exit
router bgp 64500
 bgp router-id 192.0.2.254
 bgp bestpath as-path multipath-relax
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 timers bgp 3 9
{neighbors} address-family ipv6 unicast
{activated}  maximum-paths 8
 exit-address-family
exit
"""


@dataclass(slots=True)
class Gateway:
    """One of the gateways: its namespace, its files, and what runs there."""

    number: int
    space: Namespace
    directory: Path
    frr: Frr
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @property
    def router_id(self) -> str:
        """Return what names it in BGP."""
        return f"192.0.2.{self.number}"

    def start(self, daemon: str) -> None:
        """Start one of `DAEMONS`, and wait until it serves."""
        log = self.directory / f"{daemon}.log"
        words, says = self._command(daemon)
        with log.open("w") as output:
            # ip netns exec has its own mounts: /run is this daemon's alone.
            self.running[daemon] = self.space.popen(
                *("sh", "-c", 'mount -t tmpfs none /run && exec "$0" "$@"'),
                *(str(COMMANDS / daemon), *words),
                stdout=output,
                stderr=output,
            )
        if says:
            wait_until(lambda: says in log.read_text(), f"{daemon}: {says}")

    def stop(self, daemon: str) -> None:
        """Ask one of them to end, and wait for that."""
        stop(self.running.pop(daemon))

    def signal(self, daemon: str, number: signal.Signals) -> None:
        """Send one of them a signal."""
        self.running[daemon].send_signal(number)

    def go_silent(self) -> None:
        """Let nothing come in or go out any more, as when the host dies; links stay up."""
        self.space.run(
            "nft",
            "add table inet dead; "
            + "; ".join(
                f"add chain inet dead {hook} {{ type filter hook {hook} priority -500; policy drop; }}"
                for hook in ("input", "output", "forward")
            ),
        )

    def come_back(self) -> None:
        """Let the host live again."""
        self.space.run("nft", "delete table inet dead")

    def _command(self, daemon: str) -> tuple[list[str], str]:
        if daemon == "nat64d":
            return ["-n", "-c", str(self.directory / "nat64.conf")], "msg=translating"
        if daemon == "dns64d":
            return ["-n", "-c", str(self.directory / "dns64.conf")], "msg=serving"
        watched = ["--prefix", PREFIX, "--ping", SERVER, "--synthesized", PREFIX, "--address", DNS64]
        return [*watched, "--drain", "1"], ""


@dataclass(slots=True)
class AnycastNetwork:
    """The whole of it; nothing runs on the gateways yet."""

    client: Namespace
    router: Frr
    server: Namespace
    gateways: list[Gateway]

    def start(self) -> None:
        """Start everything, and wait until the router uses all gateways."""
        self.router.start()
        for gateway in self.gateways:
            gateway.frr.start()
            for daemon in DAEMONS:
                gateway.start(daemon)
        self.wait_for(*self.gateways)

    def wait_for(self, *gateways: Gateway, timeout: float = 40) -> None:
        """Wait until the router uses these for the prefix and for DNS64, and no others."""
        for announced in (PREFIX, f"{DNS64}/128"):
            self.router.wait_for(announced, {each.router_id for each in gateways}, timeout)


def role_config(number: int) -> str:
    """Render FRR's config as the role does for a gateway of this number."""
    return render(
        "anycast/frr.conf.j2",
        anycast_local_as=64512,
        anycast_router_id=f"192.0.2.{number}",
        anycast_peers=[{"address": f"2001:db8:a{number}::1", "asn": 64500}],
        anycast_prefixes=[PREFIX],
        anycast_dns64_addresses=[DNS64],
    )


@contextlib.contextmanager
def anycast_network(directory: Path, release: str = "bookworm") -> Iterator[AnycastNetwork]:
    """Make the network, with FRR of a Debian release."""
    with namespaces("client", "router", "isp", "server", *GATEWAYS) as spaces:
        client, router, isp, server, *gateways = spaces
        for namespace in (router, isp, *gateways):
            namespace.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        link(client, "lan0", router, "lan0")
        link(isp, "wan0", server, "eth0")
        _address(client, "lan0", f"{CLIENT}/64", "2001:db8:1::1")
        _address(router, "lan0", "2001:db8:1::1/64")
        _address(isp, "wan0", "203.0.113.1/24")
        _address(server, "eth0", f"{SERVER}/24", "203.0.113.1")
        # Ports count, so that the lab's only client uses both gateways.
        router.sysctl(net__ipv6__fib_multipath_hash_policy=1)
        made = [
            _gateway(number, space, router, isp, directory, release)
            for number, space in enumerate(gateways, start=1)
        ]
        neighbors = "".join(
            f" neighbor 2001:db8:a{each.number}::2 remote-as 64512\n"
            f" neighbor 2001:db8:a{each.number}::2 timers connect 2\n"
            f" neighbor 2001:db8:a{each.number}::2 bfd profile lab\n"
            for each in made
        )
        activated = "".join(f"  neighbor 2001:db8:a{each.number}::2 activate\n" for each in made)
        config = _ROUTER.format(neighbors=neighbors, activated=activated)
        network = AnycastNetwork(client, Frr(router, directory / "router", config, release), server, made)
        try:
            yield network
        finally:
            network.router.stop()
            for gateway in made:
                gateway.frr.stop()


def _gateway(  # noqa: PLR0917 - its neighbours
    number: int, space: Namespace, router: Namespace, isp: Namespace, directory: Path, release: str
) -> Gateway:
    own = directory / space.name.rpartition("-")[2]
    own.mkdir()
    link(router, f"gw{number}", space, "lan0")
    link(isp, f"gw{number}", space, "wan0")
    _address(router, f"gw{number}", f"2001:db8:a{number}::1/64")
    _address(space, "lan0", f"2001:db8:a{number}::2/64", f"2001:db8:a{number}::1")
    _address(isp, f"gw{number}", f"198.51.100.{4 * number + 1}/30")
    _address(space, "wan0", f"198.51.100.{4 * number + 2}/30", f"198.51.100.{4 * number + 1}")
    pool = f"192.168.{240 + number}.0/24"
    isp.run("ip", "route", "add", pool, "via", f"198.51.100.{4 * number + 2}")
    (own / "nat64.conf").write_text(
        f"tun-device nat64\nipv4-addr 192.168.{240 + number}.1\nipv6-addr 2001:db8:3::{number}\nprefix {PREFIX}\n"
        f"dynamic-pool {pool}\ntun-up yes\ntun-route {pool}\ntun-route {PREFIX}\ntun-route 2001:db8:3::{number}\n"
        f"data-dir {own}\ncontrol-socket {own}/nat64d.sock\nfast-path off\n"
    )
    (own / "dns64.conf").write_text(
        f"listen {DNS64}\nallow-query {CLIENT}/128\nprefix {PREFIX}\nforwarder {SERVER}\nworkers 1\n"
        f"control-socket {own}/dns64d.sock\n"
    )
    space.run(str(COMMANDS / "nat64d"), "--mktun", "-c", str(own / "nat64.conf"))
    return Gateway(number, space, own, Frr(space, own / "frr", role_config(number), release))


def _address(space: Namespace, device: str, address: str, default: str = "") -> None:
    space.run("ip", "address", "add", address, "dev", device)
    if default:
        space.run("ip", "route", "add", "default", "via", default)
