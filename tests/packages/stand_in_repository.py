"""Packages of ours as the lab's stand-ins for apk and emerge take them, in a repository beside their own."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class StandIn:
    """A package."""

    name: str
    version: str
    tree: Path
    """Its files, and what else stands in an archive: lab/images/stand-in tells."""
    needs: tuple[str, ...] = ()
    along: tuple[str, ...] = ()
    """What brings it along, when all of it is there."""
    install: str = ""
    """A script that runs once it is unpacked."""


def write_repository(packages: Iterable[StandIn], directory: Path) -> None:
    """Write a repository in the place of what is there."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    index = []
    for package in packages:
        archive = directory / f"{package.name.replace('/', '_')}-{package.version}.tar.gz"
        _write_archive(package, archive)
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        fields = (package.name, package.version, digest, archive.name, " ".join(package.needs), "of ours")
        index.append("|".join((*fields, " ".join(package.along))) + "\n")
    (directory / "index").write_text("".join(index), encoding="utf-8")


def _write_archive(package: StandIn, archive: Path) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(package.tree.rglob("*")):
            if path.name != ".PKGINFO":
                tar.add(path, str(path.relative_to(package.tree)), recursive=False, filter=_as_roots)
        if package.install:
            script = package.install.encode()
            member = tarfile.TarInfo(".install")
            member.size = len(script)
            tar.addfile(member, io.BytesIO(script))


def _as_roots(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
