"""The bundle: what it holds, that it runs from anywhere, and that the same tree gives the same bytes."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


def _build(archive: Path) -> Path:
    builder = PROJECT / "packaging" / "build_bundle.py"
    subprocess.run([sys.executable, builder, "--output", archive], check=True, stdout=subprocess.DEVNULL)
    return archive


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(tmp_path_factory.mktemp("bundle") / "nat64-bundle.tar.gz")


def test_the_same_tree_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    assert _build(tmp_path / "again.tar.gz").read_bytes() == bundle.read_bytes()


def test_the_digest_beside_the_archive_is_its_own(bundle: Path) -> None:
    digest, name = bundle.with_name(f"{bundle.name}.sha256").read_text().split()

    assert digest == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert name == bundle.name


def test_members_carry_no_owner_time_or_path_of_the_builder(bundle: Path) -> None:
    with tarfile.open(bundle) as archive:
        for member in archive.getmembers():
            assert (member.uid, member.gid, member.mtime, member.uname) == (0, 0, 0, "")
            assert re.match(r"(bin|lib)/", member.name)


@pytest.mark.parametrize("command", ["nat64d", "dns64d", "nat64ctl", "nat64-clat"])
def test_each_command_runs_from_an_unpacked_bundle(bundle: Path, tmp_path: Path, command: str) -> None:
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "--extract", "--file", bundle, "--directory", unpacked], check=True)
    link = tmp_path / command
    link.symlink_to(unpacked / "bin" / command)

    # -I, as the launcher's own first line says: the bundle must not see this environment's packages
    run = subprocess.run(
        [sys.executable, "-IS", link, "--version"], check=True, capture_output=True, text=True
    )

    assert run.stdout.startswith(f"{command} ")


def test_the_lock_holds_a_hash_for_every_dependency_of_the_project() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    lock = (PROJECT / "packaging" / "bundle.lock").read_text()

    for dependency in project["dependencies"]:
        name = re.split(r"[<>=~![ ]", dependency)[0]
        assert re.search(rf"^{name}==[\d.]+ \\\n +--hash=sha256:", lock, re.MULTILINE), name
