"""The index that makes a directory of .deb files a repository for apt (flat, unsigned)."""

import email.utils
import hashlib
import subprocess
from pathlib import Path


def write_index(directory: Path) -> None:
    """Write `Packages` and `Release` for the .deb files in `directory`."""
    packages = "".join(f"{_entry(deb)}\n" for deb in sorted(directory.glob("*.deb")))
    index = directory / "Packages"
    index.write_text(packages, encoding="utf-8")
    digest = hashlib.sha256(packages.encode()).hexdigest()
    date = email.utils.formatdate(index.stat().st_mtime, usegmt=True)
    (directory / "Release").write_text(
        f"Origin: nat64 lab\nDate: {date}\nSHA256:\n {digest} {index.stat().st_size} Packages\n",
        encoding="utf-8",
    )


def _entry(deb: Path) -> str:
    control = subprocess.run(["dpkg-deb", "--field", deb], check=True, capture_output=True, text=True).stdout
    with deb.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{control}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"
