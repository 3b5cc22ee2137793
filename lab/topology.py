"""Who stands in the lab, and which wire joins whom.

The addresses are in each host's own files, `lab/hosts/HOST/etc/network/interfaces`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class End:
    """One end of a wire."""

    host: str
    interface: str
    mac: str


HOSTS = (
    Host("client", Layer.PEERS),
    Host("gateway", Layer.BASE),
    Host("isp", Layer.PEERS, services=("radvd",)),
    Host("internet", Layer.PEERS, services=("nginx", "nsd"), serves_web=True, serves_packages=True),
    Host("six", Layer.PEERS, services=("nginx",), serves_web=True),
)

# Fixed hardware addresses: the SLAAC addresses made from them are known, so isp can route to the gateway.
LINKS = (
    (End("client", "lan0", "02:00:00:00:01:0c"), End("gateway", "lan0", "02:00:00:00:01:01")),
    (End("gateway", "wan0", "02:00:00:00:02:02"), End("isp", "wan0", "02:00:00:00:02:01")),
    (End("isp", "inet0", "02:00:00:00:03:01"), End("internet", "inet0", "02:00:00:00:03:80")),
    (End("isp", "six0", "02:00:00:00:04:01"), End("six", "six0", "02:00:00:00:04:80")),
)

DEFAULT_LAB = "lab"


def checked_lab_name(name: str) -> str:
    """Return `name` if it can be part of file, namespace and machine names; raise LabError if not."""
    if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", name):
        raise LabError(f"lab name {name!r}: use at most 16 lower-case letters and digits, a letter first")
    return name


def namespace(lab: str, host: str) -> str:
    """Name of the network namespace (and of the machine) of a host."""
    return f"nat64-{lab}-{host}"


def host_named(name: str) -> Host:
    """Find a host; raise LabError, naming those there are, if there is none."""
    for host in HOSTS:
        if host.name == name:
            return host
    raise LabError(f"no host {name!r} in the lab; there are {', '.join(host.name for host in HOSTS)}")


def wiring(lab: str) -> Iterator[str]:
    """Commands for `ip -batch` that join the lab's namespaces, one wire each."""
    for a, b in LINKS:
        yield (
            f"link add {a.interface} address {a.mac} netns {namespace(lab, a.host)} type veth"
            f" peer name {b.interface} address {b.mac} netns {namespace(lab, b.host)}"
        )
