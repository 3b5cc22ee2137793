"""What the lab's root file systems are made of."""

import hashlib
import json
import platform

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
    recipe = [VERSION, platform.machine(), RELEASE, BASE_PACKAGES, PEER_PACKAGES, REPOSITORY_PACKAGES]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]
