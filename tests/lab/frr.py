"""FRR of a Debian release, unpacked and not installed, in a network namespace; and what its routers have learnt."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, Final

from tests.lab.distribution_daemons import unpacked
from tests.lab.namespaces import stop, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.namespaces import Namespace

PACKAGES: Final = ("base-files", "frr")
DAEMONS: Final = ("zebra", "bfdd", "bgpd")
_FILES: Final = {
    "passwd": "root:x:0:0::/:/bin/sh\nfrr:x:200:200::/:/bin/false\n",
    "group": "root:x:0:\nfrr:x:200:\nfrrvty:x:201:frr\n",
}
# In a mount namespace of its own, with $1 as its /tmp: the unpacked files are shared by all.
_ROOM: Final = """
root=$0 own=$1; shift
mount --bind "$root" "$root" && mount --bind "$own" "$root/tmp" && mount --bind /proc "$root/proc" &&
mount -t tmpfs none "$root/run" && mount --bind "$root/run" "$root/var/run" && mkdir -m 755 "$root/run/frr" &&
chown 200:200 "$root/run/frr" && mount --bind "$own/passwd" "$root/etc/passwd" &&
mount --bind "$own/group" "$root/etc/group" && mount -t tmpfs none "$root/etc/frr" &&
cp "$own/frr.conf" "$root/etc/frr/" && : > "$root/etc/frr/vtysh.conf" &&
mount -t tmpfs none "$root/etc/pam.d" && printf '%s sufficient pam_permit.so\\n' auth account > "$root/etc/pam.d/frr" &&
"""


class Frr:
    """FRR's daemons in a namespace, with a config of the test's."""

    def __init__(self, namespace: Namespace, directory: Path, config: str, release: str = "bookworm") -> None:
        self._root = unpacked(release, PACKAGES, "routing")
        self._namespace = namespace
        self._directory = directory
        directory.mkdir(exist_ok=True)
        for name, text in {**_FILES, "frr.conf": config}.items():
            (directory / name).write_text(text)
        self._process: subprocess.Popen[str] | None = None

    def check(self) -> None:
        """Have vtysh check the config, as the role does before it writes it."""
        self._namespace.run(*self._room('exec chroot "$root" vtysh -C -f /tmp/frr.conf'), timeout=30)

    def start(self) -> None:
        """Start the daemons and wait until they listen to vtysh."""
        starting = "".join(
            f'chroot "$root" /usr/lib/frr/{name} -d --log file:/tmp/{name}.log || exit 1\n'
            f'while [ ! -S "$root/run/frr/{name}.vty" ]; do sleep 0.1; done\n'
            for name in DAEMONS
        )
        waiting = f'{starting}chroot "$root" vtysh -f /etc/frr/frr.conf || exit 1\n'
        waiting += "trap 'kill $(cat \"$root\"/run/frr/*.pid); exit' TERM\n"
        waiting += "echo started\nwhile :; do sleep 600 & wait $!; done"
        self._process = self._namespace.popen(*self._room(waiting), stderr=subprocess.STDOUT)
        assert self._process.stdout is not None
        said = ""
        while "started" not in said:
            line = self._process.stdout.readline()
            assert line, said
            said += line

    def stop(self) -> None:
        """End the daemons."""
        if self._process is not None:
            stop(self._process)
            self._process = None

    def vtysh(self, *commands: str) -> str:
        """Run commands and return what they print."""
        words = [word for command in commands for word in ("-c", command)]
        return self._inside("chroot", str(self._root), "vtysh", *words)

    def gateways_of(self, prefix: str) -> set[str]:
        """Return the router IDs of the gateways whose announcement of the prefix is in use."""
        found: dict[str, Any] = json.loads(self.vtysh(f"show bgp ipv6 unicast {prefix} json") or "{}")
        return {path["peer"]["routerId"] for path in found.get("paths", []) if path.get("valid")}

    def sessions(self) -> dict[str, str]:
        """Return the state of the session with each neighbour."""
        found: dict[str, Any] = json.loads(self.vtysh("show bgp ipv6 unicast summary json"))
        return {address: peer["state"] for address, peer in found.get("peers", {}).items()}

    def wait_for(self, prefix: str, gateways: set[str], timeout: float = 30) -> None:
        """Wait until the prefix is announced by exactly these."""
        wait_until(lambda: self.gateways_of(prefix) == gateways, f"{prefix} of {gateways}", timeout)

    def _room(self, script: str) -> list[str]:
        isolated = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ROOM + script]
        return [*isolated, str(self._root), str(self._directory)]

    def _inside(self, *command: str) -> str:
        assert self._process is not None
        enter = ["nsenter", "--mount", "--net", "--target", str(self._process.pid), *command]
        return subprocess.run(enter, check=True, capture_output=True, text=True, timeout=30).stdout
