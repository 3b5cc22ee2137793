"""Who stands in a lab, and which wire joins whom: a set of topologies, each a way in which gateways stand.

The addresses are in each host's own files, `lab/hosts/HOST/etc/network/interfaces`, or where a topology
differs `lab/topologies/TOPOLOGY/HOST/etc/network/interfaces`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from lab.errors import LabError


class Layer(Enum):
    """A cached root file system that a host starts from."""

    BASE = "base"
    """A bare Debian 12: systemd, sshd, Python and iproute2."""
    PEERS = "peers"
    """The same with servers and measuring tools, for the hosts around the gateway."""


@dataclass(frozen=True, slots=True)
class Host:
    """One container of the lab."""

    name: str
    layer: Layer
    services: tuple[str, ...] = ()
    """Units started at boot, beside what every host has."""
    serves_web: bool = False
    """Whether the host gets the download file."""
    serves_packages: bool = False
    """Whether the host gets the package repository at /srv/packages."""
    like: str | None = None
    """The host of `lab/hosts` and `lab/topologies` whose files it has, where that is not its own name."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a wire."""

    host: str
    interface: str
    mac: str


Link = tuple[End, End]


@dataclass(frozen=True, slots=True)
class Topology:
    """One way in which a gateway stands among its neighbours."""

    name: str
    description: str
    hosts: tuple[Host, ...]
    links: tuple[Link, ...]
    files: str | None = None
    """The directory of `lab/topologies` that it takes, where that is not its own name."""

    def host_named(self, name: str) -> Host:
        """Find a host; raise LabError, naming those there are, if there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabError(
            f"no host {name!r} in the lab; there are {', '.join(host.name for host in self.hosts)}"
        )


_HOSTS = (
    Host("client", Layer.PEERS),
    Host("gateway", Layer.BASE),
    Host("isp", Layer.PEERS, services=("radvd",)),
    Host("internet", Layer.PEERS, services=("nginx", "nsd"), serves_web=True, serves_packages=True),
    Host("six", Layer.PEERS, services=("nginx",), serves_web=True),
)

# Fixed hardware addresses: the SLAAC addresses made from them are known, so isp can route to the gateway.
_CLIENT = (End("client", "lan0", "02:00:00:00:01:0c"), End("gateway", "lan0", "02:00:00:00:01:01"))
_UPLINK = (End("gateway", "wan0", "02:00:00:00:02:02"), End("isp", "wan0", "02:00:00:00:02:01"))
_INTERNET = (
    (End("isp", "inet0", "02:00:00:00:03:01"), End("internet", "inet0", "02:00:00:00:03:80")),
    (End("isp", "six0", "02:00:00:00:04:01"), End("six", "six0", "02:00:00:00:04:80")),
)

IN_LINE = Topology(
    "in-line",
    "the gateway stands between the LAN and the uplink",
    _HOSTS,
    (_CLIENT, _UPLINK, *_INTERNET),
)

TOPOLOGIES = (
    IN_LINE,
    Topology(
        "one-armed",
        "the gateway stands in the LAN, beside the router (host isp) that the hosts already have",
        _HOSTS,
        (
            # The router is the LAN's switch as well: lan0 there is a bridge of these two.
            (_CLIENT[0], End("isp", "port1", "02:00:00:00:01:11")),
            (_CLIENT[1], End("isp", "port2", "02:00:00:00:01:12")),
            *_INTERNET,
        ),
    ),
    Topology(
        "several-lans",
        "the gateway has two LANs, with hosts client and office, and one for guests",
        (*_HOSTS, Host("office", Layer.PEERS), Host("guest", Layer.PEERS)),
        (
            _CLIENT,
            (End("office", "lan1", "02:00:00:00:05:0c"), End("gateway", "lan1", "02:00:00:00:05:01")),
            (End("guest", "guest0", "02:00:00:00:06:0c"), End("gateway", "guest0", "02:00:00:00:06:01")),
            _UPLINK,
            *_INTERNET,
        ),
    ),
    Topology(
        "dual-stack",
        "in line, and the LAN has IPv4 as well",
        _HOSTS,
        IN_LINE.links,
    ),
    Topology(
        "two-gateways",
        "two gateways stand between the LAN and the uplink, and are joined by a wire of their own",
        (*_HOSTS, Host("gateway2", Layer.BASE)),
        (
            # lan0 of the client and wan0 of the router are bridges of these: switches that outlive either gateway.
            (End("client", "port1", "02:00:00:00:01:11"), _CLIENT[1]),
            (End("client", "port2", "02:00:00:00:01:12"), End("gateway2", "lan0", "02:00:00:00:01:02")),
            (_UPLINK[0], End("isp", "port1", "02:00:00:00:02:11")),
            (End("gateway2", "wan0", "02:00:00:00:02:03"), End("isp", "port2", "02:00:00:00:02:12")),
            (
                End("gateway", "sync0", "02:00:00:00:07:01"),
                End("gateway2", "sync0", "02:00:00:00:07:02"),
            ),
            *_INTERNET,
        ),
    ),
    Topology(
        "anycast",
        "two gateways, gateway and gateway2, behind a router (host isp) that shares hosts out over them",
        (
            *(replace(host, services=("frr",)) if host.name == "isp" else host for host in _HOSTS),
            Host("gateway2", Layer.BASE),
        ),
        (
            (_CLIENT[0], End("isp", "lan0", "02:00:00:00:01:01")),
            (End("gateway", "lan0", "02:00:00:00:02:02"), End("isp", "gw1", "02:00:00:00:02:01")),
            (End("gateway2", "lan0", "02:00:00:00:07:02"), End("isp", "gw2", "02:00:00:00:07:01")),
            *_INTERNET,
        ),
    ),
)

DEFAULT_LAB = "lab"

LARGEST_FLEET = 99
"""Hosts that a fleet can have: their names have two digits."""


def fleet(size: int) -> Topology:
    """Return a topology of `size` gateways, gw01 and so on, and nobody else.

    Each has an interface for its LAN and one for its uplink; both are cables whose far ends are in the same host, so that
    they have a carrier and lead nowhere. It has the package repository at hand.
    """
    hosts = tuple(
        Host(f"gw{number:02}", Layer.BASE, serves_packages=True, like="gateway")
        for number in range(1, size + 1)
    )
    links = tuple(
        (
            End(host.name, interface, f"02:00:00:{number:02}:0{cable}:01"),
            End(host.name, f"{interface}-far", f"02:00:00:{number:02}:0{cable}:02"),
        )
        for number, host in enumerate(hosts, 1)
        for cable, interface in enumerate(("lan0", "wan0"), 1)
    )
    return Topology(f"fleet-{size}", f"{size} gateways, each alone", hosts, links, files="fleet")


def topology_named(name: str) -> Topology:
    """Find a topology; raise LabError, naming those there are, if there is none."""
    for topology in TOPOLOGIES:
        if topology.name == name:
            return topology
    size = re.fullmatch(r"fleet-([1-9][0-9]?)", name)
    if size:
        return fleet(int(size[1]))
    names = ", ".join(topology.name for topology in TOPOLOGIES)
    raise LabError(f"no topology {name!r}; there are {names}, and fleet-N with N from 1 to {LARGEST_FLEET}")


def checked_lab_name(name: str) -> str:
    """Return `name` if it can be part of file, namespace and machine names; raise LabError if not."""
    if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", name):
        raise LabError(f"lab name {name!r}: use at most 16 lower-case letters and digits, a letter first")
    return name


def namespace(lab: str, host: str) -> str:
    """Name of the network namespace (and of the machine) of a host."""
    return f"nat64-{lab}-{host}"


def wiring(lab: str, links: Sequence[Link]) -> Iterator[str]:
    """Commands for `ip -batch` that join the lab's namespaces, one wire each."""
    for a, b in links:
        yield (
            f"link add {a.interface} address {a.mac} netns {namespace(lab, a.host)} type veth"
            f" peer name {b.interface} address {b.mac} netns {namespace(lab, b.host)}"
        )
