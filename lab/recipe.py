"""What the lab's root file systems are made of."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

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
    "frr",
    "iperf3",
    "iputils-ping",
    "netcat-openbsd",
    "nginx-light",
    "nsd",
    "radvd",
    "tcpdump",
    "traceroute",
)
PEER_SERVICES = ("frr", "iperf3", "nginx", "nsd", "radvd")

# What the gateway may install from the lab's own repository; apt adds the dependencies.
REPOSITORY_PACKAGES = (
    "acl",
    "bind9",
    "bind9-dnsutils",
    "conntrack",
    "conntrackd",
    "curl",
    "frr",
    "frr-pythontools",
    "iputils-ping",
    "keepalived",
    "libbpf1",
    "nftables",
    "python3-apt",
    "radvd",
    "tcpdump",
    "traceroute",
    "unbound",
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


# DHCP servers, and what sets up interfaces, of the gateway's owner.
_OWNERS = ("dhcpcd", "dnsmasq", "kea-dhcp4-server", "network-manager")

# systemd itself would come as a dependency of openssh-server: the standalone programs take its place.
_OPENRC_PACKAGES = (
    "openrc",
    "systemd-standalone-sysusers",
    "systemd-standalone-tmpfiles",
    "sysvinit-core",
)
_SYSTEMD_PACKAGES = {"dbus", "systemd", "systemd-sysv", "udev"}

DEBIAN = {
    "debian13": DebianRecipe("trixie", BASE_PACKAGES, (*REPOSITORY_PACKAGES, *_OWNERS)),
    "debian-openrc": DebianRecipe(
        "trixie",
        (*(package for package in BASE_PACKAGES if package not in _SYSTEMD_PACKAGES), *_OPENRC_PACKAGES),
        REPOSITORY_PACKAGES,
    ),
}


# What Debian's packages need of Debian: taken for installed, so that it is not in what stands in for another system.
_DEBIANS_TOOLS = (
    *("adduser", "debconf", "dpkg", "init-system-helpers", "insserv", "lsb-base", "perl", "perl-base"),
    *("libpam-modules", "libpam-runtime", "media-types", "runit-helper", "tzdata", "ucf"),
    *("base-files", "debianutils", "mawk", "openssl", "sysvinit-utils"),
)


@dataclass(frozen=True, slots=True)
class StandInRecipe:
    """What stands in for another distribution: files of Debian's packages, and those of lab/images."""

    base: tuple[str, ...]
    """Debian's packages in the base system."""
    provided: tuple[str, ...]
    """Debian's packages that it does without, or has in another way."""
    packages: dict[str, tuple[str, ...]]
    """What can be installed, by the names of the real distribution, and which of Debian's packages each is."""
    base_package: str
    """The package that stands for the base system."""
    trees: tuple[str, ...]
    """Directories of lab/images, later ones over earlier ones."""
    database: str
    """Where the stand-in of the package manager notes what is installed."""
    empty: tuple[str, ...] = ()
    """Directories of the base system with nothing in them."""
    revision: str = ""
    """Added to each version."""
    base_named: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Packages of the base system by the names of the real distribution."""
    category: str = ""
    """What begins the names of packages that are not named here."""
    index_included: bool = False
    """Whether the host knows what there is without asking, as one that has the tree of ebuilds."""
    units: bool = False
    """Whether the base system has the units of systemd that its packages bring."""
    from_release: dict[str, str] = field(default_factory=dict)
    """Packages of Debian that come from another release than trixie."""
    busybox: bool = False
    """Whether busybox is linked to the names of all its commands that nothing else brings."""
    without_applets: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    """Files that the packages bring and the real system has not, as patterns."""

    def stamp(self, name: str) -> str:
        """Name the result; the files of lab/images are part of it."""
        files = {tree: _files(IMAGES / tree) for tree in self.trees}
        return _stamp(VERSION, name, sorted(asdict(self).items()), files)


# What Gentoo's stage 3 has, and all that portage needs.
_GENTOO_BASE = (
    *("bash", "bzip2", "coreutils", "diffutils", "findutils", "gawk", "grep", "gzip", "hostname", "iproute2"),
    *("iputils-ping", "kmod", "less", "libc-bin", "mount", "ncurses-base", "netbase", "openssh-client"),
    *("openssh-server", "openssh-sftp-server", "passwd", "procps", "psmisc", "python3", "sed", "tar"),
    *("util-linux", "wget", "xz-utils"),
)
_PYTHON = ("python3", "python3-minimal", "python3.13", "python3.13-minimal")


def _gentoo(*base: str, trees: tuple[str, ...], **more: Any) -> StandInRecipe:  # noqa: ANN401 - the recipe's other fields
    return StandInRecipe(
        base=(*_GENTOO_BASE, *base),
        provided=(*_DEBIANS_TOOLS, "dash", "initscripts", "login", "systemd", "udev"),
        packages={
            "net-dns/bind": ("bind9", "bind9-dnsutils", "bind9-host", "bind9-utils"),
            "net-dns/dnssec-root": ("dns-root-data",),
            "net-dns/unbound": ("unbound", "unbound-anchor"),
            "net-firewall/conntrack-tools": ("conntrack",),
            "net-firewall/nftables": ("nftables",),
            "net-misc/curl": ("curl",),
            "net-misc/radvd": ("radvd",),
            "net-analyzer/tcpdump": ("tcpdump",),
            "net-analyzer/traceroute": ("traceroute",),
            "sys-apps/acl": ("acl",),
        },
        base_package="virtual/system",
        # Debian's iproute2 needs libbpf, as Gentoo's does with USE=bpf.
        base_named={
            "dev-lang/python": _PYTHON,
            "dev-libs/libbpf": ("libbpf1",),
            "sys-apps/iproute2": ("iproute2",),
        },
        trees=("stand-in", *trees),
        database="var/lib/portage/stand-in",
        category="debian/",
        index_included=True,
        **more,
    )


_ALPINE = StandInRecipe(
    base=("busybox", "ifupdown-ng", "libc6", "netbase", "openrc", "openssh-server"),
    provided=(
        *_DEBIANS_TOOLS,
        *("bsdutils", "coreutils", "iproute2", "libc-bin", "login", "mount", "passwd", "procps"),
        *("systemd", "udev", "util-linux"),
    ),
    packages={
        "acl": ("acl",),
        "bash": ("bash",),
        "bind": ("bind9", "bind9-utils"),
        "bind-tools": ("bind9-dnsutils", "bind9-host"),
        "conntrack-tools": ("conntrack",),
        "curl": ("curl",),
        "dnssec-root": ("dns-root-data",),
        "iputils-ping": ("iputils-ping",),
        "libbpf": ("libbpf1",),
        "nftables": ("nftables",),
        "python3": _PYTHON,
        "radvd": ("radvd",),
        "tcpdump": ("tcpdump",),
        "unbound": ("unbound", "unbound-anchor"),
    },
    base_package="alpine-base",
    trees=("stand-in", "openrc", "alpine"),
    database="lib/apk/db",
    empty=tuple(
        f"etc/network/if-{phase}.d" for phase in ("pre-up", "up", "post-up", "pre-down", "down", "post-down")
    ),
    revision="-r0",
    busybox=True,
    # Alpine's busybox has not got these: Debian's own tools, and commands that Alpine leaves out.
    without_applets=(
        "ar",
        "dpkg",
        "dpkg-deb",
        "ifdown",
        "ifup",
        "linuxrc",
        "rpm",
        "rpm2cpio",
        "run-init",
        "tunctl",
    ),
    without=("etc/runlevels/nonetwork", "etc/runlevels/off", "etc/runlevels/recovery", "usr/local/sbin"),
)

STAND_IN = {
    "alpine": _ALPINE,
    "alpine-diskless": replace(_ALPINE, trees=(*_ALPINE.trees, "alpine-diskless")),
    "gentoo": _gentoo(
        *("openrc", "sysvinit-core", "sysvinit-utils"),
        trees=("openrc", "gentoo-common", "gentoo"),
        # As new as Gentoo's; trixie's does not know `notify`.
        from_release=dict.fromkeys(("libeinfo1", "librc1t64", "openrc"), "sid"),
        without=("etc/runlevels/nonetwork", "etc/runlevels/off", "etc/runlevels/recovery"),
    ),
    "gentoo-systemd": _gentoo(
        *("dbus", "systemd", "systemd-sysv"),
        trees=("gentoo-common", "gentoo-systemd"),
        units=True,
        # Its users are in lab/images; Debian's groups would take their numbers.
        without=(
            *("usr/lib/systemd/system/ssh*.service", "usr/lib/systemd/system/ssh.socket"),
            "usr/lib/sysusers.d/*.conf",
        ),
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
