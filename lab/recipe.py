"""What the lab's root file systems are made of."""

import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path

IMAGES = Path(__file__).with_name("images")
"""Files that a platform's root file system gets beside its packages, a directory each."""

RELEASE = "bookworm"

BASE_PACKAGES = (
    "ca-certificates",
    "dbus",
    "ifupdown",
    "iproute2",
    "kmod",
    "netbase",
    "openssh-server",
    "procps",
    "python3",
    "systemd",
    "systemd-sysv",
    "udev",
)

# Servers, and what a person sitting at the client would use.
PEER_PACKAGES = (
    "bind9-dnsutils",
    "curl",
    "iperf3",
    "iputils-ping",
    "netcat-openbsd",
    "nginx-light",
    "nsd",
    "radvd",
    "tcpdump",
    "traceroute",
)
PEER_SERVICES = ("iperf3", "nginx", "nsd", "radvd")

# What the gateway may install from the lab's own repository; apt adds the dependencies.
REPOSITORY_PACKAGES = (
    "acl",
    "bind9",
    "bind9-dnsutils",
    "conntrack",
    "curl",
    "iputils-ping",
    "nftables",
    "python3-apt",
    "tcpdump",
    "traceroute",
)

# Raise it when the way of building changes the result.
VERSION = 1


def stamp() -> str:
    """Name the result: the same recipe on the same architecture gives the same stamp."""
    return _stamp(VERSION, RELEASE, BASE_PACKAGES, PEER_PACKAGES, REPOSITORY_PACKAGES)


@dataclass(frozen=True, slots=True)
class DebianRecipe:
    """A bare Debian of some release, and what it may install from the lab's repository."""

    release: str
    packages: tuple[str, ...]
    repository: tuple[str, ...]

    def stamp(self, name: str) -> str:
        """Name the result, as `stamp` does; the files of lab/images/NAME/root are part of it."""
        files = [(path, digest) for path, digest in _files(IMAGES / name)]
        return _stamp(VERSION, self.release, self.packages, self.repository, files)


_TRIXIE_REPOSITORY = (*REPOSITORY_PACKAGES, "radvd", "unbound")

# systemd itself would come as a dependency of openssh-server: the standalone programs take its place.
_OPENRC_PACKAGES = (
    "openrc",
    "systemd-standalone-sysusers",
    "systemd-standalone-tmpfiles",
    "sysvinit-core",
)
_SYSTEMD_PACKAGES = {"dbus", "systemd", "systemd-sysv", "udev"}

DEBIAN = {
    "debian13": DebianRecipe("trixie", BASE_PACKAGES, _TRIXIE_REPOSITORY),
    "debian-openrc": DebianRecipe(
        "trixie",
        (*(package for package in BASE_PACKAGES if package not in _SYSTEMD_PACKAGES), *_OPENRC_PACKAGES),
        _TRIXIE_REPOSITORY,
    ),
}


def _files(directory: Path) -> list[tuple[str, str]]:
    return [
        (str(path.relative_to(directory)), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    ]


def _stamp(version: int, *recipe: object) -> str:
    parts = [version, platform.machine(), *recipe]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
