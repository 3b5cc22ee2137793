"""How the lab talks to a host's init system: whether it has booted, what failed, how it ends."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InitSystem:
    """The commands, run inside the host, by which the lab follows one init system."""

    name: str
    state: tuple[str, ...]
    """Prints `running`, `degraded` (booted, but something failed) or anything else (still booting)."""
    failed: tuple[str, ...]
    """Prints what failed, one name a line, nothing else."""
    log: tuple[str, ...]
    """Prints what the services of the host said."""
    power_off: tuple[str, ...]
    reboot: tuple[str, ...]
    service: str
    """Shell command for a service, with VERB (start, stop, status) and NAME."""
    stopped: str
    """Part of what `status` prints of a service that does not run."""

    def service_command(self, verb: str, name: str) -> str:
        """Return the shell command that does something with a service."""
        return self.service.replace("VERB", verb).replace("NAME", name)


SYSTEMD = InitSystem(
    "systemd",
    state=("systemctl", "is-system-running", "--wait"),
    failed=("sh", "-c", "systemctl --failed --plain --no-legend | cut -d ' ' -f 1"),
    log=("journalctl", "--boot", "--no-pager", "--lines=40"),
    # systemd(1): starts poweroff.target, also while it still boots.
    power_off=("kill", "-s", "RTMIN+4", "1"),
    reboot=("systemctl", "--no-block", "reboot"),
    service="systemctl --no-pager VERB NAME",
    stopped="inactive (dead)",
)

# OpenRC names the runlevel before it starts its services; rc.starting is there until the last has been tried.
# A service that did not start is tried again in the next runlevel, and only its own state remembers the failure.
_OPENRC_FAILED = """\
for level in sysinit boot default; do
    rc-status "$level"
done | awk '/\\[ *(stopped|crashed) *\\]/ { print $1 }' | sort -u
"""
_OPENRC_STATE = f"""\
if [ "$(cat /run/openrc/softlevel 2>/dev/null)" != default ] || [ -e /run/openrc/rc.starting ]; then
    sleep 0.1
    echo starting
elif [ -n "$({_OPENRC_FAILED})" ]; then
    echo degraded
else
    echo running
fi
"""

OPENRC = InitSystem(
    "openrc",
    state=("sh", "-c", _OPENRC_STATE),
    failed=("sh", "-c", _OPENRC_FAILED),
    log=("sh", "-c", "cat /var/log/rc.log 2>/dev/null || true"),
    power_off=("poweroff",),
    reboot=("reboot",),
    service="rc-service NAME VERB",
    stopped="status: stopped",
)
