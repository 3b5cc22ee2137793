"""The controllers that the collection is tested from: an ansible-core each, in an environment with nothing else in it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
ENVIRONMENTS = PROJECT / ".cache" / "ansible"


@dataclass(frozen=True)
class Controller:
    """A release of ansible-core, and the Python that runs it."""

    core: str
    python: str

    @property
    def bin(self) -> Path:
        return ENVIRONMENTS / self.core / "bin"

    def make(self) -> None:
        """Make the environment where there is none."""
        if (self.bin / "ansible-playbook").exists():
            return
        python = shutil.which(f"python{self.python}")
        if python is None or subprocess.run([python, "-c", "import venv"], check=False).returncode:
            message = (
                f"ansible-core {self.core} needs python{self.python}, which is not on PATH or does not run: "
            )
            raise LookupError(message + "install it, with its venv module")
        environment = self.bin.parent
        subprocess.run([python, "-m", "venv", "--clear", environment], check=True)
        pip = [str(self.bin / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"ansible-core=={self.core}"], check=True)

    def __str__(self) -> str:
        return f"ansible-core-{self.core}"


# The oldest that galaxy.yml allows, the last for Python 3.11, and the newest.
CONTROLLERS = [Controller("2.16.19", "3.11"), Controller("2.19.14", "3.11"), Controller("2.21.5", "3.13")]
