"""Lay out the collections that the playbooks name, in .venv: this checkout, and what galaxy.yml depends on.

The dependencies come from the PyPI package `ansible`, which carries them: no other server than the package index is
asked. Where they are laid, ansible.cfg looks first.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]
COLLECTIONS: Final = Path(sys.prefix) / "share" / "ansible" / "collections" / "ansible_collections"
OURS: Final = COLLECTIONS / "nat64" / "gateway"
# The release of `ansible` whose collections run with every ansible-core that galaxy.yml and pyproject.toml allow.
CARRIER: Final = "ansible>=12,<13"
DEPENDENCIES: Final = ("community/general",)


def link_this_checkout() -> None:
    """Make this checkout the collection nat64.gateway."""
    OURS.parent.mkdir(parents=True, exist_ok=True)
    if OURS.is_symlink() and OURS.resolve() == PROJECT:
        return
    OURS.unlink(missing_ok=True)
    OURS.symlink_to(PROJECT, target_is_directory=True)


def fetch_dependencies() -> None:
    """Take the collections that are missing out of the package that carries them."""
    missing = [name for name in DEPENDENCIES if not (COLLECTIONS / name / "MANIFEST.json").exists()]
    if not missing:
        return
    with tempfile.TemporaryDirectory() as directory:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*download, "--no-deps", "--dest", directory, CARRIER], check=True)
        (wheel,) = Path(directory).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            members = [
                member
                for member in archive.namelist()
                for name in missing
                if member.startswith(f"ansible_collections/{name}/")
            ]
            # The manifest last: where it is, the collection is whole.
            members.sort(key=lambda member: "MANIFEST.json" in member)
            archive.extractall(COLLECTIONS.parent, members)


if __name__ == "__main__":
    link_this_checkout()
    fetch_dependencies()
