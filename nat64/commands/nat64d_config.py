"""How nat64d finds its config, at its start and at each reload."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nat64.config import tayga

if TYPE_CHECKING:
    from pathlib import Path

    from nat64.config.nat_config import NatConfig


def read_config(path: Path, name: str | None = None) -> NatConfig:
    """Read the config with what the environment and the machine add to it. Raises `ConfigError` and `OSError`."""
    return tayga.read(
        path,
        name,
        state_directory=os.environ.get("STATE_DIRECTORY"),
        cores=len(os.sched_getaffinity(0)),
    )


def unreadable(path: Path, error: OSError) -> str:
    """Return the line that tells why the config cannot be read."""
    return f"{path}: cannot be read: {error.strerror}; see its name, owner and mode (-c FILE gives another)"
