"""The roles on a host that gets the program as Debian's package."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.running import RUN
from tests.packages.conftest import NAME

if TYPE_CHECKING:
    from tests.packages.gateway_host import GatewayHost

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

PROJECT = Path(__file__).parents[2]


def _play(playbook: str, **variables: str) -> subprocess.CompletedProcess[str]:
    variables["ansible_ssh_common_args"] = f"-F {RUN / NAME}/ssh_config"
    command = [
        "ansible-playbook",
        "--inventory=inventory/lab",
        playbook,
        "--extra-vars",
        json.dumps(variables),
    ]
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=os.environ | {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(RUN / NAME / "ssh")},
    )


def test_the_roles_set_up_a_gateway_whose_program_is_the_package(host: GatewayHost, package: Path) -> None:
    play = ("tests/packages/package_play.yml",)
    by_package = {"bundle_install_method": "package", "bundle_package": str(package)}
    first = _play(*play, **by_package)
    assert first.returncode == 0, first.stdout + first.stderr
    assert host.state() == "install ok installed"
    assert host.carries_traffic()
    again = _play(*play, **by_package)
    assert re.search(r"changed=0 .*failed=0", again.stdout), again.stdout

    # One program cannot stand in the other's place.
    by_bundle = _play(*play, bundle_install_method="bundle")
    assert by_bundle.returncode != 0
    assert "apt-get remove nat64" in by_bundle.stdout + by_bundle.stderr
    assert host.carries_traffic()

    gone = _play("playbooks/uninstall.yml", **by_package)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert host.state() != "install ok installed"
    assert host.run("test", "-e", "/usr/lib/nat64").returncode != 0
