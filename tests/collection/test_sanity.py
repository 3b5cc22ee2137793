"""`ansible-test sanity` has nothing to say of the collection, as it is installed."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.collection.controllers import ENVIRONMENTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.collection.conftest import Stranger
    from tests.collection.controllers import Controller

# ansible-test makes environments of its own the first time, from the package index.
pytestmark = pytest.mark.timeout(900)

# ansible-test gets pip from a server of Ansible's. Python brings one itself.
BOOTSTRAP = """\
import runpy
import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
sys.argv[1:] = ["install", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
WHICH_PIP = """\
from types import SimpleNamespace
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(SimpleNamespace(version="{python}"))["pip"])
"""


def sanity_home(controller: Controller) -> Path:
    """Return a home directory where ansible-test finds how to get pip, and keeps its environments."""
    command = [str(controller.bin / "python"), "-c", WHICH_PIP.format(python=controller.python)]
    version = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    home = ENVIRONMENTS / f"sanity-{controller.core}"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(BOOTSTRAP)
    return home


def test_sanity(stranger: Stranger) -> None:
    done = stranger.run(
        "ansible-test",
        "sanity",
        "--requirements",
        "--color",
        "no",
        "--python",
        stranger.controller.python,
        cwd=stranger.gateway_collection,
        HOME=str(sanity_home(stranger.controller)),
    )
    findings = [line for line in done.stdout.splitlines() if line.startswith(("ERROR", "FATAL"))]
    assert done.returncode == 0, "\n".join(findings or done.stdout.splitlines()[-20:])
