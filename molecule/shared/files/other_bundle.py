# ruff: noqa: INP001 - a program
"""Make of a bundle another one, whose commands call themselves by another version.

    other_bundle.py ARCHIVE OTHER

Beside OTHER stands its digest, as beside every bundle.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
import tarfile
from pathlib import Path

VERSIONED = "lib/nat64/__init__.py"
VERSION = b'__version__ = "999.0"'


def main(archive: str, other: str) -> None:
    """Write the other bundle and its digest."""
    with tarfile.open(archive) as source, tarfile.open(other, "w:gz") as target:
        for member in source:
            content = source.extractfile(member)
            data = content.read() if content else b""
            if member.name == VERSIONED:
                data = re.sub(rb"(?m)^__version__ = .*$", VERSION, data)
                member.size = len(data)
            target.addfile(member, io.BytesIO(data))
    digest = hashlib.sha256(Path(other).read_bytes()).hexdigest()
    Path(f"{other}.sha256").write_text(f"{digest}  {Path(other).name}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
