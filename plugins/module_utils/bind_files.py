# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""BIND's config files as they are without this collection's marks."""

from __future__ import annotations

import glob
from pathlib import Path

from ansible_collections.nat64.gateway.plugins.module_utils.bind_adoption import restored


def read(path: str) -> str:
    """Return a file's text; bytes that are no UTF-8 come back as they are when it is written."""
    return Path(path).read_bytes().decode("utf-8", "surrogateescape")


def read_unmarked(path: str) -> str:
    """Return a file's text as it was before a BIND was adopted."""
    return restored(read(path))


def expand(name: str) -> list[str]:
    """Return the files that an included name stands for, which may have wildcards."""
    # Path.glob takes no absolute pattern.
    return sorted(glob.glob(name)) if glob.has_magic(name) else [name]  # noqa: PTH207
