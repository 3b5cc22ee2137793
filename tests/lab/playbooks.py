"""Playbooks on the hosts of a lab that is up, as somebody at the repository's root runs them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from lab.running import RUN

_PROJECT = Path(__file__).parents[2]


def play(lab: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook with the lab's inventory, `arguments` and extra variables; return how it ended."""
    variables["ansible_ssh_common_args"] = f"-F {RUN / lab}/ssh_config"
    return subprocess.run(
        ["ansible-playbook", "--inventory=inventory/lab", *arguments, "--extra-vars", json.dumps(variables)],
        check=False,
        capture_output=True,
        text=True,
        cwd=_PROJECT,
        env=os.environ | {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(RUN / lab / "ssh")},
    )
