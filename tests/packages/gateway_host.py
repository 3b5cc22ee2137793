"""A bare gateway in a booted lab, and what a person does on it by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.container import wait_for
from lab.demo_checks import SYNTHESIZED

if TYPE_CHECKING:
    import subprocess

    from lab.running import Lab

NAT64_CONF = """\
tun-device nat64
ipv4-addr 192.168.240.1
ipv6-addr 2001:db8:64:64::1
prefix 2001:db8:64:ff9b::/96
dynamic-pool 192.168.240.0/20
data-dir /var/lib/nat64
tun-up yes
tun-route 2001:db8:64:ff9b::/96
tun-route 192.168.240.0/20
"""
DNS64_CONF = """\
forwarder 203.0.113.53
prefix 2001:db8:64:ff9b::/96
interfaces lan0
"""
SYSCTLS = (
    "net.ipv6.conf.wan0.accept_ra=2",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.conf.all.forwarding=1",
)
MASQUERADE = (
    "add table ip pool; add chain ip pool out { type nat hook postrouting priority 100; };"
    " add rule ip pool out ip saddr 192.168.240.0/20 oifname wan0 masquerade"
)
LEASES = "/var/lib/nat64/dynamic.map"


class GatewayHost:
    """The gateway of a lab that is up, without anything of ours on it."""

    def __init__(self, lab: Lab) -> None:
        self._client = lab.container("client")
        self._gateway = lab.container("gateway")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on it, and return its end and what it said."""
        return self._gateway.run(command, capture_output=True, text=True)

    def must(self, *command: str) -> str:
        """Run a command that has to succeed, and return what it said."""
        done = self.run(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def path(self, name: str) -> Path:
        """Return where a file of the host is for this process."""
        init = self._gateway.init()
        assert init is not None
        return Path(f"/proc/{init.pid}/root{name}")

    def carry(self, package: Path) -> str:
        """Copy a package to the host, and return its name there."""
        name = f"/root/{package.name}"
        shutil.copyfile(package, self.path(name))
        return name

    def install(self, *packages: str) -> str:
        """Install packages of the distribution's own."""
        raise NotImplementedError

    def routes(self) -> str:
        """Return its routes, without the time that some of them have left."""
        return self.must("sh", "-c", "{ ip -4 route; ip -6 route; } | sed 's/ expires [0-9]*sec//'")

    def make_it_a_gateway(self) -> None:
        """Do what is left to do beside the configs: forward, and masquerade the pool."""
        self.install("nftables")
        self.must("sysctl", "-q", "-w", *SYSCTLS)
        self.must("nft", MASQUERADE)

    def configure(self) -> None:
        """Write both configs."""
        self.path("/etc/nat64/nat64.conf").write_text(NAT64_CONF, encoding="utf-8")
        self.path("/etc/nat64/dns64.conf").write_text(DNS64_CONF, encoding="utf-8")

    def carries_traffic(self) -> bool:
        """Tell whether the client learns a name's address from DNS64, and reaches it through the translator."""
        dig = ["dig", "+short", "+tries=1", "+time=5", "AAAA", "ipv4only.example"]
        ping = ["ping", "-c", "2", "-i", "0.2", "-W", "2", "ipv4only.example"]

        def both() -> bool:
            said = self._client.run(dig, capture_output=True, text=True).stdout.split()
            return said == [str(SYNTHESIZED)] and self._client.run(ping, capture_output=True).returncode == 0

        return wait_for(both, 30)

    def leases(self) -> dict[str, str]:
        """Return which IPv4 address each IPv6 address holds."""
        rows = json.loads(self.must("nat64ctl", "hosts", "--json"))["nat64d"]["rows"]
        return {row["host"]: row["address"] for row in rows}

    def version(self, daemon: str) -> str:
        """Return the version that a daemon runs."""
        return str(self.status(daemon)["version"])

    def status(self, daemon: str) -> dict[str, Any]:
        """Return what a daemon says of itself."""
        said: dict[str, Any] = json.loads(self.must("nat64ctl", "status", daemon, "--json"))[daemon]
        return said

    def tun(self) -> str:
        """Return the number of the TUN's interface, nothing where there is none."""
        return self.run("cat", "/sys/class/net/nat64/ifindex").stdout.strip()

    def left(self) -> list[str]:
        """Return every file of ours outside /root and /usr/share/doc, whoever made it."""
        places = ("/etc", "/usr", "/var/lib/nat64", "/var/log", "/run", "/var/lib/systemd")
        found = self.run("find", *places, "-xdev", "(", "-name", "*nat64*", "-o", "-name", "*dns64*", ")")
        return [line for line in found.stdout.splitlines() if "/dpkg/" not in line]


class DebianHost(GatewayHost):
    """One with apt and systemd."""

    def apt(self, *words: str) -> str:
        """Run apt-get without questions."""
        return self.must(
            *("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--no-install-recommends", *words)
        )

    def install(self, *packages: str) -> str:
        """Install Debian's packages, by the lists as they are now."""
        self.apt("update")
        return self.apt("install", *packages)

    def is_active(self, unit: str) -> bool:
        """Tell whether a unit of systemd is active."""
        return self.run("systemctl", "is-active", "--quiet", unit).returncode == 0

    def state(self) -> str:
        """Return what dpkg says of the package: `install ok installed`, say."""
        return self.run("dpkg-query", "--show", "--showformat=${Status}", "nat64").stdout


class OpenRCHost(GatewayHost):
    """One with OpenRC."""

    def is_started(self, service: str) -> bool:
        """Tell whether a service of OpenRC has started."""
        return self.run("rc-service", "--quiet", service, "status").returncode == 0


class AlpineHost(OpenRCHost):
    """The stand-in for Alpine."""

    def install(self, *packages: str) -> str:
        """Install packages, by the lists as they are now."""
        return self.must("apk", "add", "--update-cache", *packages)


class GentooHost(OpenRCHost):
    """The stand-in for Gentoo."""

    def install(self, *packages: str) -> str:
        """Install packages, or their next version, by the lists as they are now."""
        self.must("emerge", "--sync")
        return self.must("emerge", *packages)
