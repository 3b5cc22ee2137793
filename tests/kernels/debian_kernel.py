"""A kernel of a Debian release: its package unpacked into the project's cache, never installed."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab import debian_sources

_CACHE: Final = Path(__file__).parents[2] / ".cache" / "kernels"


class KernelUnavailableError(Exception):
    """A kernel could not be fetched."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that is unpacked in `tree`; `version` is what ``uname -r`` says of it."""

    tree: Path
    version: str

    @property
    def image(self) -> Path:
        """What boots."""
        return self.tree / "boot" / f"vmlinuz-{self.version}"

    @property
    def modules(self) -> Path:
        """The directory that stands for ``/lib/modules``."""
        return self.tree / "lib" / "modules"

    def in_order(self, *names: str) -> list[Path]:
        """Return the files of these modules and of what they need, in the order in which they are to be loaded."""
        found: dict[Path, None] = {}
        for name in names:
            command = ("modprobe", "-d", str(self.tree), "-S", self.version, "--show-depends", name)
            for line in _run(*command).splitlines():
                kind, _, path = line.strip().partition(" ")
                if kind == "insmod":
                    found[Path(path)] = None
        return list(found)


def of_release(release: str) -> Kernel:
    """Return the newest kernel of a release, fetched when it is not there yet. Raises `KernelUnavailableError`."""
    tree = _CACHE / release
    if not tree.is_dir():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE, prefix=f"{release}-") as directory:
            _fetch(release, Path(directory)).rename(tree)  # whole or not at all
    image = next((tree / "boot").glob("vmlinuz-*"))
    return Kernel(tree, image.name.removeprefix("vmlinuz-"))


def _fetch(release: str, directory: Path) -> Path:
    """Unpack the kernel below `directory`, which holds apt's own state, too, and return the tree."""
    (directory / "sources.list").write_text(
        "\n".join(debian_sources.sources(release)) + "\n", encoding="ascii"
    )
    for name in ("lists", "cache"):
        (directory / name / "partial").mkdir(parents=True)
    apt = (
        *("-o", f"Dir::State::Lists={directory}/lists", "-o", f"Dir::Cache={directory}/cache"),
        *("-o", f"Dir::Etc::SourceList={directory}/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null"),
    )
    _run("apt-get", *apt, "-q=2", "-o", "APT::Sandbox::User=root", "update")
    architecture = _run("dpkg", "--print-architecture").strip()
    wanted = _run("apt-cache", *apt, "show", "--no-all-versions", f"linux-image-{architecture}")
    package = re.search(r"^Depends: (linux-image-\S+)", wanted, re.MULTILINE)
    if package is None:
        raise KernelUnavailableError(f"{release} has no linux-image-{architecture}; name another release")
    _run("apt-get", *apt, "-q=2", "-o", "APT::Sandbox::User=root", "download", package[1], where=directory)
    (archive,) = directory.glob("linux-image-*.deb")
    tree = directory / "tree"
    _run("dpkg-deb", "--extract", str(archive), str(tree))
    if not (tree / "lib").exists():  # merged /usr
        (tree / "lib").symlink_to("usr/lib")
    (version,) = (each.name for each in (tree / "lib" / "modules").iterdir())
    _run("depmod", "-b", str(tree), version)
    return tree


def _run(*command: str, where: Path | None = None) -> str:
    try:
        return subprocess.run(
            command, cwd=where, check=True, capture_output=True, text=True, timeout=300
        ).stdout
    except FileNotFoundError:
        raise KernelUnavailableError(f"there is no {command[0]}; run `make kernels` on Debian") from None
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", None) or str(error)).strip()
        raise KernelUnavailableError(f"`{' '.join(command)}` failed: {said}") from None
