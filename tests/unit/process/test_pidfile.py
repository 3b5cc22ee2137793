"""The pid file's life."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nat64.process.errors import ProcessError
from nat64.process.pidfile import pidfile

if TYPE_CHECKING:
    from pathlib import Path


def test_it_holds_the_process_number_while_the_daemon_runs(tmp_path: Path) -> None:
    path = tmp_path / "nat64d.pid"

    with pidfile(path):
        assert path.read_text() == f"{os.getpid()}\n"
    assert not path.exists()


def test_it_is_removed_after_a_failure_too(tmp_path: Path) -> None:
    path = tmp_path / "nat64d.pid"

    with pytest.raises(ZeroDivisionError), pidfile(path):
        raise ZeroDivisionError
    assert not path.exists()


def test_one_that_somebody_removed_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "nat64d.pid"

    with pidfile(path):
        path.unlink()


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(ProcessError, match="make its directory writable"),
        pidfile(tmp_path / "missing" / "nat64d.pid"),
    ):
        pass
