"""The network that is measured, and the authority behind every subject.

::

    client ─────────── resolver ─────────── authority
      2001:db8:1::/64     │    2001:db8:2::/64
      192.0.2.0/24        └ all subjects, each on a port of its own

The authority is Debian's NSD with one wildcard, so that it knows a million names at once and new ones without end.
"""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.dns64 import queries
from bench.dns64.processes import Processes
from tests.lab.distribution_daemons import TMP, inside, unpacked
from tests.lab.namespaces import Namespace, link, namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGES: Final = ("base-files", "bind9", "nsd", "pdns-recursor", "unbound")
RESOLVER6: Final = "2001:db8:1::1"
RESOLVER4: Final = "192.0.2.1"
CLIENTS: Final = ("2001:db8:1::/64", "192.0.2.0/24")
AUTHORITY: Final = "2001:db8:2::53"

_ZONE: Final = f"""$TTL {queries.TTL}
@ SOA ns root 1 7200 3600 604800 {queries.TTL}
@ NS ns
ns AAAA {AUTHORITY}
* A {queries.IPV4}
"""
_NSD_CONF: Final = f"""server:
  ip-address: {AUTHORITY}
  username: ""
  pidfile: ""
  zonesdir: {TMP}
  database: ""
  xfrdfile: {TMP}/nsd.xfrd
  zonelistfile: {TMP}/nsd.zones
  server-count: 1
  rrl-ratelimit: 0
  minimal-responses: yes
remote-control:
  control-enable: no
zone:
  name: {queries.ZONE}
  zonefile: zone
"""


@dataclass(frozen=True, slots=True)
class Network:
    """The namespaces, the unpacked programs, and the authority's processes."""

    client: Namespace
    resolver: Namespace
    programs: Path
    authority: Processes

    def authority_was_asked(self) -> int:
        """Return how many datagrams have reached the authority's host so far."""
        return self.authority.datagrams_received()


def start(namespace: Namespace, directory: Path, command: tuple[str, ...]) -> subprocess.Popen[str]:
    """Start a daemon whose output goes to the file `log` in `directory`."""
    with (directory / "log").open("w") as log:
        return namespace.popen(*command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


@contextlib.contextmanager
def network(directory: Path) -> Iterator[Network]:
    """Make the network with the authority in it, and remove it whatever happens."""
    programs = unpacked("bookworm", PACKAGES, "resolvers")
    with namespaces("client", "resolver", "authority") as (client, resolver, authority):
        link(client, "lan0", resolver, "lan0")
        link(resolver, "wan0", authority, "eth0")
        for namespace, device, address in (
            (client, "lan0", "2001:db8:1::c/64"),
            (client, "lan0", "192.0.2.2/24"),
            (resolver, "lan0", f"{RESOLVER6}/64"),
            (resolver, "lan0", f"{RESOLVER4}/24"),
            (resolver, "wan0", "2001:db8:2::1/64"),
            (authority, "eth0", f"{AUTHORITY}/64"),
        ):
            namespace.run("ip", "address", "add", address, "dev", device)
        own = directory / "authority"
        own.mkdir()
        (own / "zone").write_text(_ZONE)
        (own / "nsd.conf").write_text(_NSD_CONF)
        daemon = start(
            authority, own, tuple(inside(programs, own, "/usr/sbin/nsd", "-d", "-c", f"{TMP}/nsd.conf"))
        )
        yield Network(client, resolver, programs, Processes(daemon.pid))
