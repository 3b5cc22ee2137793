"""What Alpine's abuild and Gentoo's emerge take: light checks, without either."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

PROJECT = Path(__file__).parents[3]
sys.path.insert(0, str(PROJECT / "packaging"))  # its scripts import one another from there

import build_sources  # noqa: E402

ALPINE = PROJECT / "packaging" / "alpine"
GENTOO = PROJECT / "packaging" / "gentoo"
# What APKBUILDs set for abuild, and take from it; `local` is all that busybox has beyond POSIX.
APKBUILD_IS_SOURCED = "SC2034,SC2154,SC2155,SC3043"


@pytest.mark.parametrize(
    ("python", "theirs"),
    [("0.1.0", "0.1.0"), ("0.2.0.dev3", "0.2.0_pre3"), ("1.0rc1", "1.0_rc1"), ("1.0a2", "1.0_alpha2")],
)
def test_development_versions_are_older_than_their_release(python: str, theirs: str) -> None:
    assert build_sources.ordered_version(python) == theirs


def test_the_aport_names_its_source_by_version_and_digest(tmp_path: Path) -> None:
    archive = tmp_path / "nat64-1.2.3.tar.gz"
    archive.write_bytes(b"sources")
    build_sources.write_aport(tmp_path / "alpine", "1.2.3", archive)
    text = (tmp_path / "alpine/APKBUILD").read_text()
    assert re.search(r"^pkgver=1\.2\.3$", text, re.MULTILINE)
    sums = text.rpartition('sha512sums="')[2].strip(' "\n')
    check = ["sha512sum", "--check", "--strict", "--quiet"]
    subprocess.run(check, input=f"{sums}\n", text=True, check=True, cwd=tmp_path / "alpine")


def test_the_ebuild_is_named_by_its_version_and_its_source_by_digest(tmp_path: Path) -> None:
    archive = tmp_path / "nat64-1.2.3.tar.gz"
    archive.write_bytes(b"sources")
    build_sources.write_repository(tmp_path / "gentoo", "1.2.3", archive)
    package = tmp_path / "gentoo/net-proxy/nat64"
    assert {path.name for path in package.iterdir()} == {"Manifest", "metadata.xml", "nat64-1.2.3.ebuild"}
    said = (package / "Manifest").read_text().split()
    digest = subprocess.run(["sha512sum", archive], capture_output=True, text=True, check=True).stdout
    assert said[:3] == ["DIST", archive.name, "7"]
    assert said[said.index("SHA512") + 1] == digest.split()[0]


def shellchecked(script: Path, *options: str) -> str:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, *options, script], capture_output=True, text=True, check=False)
    return done.stdout


def test_the_apkbuild_is_sound_for_busybox() -> None:
    aport = ALPINE / "APKBUILD"
    assert shellchecked(aport, "--shell=busybox", f"--exclude={APKBUILD_IS_SOURCED}") == ""
    busybox = shutil.which("busybox")
    if busybox:
        subprocess.run([busybox, "ash", "-n", aport], check=True)


def test_every_script_of_the_aport_is_named_in_it_and_is_there() -> None:
    named = re.search(r'^install="([^"]+)"', (ALPINE / "APKBUILD").read_text(), re.MULTILINE)
    assert named is not None
    scripts = {word.replace("$pkgname", "nat64") for word in named[1].split()}
    assert scripts == {path.name for path in ALPINE.iterdir()} - {"APKBUILD"}


@pytest.mark.parametrize("ebuild", sorted(GENTOO.glob("*/*/*.ebuild")), ids=lambda path: path.stem)
def test_an_ebuild_is_sound_bash_of_eapi_8(ebuild: Path) -> None:
    subprocess.run(["bash", "-n", ebuild], check=True)
    assert re.search(r"^EAPI=8$", ebuild.read_text(), re.MULTILINE)


@pytest.mark.parametrize("user", ["nat64", "dns64"])
def test_all_packages_make_the_users_that_the_roles_make(user: str) -> None:
    tasks = YAML(typ="safe").load((PROJECT / "roles" / user / "tasks" / "install.yml").read_text())
    (made,) = [task["ansible.builtin.user"] for task in tasks if "ansible.builtin.user" in task]
    group, further = made["group"], made.get("groups", [])
    alpine = (ALPINE / "nat64.pre-install").read_text()
    assert f'-h {made["home"]} -s /sbin/nologin -G {group} -g "{made["comment"]}" {user} ' in alpine
    gentoo = (GENTOO / f"acct-user/{user}/{user}-0.ebuild").read_text()
    assert f'DESCRIPTION="{made["comment"]}"' in gentoo
    assert f"ACCT_USER_GROUPS=( {' '.join([group, *further])} )" in gentoo
    for each in further:
        assert f"addgroup {user} {each} " in alpine
