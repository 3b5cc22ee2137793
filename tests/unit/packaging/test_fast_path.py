"""The fast path's program in what is built: in it where clang is, and left out where it is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nat64.device.fast_path import program
from nat64.device.fast_path.errors import FastPathError

PROJECT = Path(__file__).parents[3]
BUILDER = PROJECT / "packaging" / "build_fast_path.py"


def _compile(output: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, BUILDER, "--output", output],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


@pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")
def test_the_wheel_carries_the_program_of_its_sources(tmp_path: Path) -> None:
    _compile(tmp_path / "compiled")

    pip = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, PROJECT], check=True)

    (wheel,) = tmp_path.glob("nat64-*-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        carried = archive.read("nat64/device/fast_path/fast_path.bpf.o")
    assert carried == (tmp_path / "compiled").read_bytes()


def test_without_clang_there_is_none_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "compiled").write_bytes(b"of an earlier build")

    run = _compile(tmp_path / "compiled", PATH="/nowhere")

    assert run.stderr == "fast path: clang is not installed, so there is none; apt-get install clang\n"
    assert not (tmp_path / "compiled").exists()


def test_a_build_without_it_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "OBJECT", "not-built.o")
    program.read_object.cache_clear()

    with pytest.raises(
        FastPathError, match=r"^this build of nat64 has no fast path, .*; build it with clang installed$"
    ):
        program.read_object()
