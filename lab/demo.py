"""The demo: from five bare hosts to an IPv6-only client that uses the IPv4 Internet."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab.container import Container
from lab.demo_checks import Check, checks, forwarder_checks
from lab.errors import LabError
from lab.interruption import undisturbed
from lab.progress import say
from lab.running import Lab
from lab.topology import DEFAULT_LAB

_ROOT = Path(__file__).resolve().parent.parent
_INVENTORY = "inventory/lab"
_BUNDLE = "roles/bundle/files/nat64-bundle.tar.gz"
# Longer than any check may take by its own limits, in seconds.
_CHECK_TIMEOUT = 90.0


@dataclass(slots=True)
class Report:
    """What was done, how it went and how long it took."""

    rows: list[tuple[str, bool, float]] = field(default_factory=list)

    @contextlib.contextmanager
    def timed(self, title: str) -> Iterator[None]:
        """Note a step as passed if it ends without an exception."""
        start = time.monotonic()
        passed = False
        try:
            yield
            passed = True
        finally:
            self.rows.append((title, passed, time.monotonic() - start))

    @property
    def passed(self) -> bool:
        """Whether everything noted so far passed."""
        return all(passed for _, passed, _ in self.rows)

    def table(self) -> str:
        """Lay the rows out for reading."""
        width = max((len(title) for title, _, _ in self.rows), default=0)
        lines = [
            f"  {'PASS' if passed else 'FAIL'}  {title:{width}}  {seconds:6.1f} s"
            for title, passed, seconds in self.rows
        ]
        total = sum(seconds for _, _, seconds in self.rows)
        return "\n".join([*lines, f"        {'in total':{width}}  {total:6.1f} s"])


class CheckFailedError(Exception):
    """A check did not show what it should."""


def run(lab: Lab, *, keep: bool) -> bool:
    """Show everything; return whether all of it passed. With `keep` the lab stays up at the end."""
    if not (_ROOT / _BUNDLE).is_file():
        raise LabError(f"{_BUNDLE} is not there; build it with `make bundle`")
    report = Report()
    with report.timed("Lab up"):
        lab.up()
    try:
        with report.timed("ansible-playbook site.yml"):
            _play(lab)
        download = lab.container("internet").upper / "srv/www/20M.bin"
        for check in [*checks(download), *forwarder_checks(lab.gateway.init)]:
            with contextlib.suppress(CheckFailedError), report.timed(check.title):
                _show(check, lab.container(check.host))
    finally:
        if keep:
            say(f"\nThe lab stays up: `python -m lab run client`, `python -m lab down` (name {lab.name!r})")
        else:
            _take_down(lab, report)
        say(f"\n{report.table()}\n")
    return report.passed


def _play(lab: Lab) -> None:
    say(f"\n==> On this machine: ansible-playbook -i {_INVENTORY} site.yml\n")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", _INVENTORY, "site.yml"]
    if lab.name != DEFAULT_LAB:
        command += ["-e", f"ansible_ssh_common_args='-F {lab.ssh_config}'"]
    # Ansible keeps connections open for a while, by host name: another lab must not get them.
    environment = os.environ | {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(lab.directory / "ssh")}
    status = subprocess.run(command, cwd=_ROOT, env=environment, check=False).returncode
    if status != 0:
        raise LabError(f"ansible-playbook failed with status {status}; what it said stands above")


def _show(check: Check, container: Container) -> None:
    say(f"\n==> {check.title}\n    {check.host}# {check.command}")
    try:
        result = container.run(
            ["sh", "-c", f"{check.command} 2>&1"], capture_output=True, text=True, timeout=_CHECK_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        problem: str | None = f"no result within {_CHECK_TIMEOUT:.0f} s"
    else:
        for line in result.stdout.splitlines():
            say(f"    {line}")
        failed = f"the command ended with status {result.returncode}" if result.returncode else None
        problem = failed or check.judge(result.stdout)
    if problem is not None:
        say(f"    FAIL: {problem}")
        raise CheckFailedError(problem)
    say("    PASS")


def _take_down(lab: Lab, report: Report) -> None:
    with undisturbed(), report.timed("Lab down"):
        say(f"\n==> Taking lab {lab.name!r} down")
        lab.down()
