"""A whole lab: up, down, and what is up.

Everything of a running lab is in a tmpfs at /run/nat64-lab/NAME and in the network namespaces
nat64-NAME-HOST; `Lab.down` finds both also when whoever started the lab is gone.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import TypeVar

from lab import guest_files, machine, mounts, rootfs
from lab.container import POWEROFF_TIMEOUT, Container, wait_for
from lab.errors import LabError
from lab.init_systems import SYSTEMD
from lab.interruption import undisturbed
from lab.platforms import DEBIAN12, Platform, platform_named
from lab.progress import step
from lab.topology import IN_LINE, Layer, Topology, checked_lab_name, namespace, topology_named, wiring

_Named = TypeVar("_Named")

RUN = Path("/run/nat64-lab")
_NAMESPACES = Path("/run/netns")
# Router advertisements come every 4 s at most; generous for a machine under load.
_UPLINK_TIMEOUT = 30.0


class State(Enum):
    """What there is of a lab."""

    DOWN = "down"
    UP = "up"
    STALE = "stale"
    """Some of it is left, some is gone."""


class Lab:
    """The lab of a given name, running or not.

    `gateway` is the platform that the gateway gets when the lab is booted, and `topology` who is there and how they
    are joined; of a running lab, what it got.
    """

    def __init__(self, name: str, gateway: Platform = DEBIAN12, topology: Topology = IN_LINE) -> None:
        self.name = checked_lab_name(name)
        self.directory = RUN / name
        self.gateway = self._booted("gateway-platform", platform_named) or gateway
        self.topology = self._booted("topology", topology_named) or topology

    @property
    def containers(self) -> list[Container]:
        """Every host of the lab."""
        return [
            Container(
                self.name,
                host,
                self.directory / host.name,
                self.gateway if host.layer is Layer.BASE else DEBIAN12,
            )
            for host in self.topology.hosts
        ]

    def _booted(self, file: str, named: Callable[[str], _Named]) -> _Named | None:
        try:
            return named((self.directory / file).read_text(encoding="utf-8"))
        except OSError:
            return None

    def container(self, host: str) -> Container:
        """Return the container of a host; raise LabError if there is no such host."""
        return next(each for each in self.containers if each.host == self.topology.host_named(host))

    @property
    def ssh_config(self) -> Path:
        """Configuration for ssh that reaches the hosts by their names."""
        return self.directory / "ssh_config"

    def state(self) -> State:
        """Look what there is."""
        pieces = [container.init() is not None for container in self.containers]
        pieces += [(_NAMESPACES / container.machine_name).exists() for container in self.containers]
        if all(pieces):
            return State.UP
        return State.STALE if any(pieces) or self.directory.exists() else State.DOWN

    def up(self) -> None:
        """Boot all hosts and wait until they and their links work.

        Raises LabError if it runs already. If it fails, nothing stays.
        """
        machine.check()
        with self._locked():
            if self.state() is State.UP:
                raise LabError(
                    f"lab {self.name!r} is already up; use it, or take it down with {self._command('down')}"
                )
            if self.state() is State.STALE:
                with step(f"Clearing away what an earlier lab {self.name!r} left"):
                    self._clear()
            machine.check_room(sum(container.platform.init is SYSTEMD for container in self.containers))
            with step("Root file systems"):
                layers = rootfs.ready(rootfs.cache_directory(), self.gateway)
            try:
                with step("Booting " + _summary(self.topology)):
                    self._prepare()
                    self._wire()
                    # Kept meanwhile: Python forgets a Ctrl-C that comes while it finalizes one of them.
                    watching = [container.boot(layers) for container in self.containers]
                    for container in self.containers:
                        container.wait_until_booted()
                    self._wait_for_uplink()
                    del watching
            except BaseException:
                # Hosts that have not finished booting do not listen, and have nothing to lose.
                self._clear(patience=0)
                raise

    def down(self) -> None:
        """Stop all hosts and remove everything of the lab, whatever is there of it."""
        with self._locked():
            self._clear()

    def _clear(self, patience: float = POWEROFF_TIMEOUT) -> None:
        with undisturbed():
            self._stop_hosts(patience)
            self._remove_files_and_namespaces()

    def _stop_hosts(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        for container in self.containers:
            container.ask_to_power_off()
        for container in self.containers:
            container.end(deadline - time.monotonic())

    def _remove_files_and_namespaces(self) -> None:
        for container in self.containers:
            # The second one is there for a moment while a host reboots.
            for name in (container.machine_name, f"{container.machine_name}-spare"):
                if (_NAMESPACES / name).exists():
                    _end_connections(name)
                    subprocess.run(["ip", "netns", "delete", name], check=False)
        mounts.unmount_all_under(self.directory)
        if self.directory.is_dir():
            shutil.rmtree(self.directory)

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "mode=0711,size=75%", "nat64-lab", self.directory], check=True
        )
        key = self.directory / "id_ed25519"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"nat64 lab {self.name}", "-f", key],
            check=True,
        )
        self.ssh_config.write_text(ssh_config(self.name, self.topology), encoding="utf-8")
        (self.directory / "topology").write_text(self.topology.name, encoding="utf-8")
        (self.directory / "gateway-platform").write_text(self.gateway.name, encoding="utf-8")
        public_key = key.with_suffix(".pub").read_text(encoding="utf-8")
        for container in self.containers:
            container.upper.mkdir(parents=True)
            container.upper.chmod(0o755)
            guest_files.write(container.host, container.upper, public_key, container.platform, self.topology)

    def _wire(self) -> None:
        for container in self.containers:
            subprocess.run(["ip", "netns", "add", container.machine_name], check=True)
        links = "\n".join(wiring(self.name, self.topology.links))
        subprocess.run(["ip", "-batch", "-"], input=links, text=True, check=True)

    def _wait_for_uplink(self) -> None:
        if not any(host.name == "gateway" for host in self.topology.hosts):
            return  # a fleet, whose uplinks lead nowhere
        show = ["ip", "-netns", namespace(self.name, "gateway"), "-6", "route", "show", "default"]

        def advertised() -> bool:
            return subprocess.run(show, check=True, capture_output=True, text=True).stdout != ""

        if not wait_for(advertised, _UPLINK_TIMEOUT):
            raise LabError("the gateway hears no router advertisement; look at radvd on host isp")

    def _command(self, verb: str) -> str:
        return f"`python -m lab {verb} --name {self.name}`"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        RUN.mkdir(mode=0o755, exist_ok=True)
        lock_file = RUN / f"{self.name}.lock"
        with lock_file.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LabError(
                    f"lab {self.name!r} is being started or stopped; wait for that to end"
                ) from None
            try:
                yield
            finally:
                if not self.directory.exists():
                    lock_file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # this lab or another is up
            RUN.rmdir()


def _summary(topology: Topology) -> str:
    names = [host.name for host in topology.hosts]
    return ", ".join(names) if len(names) < 10 else f"{names[0]} to {names[-1]}"


def _end_connections(machine_name: str) -> None:
    """End what entered a host's namespace from outside: the `nc` of ssh connections that Ansible keeps open."""
    listing = subprocess.run(
        ["ip", "netns", "pids", machine_name], check=False, capture_output=True, text=True
    ).stdout
    for pid in listing.split():
        with contextlib.suppress(ProcessLookupError):  # ended by itself
            os.kill(int(pid), signal.SIGTERM)


def ssh_config(lab: str, topology: Topology = IN_LINE) -> str:
    """Return a configuration for ssh with which it and Ansible reach the hosts of a lab by name."""
    return f"""\
# Reaches the hosts of lab `{lab}` through their network namespaces; needs root.
Host {" ".join(host.name for host in topology.hosts)}
    User root
    ProxyCommand ip netns exec {namespace(lab, "%h")} nc 127.0.0.1 22
    IdentityFile {RUN / lab}/id_ed25519
    IdentitiesOnly yes
    # The hosts are made anew each time, and the way to them does not leave this machine.
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
"""
