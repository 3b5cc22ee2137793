"""Forwarding between uplink and translator, without losing the uplink's own default route.

The kernel forwards IPv6 only where all interfaces do, and one that lives by router advertisements takes no more of them then
unless its accept_ra is 2 (Documentation/networking/ip-sysctl.rst). So that goes first, and comes back last.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from nat64.clat.errors import ClatError

SETTINGS: Final = Path("/proc/sys/net/ipv6/conf")

_BY_ADVERTISEMENTS: Final = "1"
_ALSO_AS_ROUTER: Final = "2"
_ON: Final = "1"


class Forwarding:
    """Turns forwarding on and sets it back. `kept` is a file where what was before outlives this process."""

    def __init__(self, kept: Path, settings: Path = SETTINGS) -> None:
        self._kept = kept
        self._settings = settings

    def turn_on(self) -> list[str]:
        """Turn on what is off, and return what was changed, as ``name=value``. Raises `ClatError`.

        An interface that came since the last time is seen to as well; one that takes no advertisements, as where a network
        manager does so itself, is left as it is.
        """
        was = self._before()
        accept = {
            f"{path.parent.name}/accept_ra": _ALSO_AS_ROUTER
            for path in sorted(self._settings.glob("*/accept_ra"))
            if path.parent.name != "all" and _read(path) == _BY_ADVERTISEMENTS
        }
        wanted = accept | {"all/proxy_ndp": _ON, "all/forwarding": _ON}
        changes = {name: value for name, value in wanted.items() if _read(self._settings / name) != value}
        if not changes:
            return []
        was = {name: _read(self._settings / name) for name in changes} | was
        self._keep(was)
        for name, value in changes.items():
            self._write(name, value)
        return [f"{name}={value}" for name, value in changes.items()]

    def turn_back(self) -> None:
        """Set back what was changed, forwarding first. Raises `ClatError`."""
        was = self._before()
        for name in sorted(was, key=lambda name: name != "all/forwarding"):
            if (self._settings / name).exists():
                self._write(name, was[name])
        self._kept.unlink(missing_ok=True)

    def _before(self) -> dict[str, str]:
        try:
            found = json.loads(self._kept.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}

    def _keep(self, was: dict[str, str]) -> None:
        try:
            self._kept.write_text(json.dumps(was), encoding="utf-8")
        except OSError as error:
            raise ClatError(
                f"cannot write {self._kept}: {error.strerror}; make its directory writable"
            ) from None

    def _write(self, name: str, value: str) -> None:
        try:
            (self._settings / name).write_text(value, encoding="ascii")
        except OSError as error:
            raise ClatError(
                f"cannot set {self._settings / name} to {value}: {error.strerror}; run as root, and let /proc/sys/net be written"
            ) from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
