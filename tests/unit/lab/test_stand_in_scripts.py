"""The scripts of the stand-ins, by shellcheck for the shell that runs them there."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab.recipe import IMAGES

# Read or set by what includes the script: OpenRC, packages.sh, conf.d; and files that only the host has.
_ELSEWHERE = "SC1091,SC2034,SC2154"


def scripts() -> list[Path]:
    heads = ("#!/bin/sh", "#!/sbin/openrc-run", "# What the stand-ins for apk")
    return sorted(
        path
        for path in IMAGES.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and (path.name == "install" or path.read_text(encoding="utf-8").startswith(heads))
    )


@pytest.mark.parametrize("script", scripts(), ids=lambda path: str(path.relative_to(IMAGES)))
def test_a_script_is_right_for_its_shell(script: Path) -> None:
    # Gentoo's /bin/sh is bash, and what it shares with Alpine runs in busybox's ash as well.
    shell = "bash" if script.relative_to(IMAGES).parts[0].startswith("gentoo") else "busybox"
    shellcheck = Path(sys.executable).with_name("shellcheck")
    command = [str(shellcheck), f"--shell={shell}", f"--exclude={_ELSEWHERE}", str(script)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
