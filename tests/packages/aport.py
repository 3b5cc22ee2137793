"""The aport built by a stand-in for abuild, and its packages as the lab's stand-in for Alpine takes them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.packages.stand_in_repository import StandIn


def build_packages(aport: Path, directory: Path) -> Path:
    """Build the packages of an aport, each into a directory of its name in `directory`; return that."""
    directory.mkdir()
    command = ["busybox", "ash", str(Path(__file__).with_name("abuild.sh")), str(aport), str(directory)]
    # The Python of these tests has what makedepends name. It is not the stand-in's, where nothing is compiled then.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return directory


def stand_ins(packages: Path) -> list[StandIn]:
    """Return the packages as the stand-in's apk takes them."""
    made = []
    for tree in sorted(path for path in packages.iterdir() if path.is_dir()):
        info = (tree / ".PKGINFO").read_text(encoding="utf-8")
        said = dict(re.findall(r"^(pkgver|pkgdesc|install_if) = (.*)", info, re.MULTILINE))
        # The stand-in has no certificates of its own.
        needs = set(re.findall(r"^depend = ([^\s=]+)", info, re.MULTILINE)) - {"ca-certificates-bundle"}
        along = re.sub(r"=\S+", "", said.get("install_if", "")).split()
        made.append(StandIn(tree.name, said["pkgver"], tree, tuple(sorted(needs)), tuple(along)))
    return made
