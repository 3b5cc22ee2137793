"""dns64d's command line: totd's options, checking a config, and what a start costs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nat64 import __version__
from nat64.commands.dns64d import main

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "forwarder 192.0.2.53\nprefix 64:ff9b::/96\nallow-query 2001:db8::/32\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "dns64.conf"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_check_is_silent_about_a_good_config(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "-c", str(config)]) == 0
    assert capsys.readouterr() == ("", "")


def test_check_tells_each_mistake_under_the_name_it_is_given(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("forwarder x\nprefix y\n", encoding="utf-8")
    assert main(["--check", "--name-as", "/etc/nat64/dns64.conf", "-c", str(config)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["/etc/nat64/dns64.conf:1", "/etc/nat64/dns64.conf:2"]


def test_check_tells_warnings_and_succeeds(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(f"{GOOD}allow ::1\n", encoding="utf-8")
    assert main(["--check", "-c", str(config)]) == 0
    assert capsys.readouterr().err.startswith(f"warning: {config}:4: 'allow' opened totd's web server")


def test_a_config_that_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "-c", str(tmp_path / "none")]) == 2
    error = capsys.readouterr().err
    assert (
        error == f"{tmp_path}/none: cannot be read: No such file or directory; give the config with -c FILE\n"
    )


@pytest.mark.parametrize(
    "options",
    ["-64 -d2 -p 5353", "-6 -no4", "-no6 -4", "-d -q", "-u nobody -g nogroup -t /srv/dns64", "-n"],
)
def test_totds_options_are_understood(config: Path, options: str) -> None:
    assert main([*options.split(), "--check", "-c", str(config)]) == 0


@pytest.mark.parametrize(
    "options", ["-no4 -no6", "-p http", "-p 65536", "--name-as /etc/x -p 1 -n", "-http-port 80", "--chek"]
)
def test_wrong_usage_is_told_with_status_2(
    config: Path, options: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*options.split(), "-c", str(config)])
    assert caught.value.code == 2
    assert "dns64d: error: " in capsys.readouterr().err


@pytest.mark.parametrize("option", ["-v", "--version"])
def test_version(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([option])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"dns64d {__version__}\n"


def test_check_loads_nothing_heavy(config: Path) -> None:
    script = f"""
import sys
from nat64.commands.dns64d import main
assert main(["--check", "-c", {str(config)!r}]) == 0
print([name for name in ("asyncio", "dnslib", "pyroute2", "ssl", "logfmter") if name in sys.modules])
"""
    printed = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout
    assert printed == "[]\n"


def test_a_user_that_does_not_exist_is_one_line(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["-n", "-c", str(config), "-p", "5399", "-u", "no-such-user"]) == 1
    assert capfd.readouterr().err == "dns64d: no user 'no-such-user'; create it, or give -u another one\n"
