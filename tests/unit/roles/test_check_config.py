"""How the role `bundle` has a config checked on the controller."""

from __future__ import annotations

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


def check(bundle: Path, directory: Path, config: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(SCRIPT), str(bundle), "nat64d", "/etc/nat64/nat64.conf", str(directory)]
    return subprocess.run(words, input=config, check=False, capture_output=True, text=True)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The directory that Ansible has for a run."""
    directory = tmp_path / "run"
    directory.mkdir()
    return directory


def unpacked(run: Path) -> list[Path]:
    return [path for path in run.iterdir() if path.is_dir()]


def test_the_program_says_what_is_wrong_and_by_which_name(tmp_path: Path, run: Path) -> None:
    ended = check(archive(tmp_path), run, "frob")
    assert (ended.stdout, ended.returncode) == ("/etc/nat64/nat64.conf frob\n", 2)


def test_checks_at_the_same_time_share_one_unpacked_bundle(tmp_path: Path, run: Path) -> None:
    bundle = archive(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda number: check(bundle, run, f"config {number}"), range(8)))
    assert [each.stdout for each in ended] == [f"/etc/nat64/nat64.conf config {n}\n" for n in range(8)]
    assert len(unpacked(run)) == 1


def test_what_is_unpacked_already_is_not_unpacked_again(tmp_path: Path, run: Path) -> None:
    bundle = archive(tmp_path)
    check(bundle, run, "")
    (only,) = unpacked(run)
    before = (only / "bin/nat64d").stat().st_ino
    check(bundle, run, "")
    assert (only / "bin/nat64d").stat().st_ino == before


def test_another_bundle_is_another_program(tmp_path: Path, run: Path) -> None:
    check(archive(tmp_path), run, "")
    ended = check(archive(tmp_path, "print('another')\n"), run, "")
    assert (ended.stdout, ended.returncode) == ("another\n", 0)


def test_what_a_killed_check_left_is_not_used(tmp_path: Path, run: Path) -> None:
    bundle = archive(tmp_path)
    check(bundle, run, "")
    (only,) = unpacked(run)
    (only / "bin/nat64d").unlink()
    only.rename(f"{only}.part")
    assert check(bundle, run, "frob").returncode == 2
