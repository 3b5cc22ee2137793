"""One running host: booting it, finding it again, commands inside it, and its end."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import machine
from lab.errors import LabError
from lab.mounts import cgroup2_mount
from lab.platforms import DEBIAN12, Platform
from lab.rootfs import RootFs
from lab.topology import Host, namespace

_BOOT_HOST = Path(__file__).with_name("boot_host.sh")
_ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
)

# Bounds on things that take about a second, for a machine under load; in seconds.
BOOT_TIMEOUT = 60.0
POWEROFF_TIMEOUT = 10.0
KILL_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told from later ones of the same pid by when it began (proc_pid_stat(5))."""

    pid: int
    parent: int
    started: int

    @classmethod
    def parse(cls, stat: str) -> "Process":
        """Read a line of /proc/PID/stat; the command's name may hold blanks and parentheses."""
        pid, _, rest = stat.partition(" ")
        fields = rest[rest.rindex(")") + 2 :].split()
        return cls(int(pid), int(fields[1]), int(fields[19]))

    def is_alive(self) -> bool:
        """Tell whether this very process still runs (a zombie does not)."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return False
        return Process.parse(stat).started == self.started and ") Z " not in stat


def descendants(ancestor: Process, everyone: Sequence[Process]) -> Iterator[Process]:
    """Find the processes below `ancestor`, parents before their children."""
    for process in everyone:
        if process.parent == ancestor.pid:
            yield process
            yield from descendants(process, everyone)


@dataclass(frozen=True, slots=True)
class Container:
    """A host of a lab, whether it runs or not. `directory` is its own, below the lab's."""

    lab: str
    host: Host
    directory: Path
    platform: Platform = DEBIAN12

    @property
    def machine_name(self) -> str:
        """Name of the machine and of its network namespace."""
        return namespace(self.lab, self.host.name)

    @property
    def upper(self) -> Path:
        """Where the files go that the host has beside its layer's."""
        return self.directory / "upper"

    @property
    def console(self) -> Path:
        """What systemd-nspawn and the host's console print."""
        return self.directory / "console.log"

    def boot(self, rootfs: RootFs) -> subprocess.Popen[bytes]:
        """Start the host and return what watches it; `wait_until_booted` tells when it is up."""
        for name in ("work", "root"):
            (self.directory / name).mkdir()
        if self.platform.runs_from_ram:
            shutil.copytree(self.upper, self.directory / "first", symlinks=True)
        systemd = machine.systemd_is_pid_1()
        command = [
            *("sh", "-c", 'exec "$@" 9</proc/self/ns/mnt', "sh"),
            *("unshare", "--mount", "--propagation", "slave", "sh", str(_BOOT_HOST)),
            *(str(rootfs.layer(self.host.layer)), str(self.directory)),
            *("systemd" if systemd else self.machine_name, self.machine_name),
            *nspawn_arguments(self.host, self.machine_name, rootfs, systemd=systemd),
        ]
        environment = os.environ | {
            # The host runs its own systemd on a unified hierarchy, whatever the machine has,
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            # and may set the sysctls of its own network namespace.
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
        }
        with self.console.open("ab") as console:
            # A session of its own: Ctrl-C is for the lab, which then takes the hosts down in order.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
                cwd="/",
            )

    def wait_until_booted(self) -> None:
        """Wait until every service of the host has started; raise LabError if one fails or it takes too long."""
        init_system = self.platform.init
        state = "no init"

        def booted() -> bool:
            nonlocal state
            if self.init() is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    state = self._said(init_system.state, timeout=BOOT_TIMEOUT).strip() or state
            return state in {"running", "degraded", "maintenance"}

        if not wait_for(booted, BOOT_TIMEOUT):
            _show_end(self.console.read_text(encoding="utf-8", errors="replace"))
            raise LabError(
                f"host {self.host.name} does not boot (state: {state}); its console said the above"
            )
        if state != "running":
            failed = self._said(init_system.failed).split()
            _show_end(self._said(init_system.log))
            raise LabError(f"host {self.host.name} is {state}: {', '.join(failed)}; its log said the above")

    def _said(self, command: Sequence[str], timeout: float | None = None) -> str:
        return str(self.run(command, capture_output=True, text=True, timeout=timeout).stdout)

    def init(self) -> Process | None:
        """Find the host's PID 1, as a process of this machine."""
        watcher = self.watcher()
        if watcher is not None:
            for process in descendants(watcher, processes()):
                if _is_first_of_its_namespace(process.pid):
                    return process
        return None

    def watcher(self) -> Process | None:
        """Find the process that booted the host and stays as long as it runs."""
        try:
            process = Process.parse((self.directory / "process").read_text(encoding="utf-8"))
        except OSError:
            return None
        return process if process.is_alive() else None

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs `command` inside the host; raise LabError if it is not up."""
        init = self.init()
        if init is None:
            raise LabError(f"host {self.host.name} is not running; start the lab with `python -m lab up`")
        enter = ["nsenter", "--target", str(init.pid), "--all", "--wdns=/"]
        terminal = [f"TERM={os.environ['TERM']}"] if "TERM" in os.environ else []
        return [*enter, "env", "--ignore-environment", *_ENVIRONMENT, *terminal, *command]

    def run(
        self,
        command: Sequence[str],
        *,
        capture_output: bool = False,
        text: bool = False,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the host, like subprocess.run()."""
        return subprocess.run(
            self.command(command),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=capture_output,
            text=text,
            timeout=timeout,
        )

    def ask_to_power_off(self) -> None:
        """Tell the host's init system to stop everything and end; `end` waits for that."""
        self._tell(self.platform.init.power_off)

    def ask_to_reboot(self) -> None:
        """Tell the host's init system to stop everything and begin again."""
        self._tell(self.platform.init.reboot)

    def _tell(self, command: Sequence[str]) -> None:
        # A host that is not up, or that has no such command yet, has nothing to stop in order.
        with contextlib.suppress(LabError, subprocess.TimeoutExpired):
            self.run(command, capture_output=True, timeout=POWEROFF_TIMEOUT)

    def end(self, patience: float) -> None:
        """Wait `patience` seconds for the host to have ended, then kill what is left of it."""
        watcher = self.watcher()
        if watcher is not None and not wait_for(lambda: not watcher.is_alive(), patience):
            # Parents first, so that the watcher cannot boot it again; the end of its PID 1 ends all inside.
            doomed = [watcher, *descendants(watcher, processes())]
            for process in doomed:
                if process.is_alive():
                    os.kill(process.pid, signal.SIGKILL)
            wait_for(lambda: not any(process.is_alive() for process in doomed), KILL_TIMEOUT)
        self._remove_cgroup()
        # systemd-nspawn leaves it behind where /run is not a tmpfs.
        shutil.rmtree(Path("/run/systemd/nspawn/propagate") / self.machine_name, ignore_errors=True)

    def _remove_cgroup(self) -> None:
        hierarchy = cgroup2_mount()
        if hierarchy is None:
            return
        cgroup = hierarchy / self.machine_name
        if not cgroup.is_dir():  # always so where systemd takes care of it
            return
        # cgroup.kill ends what outlived its parents; the last processes leave the cgroup a little later.
        (cgroup / "cgroup.kill").write_text("1", encoding="ascii")
        events = cgroup / "cgroup.events"
        wait_for(lambda: "populated 0" in events.read_text(encoding="ascii"), KILL_TIMEOUT)
        for directory, _, _ in os.walk(cgroup, topdown=False):
            Path(directory).rmdir()


