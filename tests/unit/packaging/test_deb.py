"""The Debian package's own files, which need none of Debian's tools, true to the roles and to the commands."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

PROJECT = Path(__file__).parents[3]
sys.path.insert(0, str(PROJECT / "packaging"))  # its scripts import one another from there

import build_bundle  # noqa: E402
import build_deb  # noqa: E402
from building import CannotBuild  # noqa: E402
from debian_copyright import copyright_file  # noqa: E402
from manuals import MANUALS  # noqa: E402

LOCK = PROJECT / "packaging" / "bundle.lock"


@pytest.mark.parametrize("user", ["nat64", "dns64"])
def test_the_package_makes_the_users_that_the_roles_make(user: str) -> None:
    tasks = YAML(typ="safe").load((PROJECT / "roles" / user / "tasks" / "install.yml").read_text())
    (made,) = [task["ansible.builtin.user"] for task in tasks if "ansible.builtin.user" in task]
    line = f'u {made["name"]} - "{made["comment"]}" {made["home"]} /usr/sbin/nologin'
    assert line in build_deb.SYSUSERS.splitlines()
    for group in made.get("groups", []):
        assert f"m {user} {group}" in build_deb.SYSUSERS.splitlines()


@pytest.mark.parametrize(
    ("command", "manual"),
    [
        ("nat64d", "nat64d.8"),
        ("dns64d", "dns64d.8"),
        ("nat64ctl", "nat64ctl.1"),
        ("nat64-clat", "nat64-clat.8"),
    ],
)
def test_a_manual_page_has_every_option_and_command(command: str, manual: str) -> None:
    page = (PROJECT / MANUALS[manual]).read_text()
    program = Path(sys.executable).with_name(command)
    said = subprocess.run([program, "--help"], check=True, capture_output=True, text=True).stdout
    words = set(re.findall(r"^  (?:  )?(-[-\w]+|[a-z][-a-z]+)\b", said, re.MULTILINE))
    words |= set(re.findall(r", (--?[-\w]+)", said))
    missing = {word for word in words if not re.search(rf"`{re.escape(word)}[`\[ ]", page)}
    assert missing == set()


def test_the_copyright_file_has_every_package_of_the_lock() -> None:
    archive = build_bundle.ARCHIVE
    with tarfile.open(archive) as bundle:
        members = {
            member.name: content.read()
            for member in bundle.getmembers()
            if ".dist-info/" in member.name and (content := bundle.extractfile(member))
        }
    text = copyright_file(members)
    stanzas = [paragraph for paragraph in text.split("\n\n") if paragraph.lstrip("\n").startswith("Files: ")]
    for name in re.findall(r"^([a-z0-9-]+)==", LOCK.read_text(), re.MULTILINE):
        (own,) = [
            stanza for stanza in stanzas if re.search(rf"Files: lib/{name.replace('-', '.')}\*", stanza)
        ]
        assert re.search(r"^Copyright: \S+", own, re.MULTILINE)
        assert re.search(r"^License: \S+", own, re.MULTILINE)


@pytest.mark.parametrize(
    ("python", "debian"), [("0.1.0", "0.1.0"), ("0.2.0.dev3", "0.2.0~dev3"), ("1.0rc1", "1.0~rc1")]
)
def test_development_versions_are_older_than_their_release_to_debian(python: str, debian: str) -> None:
    assert build_deb.debian_version(python) == debian


def test_without_a_tool_the_build_says_which_package_brings_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotBuild, match="apt-get install debhelper dpkg-dev pandoc"):
        build_deb.check_tools()


def test_every_tool_is_in_the_list_that_make_installs() -> None:
    listed = (PROJECT / "packaging" / "requirements-debian.txt").read_text()
    assert set(build_deb.TOOLS.values()) <= set(re.findall(r"^([a-z][-a-z0-9]+)", listed, re.MULTILINE))


@pytest.mark.parametrize(
    "script", ["nat64.postinst", "nat64.prerm", "nat64.postrm", "runtime.d/nat64.rtupdate"]
)
def test_the_packages_scripts_are_sound_shell(script: str) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run(
        [shellcheck, PROJECT / "packaging" / "debian" / script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
