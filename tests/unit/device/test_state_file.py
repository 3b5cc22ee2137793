"""State files: the old content or the whole new one."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from nat64.device.errors import DeviceError
from nat64.device.state_file import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path)
    assert directory.read("leases") is None
    directory.write("leases", "one")
    directory.write("leases", "two")
    assert directory.read("leases") == "two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["leases"]
    assert stat.S_IMODE((tmp_path / "leases").stat().st_mode) & 0o007 == 0


def test_a_failed_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = StateDirectory(tmp_path)
    directory.write("leases", "old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        directory.write("leases", "new")
    assert directory.read("leases") == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["leases"]


def test_what_a_crash_left_is_no_hindrance(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / ".leases.new").symlink_to(elsewhere)
    StateDirectory(tmp_path).write("leases", "new")
    assert (tmp_path / "leases").read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["leases"]


def test_content_is_on_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order that makes a crash at any moment harmless: write, fsync, rename, fsync of the directory."""
    steps: list[str] = []
    directory = StateDirectory(tmp_path)
    fsync, rename = os.fsync, os.rename

    def note_fsync(fd: int) -> None:
        steps.append("sync directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "sync file")
        fsync(fd)

    def note_rename(source: str, target: str, **directories: int) -> None:
        steps.append("rename")
        rename(source, target, **directories)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    directory.write("leases", "new")
    assert steps == ["sync file", "rename", "sync directory"]


def test_the_directory_is_reached_after_it_was_renamed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    directory = StateDirectory(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    directory.write("leases", "x")
    directory.close()
    assert (tmp_path / "b" / "leases").read_text() == "x"


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="No such file or directory; create it"):
        StateDirectory(tmp_path / "none")