def nspawn_arguments(host: Host, machine_name: str, rootfs: RootFs, *, systemd: bool) -> list[str]:
    """Arguments of systemd-nspawn for a host; `systemd` tells whether the machine's own PID 1 is systemd."""
    arguments = [
        "--quiet",
        "--boot",
        f"--machine={machine_name}",
        f"--hostname={host.name}",
        f"--network-namespace-path=/run/netns/{machine_name}",
        # The translator's fast path is a BPF program.
        "--capability=CAP_BPF,CAP_NET_ADMIN,CAP_NET_RAW",
        "--system-call-filter=bpf",
        "--console=pipe",
        "--register=no",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
    ]
    if not systemd:
        # No systemd to ask for a scope: stay in the cgroup that boot_host.sh made.
        arguments.append("--keep-unit")
    if host.serves_packages:
        arguments.append(f"--bind-ro={rootfs.packages}:/srv/packages")
    return arguments


def processes() -> list[Process]:
    """Return all processes of the machine."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append(Process.parse((entry / "stat").read_text(encoding="utf-8")))
            except OSError:
                continue  # ended meanwhile
    return found


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again until the condition holds; False if it does not within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _show_end(text: str) -> None:
    for line in text.splitlines()[-20:]:
        print(f"      {line}", file=sys.stderr)


def _is_first_of_its_namespace(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    # One number for each nested PID namespace; the innermost is what the process itself sees.
    return len(numbers) > 1 and numbers[-1] == "1"
