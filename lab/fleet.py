"""Gateways of the topology `fleet-N`, and Ansible run on them as somebody at the repository's root does."""

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.platforms import platform_named
from lab.running import Lab, State
from lab.topology import fleet

PLATFORM = "debian-openrc"
"""What the gateways are: of the platforms with a distribution's own packages, the one that fifty of are cheapest."""
PLAYBOOK = "playbooks/fleet.yml"
_PROJECT = Path(__file__).parents[1]
_INVENTORY = "inventory/lab-fleet"
_RECAP = re.compile(r"^(\S+) +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Recap:
    """How a run ended on one host, in numbers of tasks."""

    ok: int
    changed: int
    unreachable: int
    failed: int


@dataclass(frozen=True, slots=True)
class Run:
    """How a command of Ansible's ended."""

    returncode: int
    output: str
    seconds: float

    @property
    def recap(self) -> dict[str, Recap]:
        """What a playbook came to on each host that it reached for."""
        return {
            host: Recap(*(int(number) for number in numbers))
            for host, *numbers in _RECAP.findall(self.output)
        }

    @property
    def changed(self) -> list[str]:
        """The hosts that were changed."""
        return [host for host, recap in self.recap.items() if recap.changed]

    def checked(self) -> "Run":
        """Return itself; raise LabError, with the end of what it said, if it failed."""
        if self.returncode:
            raise LabError(f"Ansible ended with status {self.returncode}:\n{self.output[-4000:]}")
        return self


class Fleet:
    """A lab of gateways and nobody else.

    `forks` is how many hosts Ansible has in hand at a time.
    """

    def __init__(self, size: int, name: str = "fleet", forks: int = 10) -> None:
        self.size = size
        self.forks = forks
        self.lab = Lab(name, platform_named(PLATFORM), fleet(size))
        self.hosts = [host.name for host in fleet(size).hosts]

    def up(self) -> bool:
        """Boot the hosts unless they are up; tell whether they were not. Raises LabError if others are up by that name."""
        if self.lab.topology.name != fleet(self.size).name:
            raise LabError(
                f"lab {self.lab.name!r} is up with {self.lab.topology.description};"
                f" take it down with `python -m lab --name {self.lab.name} down`"
            )
        if self.lab.state() is State.UP:
            return False
        self.lab.up()
        return True

    def play(self, *arguments: str, playbook: str = PLAYBOOK, **variables: object) -> Run:
        """Run a playbook on all hosts of the lab, with extra variables; of several `--limit` the last counts."""
        limit = f"--limit={','.join(self.hosts)}"
        return self._ansible("ansible-playbook", variables, limit, *arguments, playbook)

    def ping(self) -> Run:
        """Have Ansible log in to each host, run Python there, and nothing else."""
        return self._ansible("ansible", {}, f"--limit={','.join(self.hosts)}", "-m", "ping", "gateways")

    def _ansible(self, program: str, variables: Mapping[str, object], *arguments: str) -> Run:
        words = [
            program,
            f"--inventory={_INVENTORY}",
            f"--forks={self.forks}",
            f"--extra-vars={json.dumps({'fleet_lab': self.lab.name, **variables})}",
            *arguments,
        ]
        start = time.monotonic()
        ended = subprocess.run(
            words,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=_PROJECT,
            env=os.environ | {"ANSIBLE_NOCOLOR": "1"},
        )
        return Run(ended.returncode, ended.stdout, time.monotonic() - start)
