"""How the role `bundle` has a config checked on the controller."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "roles/bundle/files/check_config.py"
# Says the name of the config and what is in it, and that it was wrong.
COMMAND = "import sys; print(sys.argv[3], open(sys.argv[5]).read()); sys.exit(2)\n"


def archive(directory: Path, command: str = COMMAND) -> Path:
    program = directory / "nat64d"
    program.write_text(command)
    with tarfile.open(directory / "bundle.tar.gz", "w:gz") as tar:
        tar.add(program, "bin/nat64d")
    return directory / "bundle.tar.gz"


def check(bundle: Path, cache: Path, config: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(SCRIPT), str(bundle), "nat64d", "/etc/nat64/nat64.conf"]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    return subprocess.run(words, input=config, check=False, capture_output=True, text=True, env=environment)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The user's cache; not there yet."""
    return tmp_path / "cache"


def unpacked(cache: Path) -> list[Path]:
    return [path for path in (cache / "nat64-gateway").iterdir() if path.is_dir()]


def test_the_program_says_what_is_wrong_and_by_which_name(tmp_path: Path, cache: Path) -> None:
    ended = check(archive(tmp_path), cache, "frob")
    assert (ended.stdout, ended.returncode) == ("/etc/nat64/nat64.conf frob\n", 2)


def test_checks_at_the_same_time_share_one_unpacked_bundle(tmp_path: Path, cache: Path) -> None:
    bundle = archive(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda number: check(bundle, cache, f"config {number}"), range(8)))
    assert [each.stdout for each in ended] == [f"/etc/nat64/nat64.conf config {n}\n" for n in range(8)]
    assert len(unpacked(cache)) == 1


def test_what_is_unpacked_already_is_not_unpacked_again(tmp_path: Path, cache: Path) -> None:
    bundle = archive(tmp_path)
    check(bundle, cache, "")
    (only,) = unpacked(cache)
    before = (only / "bin/nat64d").stat().st_ino
    check(bundle, cache, "")
    assert (only / "bin/nat64d").stat().st_ino == before


def test_another_bundle_is_another_program_and_old_ones_go(tmp_path: Path, cache: Path) -> None:
    check(archive(tmp_path), cache, "")
    (old,) = unpacked(cache)
    os.utime(old, (0, 0))
    ended = check(archive(tmp_path, "print('another')\n"), cache, "")
    assert (ended.stdout, ended.returncode) == ("another\n", 0)
    assert len(unpacked(cache)) == 1
    assert not old.exists()


def test_what_a_killed_check_left_is_not_used(tmp_path: Path, cache: Path) -> None:
    bundle = archive(tmp_path)
    check(bundle, cache, "")
    (only,) = unpacked(cache)
    (only / "bin/nat64d").unlink()
    only.rename(only.with_name("part"))
    assert check(bundle, cache, "frob").returncode == 2


def test_without_a_cache_it_is_checked_all_the_same(tmp_path: Path) -> None:
    no_directory = tmp_path / "file"
    no_directory.touch()
    assert check(archive(tmp_path), no_directory, "frob").returncode == 2
