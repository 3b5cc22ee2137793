# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""What a gateway is made from on the controller, in one digest."""

from __future__ import annotations

DOCUMENTATION = r"""
name: source_digest
version_added: 0.2.0
short_description: Digest the files that gateways are made from
description:
  - Returns one digest of the names and the contents of all files below each of the given paths, on the controller.
  - Links are followed. What Python compiles (C(__pycache__)) does not count.
author: The nat64 authors (!UNKNOWN)
options:
  _terms:
    description: Files, and directories with all that is below them.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Tell roles from those of the last run
  ansible.builtin.debug:
    msg: "{{ lookup('nat64.gateway.source_digest', role_path) }}"
"""

RETURN = r"""
_raw:
  description: The digest, SHA-256 in hexadecimal digits.
  type: list
  elements: str
"""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

if TYPE_CHECKING:
    from collections.abc import Iterator


def files(path: Path) -> Iterator[Path]:
    """Return the file, or those below the directory, in an order of their own."""
    if path.is_file():
        yield path
    for directory, names, found in os.walk(path, followlinks=True):
        names[:] = sorted(name for name in names if name != "__pycache__")
        yield from (Path(directory, name) for name in sorted(found))


def digest(paths: list[Path]) -> str:
    """Digest names and contents; a path without a file is an error, which is raised as OSError."""
    whole = hashlib.sha256()
    for path in paths:
        path.stat()
        for file in files(path):
            whole.update(f"{file.relative_to(path)}\0".encode())
            whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core has no types
    """What Ansible looks for."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: object) -> list[str]:
        """Return the digest as the only result."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [digest([Path(str(term)) for term in terms])]
        except OSError as reason:
            raise AnsibleLookupError(
                f"source_digest: {reason.filename}: {reason.strerror}; name a file or a directory of the controller"
            ) from reason
