"""Debian's TAYGA, the peer: its package unpacked into the project's cache, never installed, so no service starts."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.lab.namespaces import Namespace

_CACHE: Final = Path(__file__).parents[2] / ".cache" / "tayga"


class TaygaUnavailableError(Exception):
    """Debian's package could not be fetched."""


def unpacked() -> Path:
    """Return the directory that Debian's package is unpacked in, fetched when it is not there yet.

    Raises `TaygaUnavailableError` with what apt or dpkg said.
    """
    if _CACHE.is_dir():
        return _CACHE
    _CACHE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE.parent, prefix="tayga-") as directory:
        _run("apt-get", "download", "-q=2", "tayga", where=directory)
        (package,) = Path(directory).glob("tayga_*.deb")
        tree = Path(directory, "tree")
        _run("dpkg-deb", "--extract", str(package), str(tree), where=directory)
        (tree / "version").write_text(package.name.split("_")[1] + "\n", encoding="ascii")
        with contextlib.suppress(OSError):  # another test was faster
            tree.rename(_CACHE)  # whole or not at all
    return _CACHE


def program() -> Path:
    """Return TAYGA's program."""
    return unpacked() / "usr" / "sbin" / "tayga"


def version() -> str:
    """Return the version of the package."""
    return (unpacked() / "version").read_text(encoding="ascii").strip()


def bring_up(namespace: Namespace, device: str, *routes: str) -> None:
    """Do what Debian's init script does for a device that ``tayga --mktun`` made."""
    namespace.run("ip", "link", "set", device, "up")
    for route in routes:
        namespace.run("ip", "route", "add", route, "dev", device)


def _run(*command: str, where: str) -> None:
    try:
        subprocess.run(command, cwd=where, check=True, capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        raise TaygaUnavailableError(f"there is no {command[0]}: TAYGA comes from a Debian mirror") from None
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", None) or str(error)).strip()
        raise TaygaUnavailableError(
            f"cannot get Debian's TAYGA; try `{' '.join(command)}` (and apt-get update): {said}"
        ) from None
