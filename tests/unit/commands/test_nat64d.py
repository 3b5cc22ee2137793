"""nat64d's command line, as far as it needs neither root nor a device."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nat64 import __version__
from nat64.commands.nat64d import main

if TYPE_CHECKING:
    from pathlib import Path

RIGHT = "tun-device nat64\nipv4-addr 192.168.240.1\nprefix 2001:db8:64::/96\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "nat64.conf"
    path.write_text(RIGHT)
    return path


def test_check_is_silent_about_a_right_config(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "-c", str(config)]) == 0
    assert capsys.readouterr() == ("", "")


def test_check_shows_warnings_and_succeeds(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(RIGHT + "strict-frag-hdr on\n")
    assert main(["--check", "-c", str(config)]) == 0
    assert capsys.readouterr().err.startswith(f"warning: {config}:4: ")


def test_check_shows_each_mistake_on_a_line(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(RIGHT + "one 1\ntwo 2\n")
    assert main(["--check", "-c", str(config)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{config}:4", f"{config}:5"]


def test_name_as_takes_the_files_place_in_mistakes(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("prefix 64:ff9b::/95\n" + RIGHT)
    assert main(["--check", "--name-as", "/etc/nat64/nat64.conf", "-c", str(config)]) == 2
    assert capsys.readouterr().err.startswith("/etc/nat64/nat64.conf:1: ")


@pytest.mark.parametrize("action", ["--check", "--mktun", "--rmtun", "-n"])
def test_a_config_that_cannot_be_read_is_told(
    action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([action, "-c", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path}/none: cannot be read: No such file or directory; ")


def test_an_unknown_user_is_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-n", "-c", str(config), "-u", "no-such-user"]) == 1
    assert capsys.readouterr().err == "nat64d: no user 'no-such-user'; create it, or give -u another one\n"


def test_chroot_without_a_directory_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-n", "-r", "-c", str(config)]) == 1
    assert capsys.readouterr().err == "nat64d: --chroot needs a directory; set data-dir in the config\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--version"])
    assert raised.value.code == 0
    assert capsys.readouterr().out == f"nat64d {__version__}\n"


def test_check_loads_nothing_heavy(config: Path) -> None:
    script = (
        "import sys; from nat64.commands.nat64d import main; "
        f"assert main(['--check', '-c', {str(config)!r}]) == 0; print(*sorted(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    heavy = {"asyncio", "ssl", "pyroute2", "logging", "subprocess", "ctypes", "logfmter", "dnslib"}
    assert heavy.intersection(loaded) == set()
    assert [name for name in loaded if name.startswith("nat64.device")] == []
