"""The platforms that the lab's gateway can be: what each is called, what it is, and its init system.

What they are made of stands in `lab/recipe.py` and in `lab/images/PLATFORM`.
"""

from dataclasses import dataclass
from enum import Enum

from lab.errors import LabError
from lab.init_systems import OPENRC, SYSTEMD, InitSystem


class NetworkFormat(Enum):
    """Whose files set up the interfaces at boot."""

    IFUPDOWN = "ifupdown"
    NETIFRC = "netifrc"
    NETWORKD = "systemd-networkd"


@dataclass(frozen=True, slots=True)
class Platform:
    """What a gateway can be."""

    name: str
    description: str
    init: InitSystem
    network: NetworkFormat = NetworkFormat.IFUPDOWN
    apt: bool = True
    """Whether packages are installed by apt."""
    runs_from_ram: bool = False
    """Whether a reboot forgets what was not written to a medium (`lbu commit`)."""


DEBIAN12 = Platform("debian12", "Debian 12 with systemd 252", SYSTEMD)

PLATFORMS = (
    DEBIAN12,
    Platform("debian13", "Debian 13 with systemd 257", SYSTEMD),
    Platform("debian-openrc", "Debian 13 with OpenRC and sysvinit", OPENRC),
    Platform("alpine", "a stand-in for Alpine 3.22, made of Debian 13's packages", OPENRC, apt=False),
    Platform(
        "alpine-diskless",
        "the same run from RAM: a reboot forgets what `lbu commit` has not saved",
        OPENRC,
        apt=False,
        runs_from_ram=True,
    ),
    Platform(
        "gentoo",
        "a stand-in for Gentoo with OpenRC 0.64, made of Debian 13's packages",
        OPENRC,
        NetworkFormat.NETIFRC,
        apt=False,
    ),
    Platform(
        "gentoo-systemd",
        "a stand-in for Gentoo with systemd 257, made of Debian 13's packages",
        SYSTEMD,
        NetworkFormat.NETWORKD,
        apt=False,
    ),
)


def platform_named(name: str) -> Platform:
    """Find a platform; raise LabError, naming those there are, if there is none."""
    for platform in PLATFORMS:
        if platform.name == name:
            return platform
    names = ", ".join(platform.name for platform in PLATFORMS)
    raise LabError(f"no platform {name!r} for the gateway; there are {names}")
