"""A stranger's playbooks, from the built archive, with each ansible-core: one role alone, then the whole gateway."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.collection.controllers import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.collection.conftest import Stranger

# The first run may have to build the hosts' root file systems.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

LAB = "stranger"
RUN = Path("/run/nat64-lab") / LAB
INVENTORY = f"""\
all:
  vars:
    ansible_user: root
    ansible_ssh_common_args: -F {RUN}/ssh_config
    verify_name: ipv4only.example
    verify_ipv4_target: 203.0.113.80
    verify_url: http://ipv4only.example/
gateways:
  hosts:
    gateway:
clients:
  hosts:
    client:
"""
ONE_ROLE = """\
- name: A stranger's play
  hosts: gateways
  roles:
    - nat64.gateway.nat64
"""
RECAP = re.compile(r"^(\w+) +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lab", "--name", LAB, *arguments]
    return subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module", autouse=True)
def hosts(stranger: Stranger) -> Iterator[None]:
    """Boot hosts that nothing was done to, and write down where they are."""
    lab("up")
    try:
        inventory = stranger.home / "inventory"
        inventory.mkdir()
        (inventory / "hosts.yml").write_text(INVENTORY)
        shutil.copytree(PROJECT / "inventory" / "lab" / "group_vars", inventory / "group_vars")
        (stranger.home / "one_role.yml").write_text(ONE_ROLE)
        yield
    finally:
        lab("down")


def play(stranger: Stranger, *arguments: str) -> dict[str, int]:
    """Run a playbook; return how much it changed on each host."""
    control_paths = str(RUN / "ssh")
    done = stranger.run(
        "ansible-playbook", "-vv", "-i", "inventory", *arguments, ANSIBLE_SSH_CONTROL_PATH_DIR=control_paths
    )
    assert done.returncode == 0, "\n".join(done.stdout.splitlines()[-40:])
    assert [line for line in done.stdout.splitlines() if line.startswith("[DEPRECATION")] == []
    tasks = re.findall(r"^task path: (.*):\d+$", done.stdout, re.MULTILINE)
    assert [path for path in tasks if not path.startswith(str(stranger.home))] == []
    return {host: int(changed) for host, _ok, changed, _unreachable, _failed in RECAP.findall(done.stdout)}


def test_one_role_alone_makes_a_translator(stranger: Stranger) -> None:
    assert play(stranger, "one_role.yml")["gateway"] > 0
    assert lab("run", "gateway", "--", "nat64ctl", "status", "nat64d").stdout.startswith("nat64d")
    assert play(stranger, "one_role.yml") == {"gateway": 0}


def test_the_collections_playbooks_make_and_prove_a_whole_gateway(stranger: Stranger) -> None:
    assert play(stranger, "nat64.gateway.gateway")["gateway"] > 0
    assert play(stranger, "nat64.gateway.verify") == {"gateway": 0, "client": 0}
    assert play(stranger, "nat64.gateway.gateway") == {"gateway": 0}


def test_the_collections_playbook_takes_it_back(stranger: Stranger) -> None:
    assert play(stranger, "nat64.gateway.uninstall")["gateway"] > 0
    assert play(stranger, "nat64.gateway.uninstall") == {"gateway": 0}
    assert lab("run", "gateway", "--", "sh", "-c", "command -v nat64d || echo none").stdout.strip() == "none"
