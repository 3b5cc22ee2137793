"""What a stranger has: the archive, an ansible-core, and an empty place to install to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.collection.controllers import CONTROLLERS, PROJECT, Controller

DEPENDENCY = Path(sys.prefix) / "share/ansible/collections/ansible_collections/community/general"


@dataclass(frozen=True)
class Stranger:
    """Somebody with a controller and a directory of their own, to whom this checkout is unknown."""

    controller: Controller
    home: Path

    @property
    def collections(self) -> Path:
        return self.home / "collections"

    @property
    def gateway_collection(self) -> Path:
        return self.collections / "ansible_collections" / "nat64" / "gateway"

    def run(
        self, *command: str | Path, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the controller; what it says comes back, its errors among it."""
        name, *arguments = command
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "PYTHON", "VIRTUAL_"))
        }
        return subprocess.run(
            [self.controller.bin / name, *arguments],
            cwd=cwd or self.home,
            env=kept
            | {
                "HOME": str(self.home),
                "PATH": f"{self.controller.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
                "ANSIBLE_ROLES_PATH": "",
                "ANSIBLE_NOCOLOR": "1",
            }
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the collection's archive."""
    directory = tmp_path_factory.mktemp("archive")
    builder = PROJECT / "packaging" / "build_collection.py"
    subprocess.run([sys.executable, builder, "--directory", directory], check=True)
    (built,) = directory.glob("*.tar.gz")
    return built


@pytest.fixture(scope="module", params=CONTROLLERS, ids=str)
def stranger(
    request: pytest.FixtureRequest, archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> Stranger:
    """Install the archive where nothing was before but what it depends on."""
    controller: Controller = request.param
    try:
        controller.make()
    except LookupError as reason:
        pytest.fail(str(reason))
    somebody = Stranger(controller, tmp_path_factory.mktemp("stranger"))
    shutil.copytree(DEPENDENCY, somebody.collections / "ansible_collections" / "community" / "general")
    install = ("ansible-galaxy", "collection", "install", "--offline", "-p", somebody.collections)
    done = somebody.run(*install, archive)
    assert done.returncode == 0, done.stdout
    return somebody
