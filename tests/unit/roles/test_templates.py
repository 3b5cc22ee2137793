"""What lands on a host: what holds for the templates of all roles."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.roles.rendering import INIT_SCRIPTS, PROJECT, TEMPLATES, UNITS, render

needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


def test_each_role_reaches_its_templates_by_a_link() -> None:
    for directory in (PROJECT / "templates").iterdir():
        link = PROJECT / "roles" / directory.name / "templates"
        assert os.readlink(link) == f"../../templates/{directory.name}"  # noqa: PTH115 - the text of the link


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_a_template_begins_with_who_manages_the_file(template: Path) -> None:
    lines = (PROJECT / "templates" / template).read_text().splitlines()
    first = lines[1 if lines[0].startswith("#!") else 0]
    assert re.fullmatch(r"\{\{ ansible_managed \| comment(\('cblock'\))? \}\}", first)


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_a_template_renders_with_the_defaults(template: Path) -> None:
    text = render(template)
    assert "Ansible managed" in text
    assert "{{" not in text
    assert "{%" not in text
    assert text.endswith("\n")


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_a_role_writes_every_template(template: Path) -> None:
    role = PROJECT / "roles" / template.parts[0]
    written = re.compile(
        rf"src: {re.escape(template.name)}$|template', '{re.escape(template.name)}'", re.MULTILINE
    )
    assert any(written.search(tasks.read_text()) for tasks in (role / "tasks").glob("*.yml"))


# Nothing on a host can check these, but reading them for good.
UNCHECKABLE = {
    "dns64/dns64d.logrotate.j2": "it may lie there before logrotate does",
    "client/resolv.conf.j2": "a list of addresses, which preflight has checked",
    "client/resolved.conf.j2": "systemd-resolved checks no file before it reads it",
    "nat64/modules-load.conf.j2": "a list of modules",
    "nat64/nat64.network.j2": "networkd checks no file before it reads it",
    "nat64/networkmanager.conf.j2": "NetworkManager checks no file before it reads it",
    "failover/conntrackd.conf.j2": "conntrackd knows no dry run",
    "nat64/sysctl.conf.j2": "sysctl knows no dry run",
    "nat64/tmpfiles.conf.j2": "systemd-tmpfiles knows no dry run before systemd 256",
    "nat44/nftables-drop-in.conf.j2": "a part of a unit",
    "resolver/drop-in.conf.j2": "a part of a unit",
    "resolver/adopted.conf.j2": "a part of BIND's config, which is checked as a whole before it counts",
    "router_advertisements/kea-option-108.json.j2": "a part of Kea's config, which its owner includes",
    "router_advertisements/networkd.conf.j2": "networkd checks no file before it reads it",
}


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_a_file_is_validated_before_it_replaces_one(template: Path) -> None:
    names = (f"src: {template.name}", f"template', '{template.name}'")
    tasks = "".join(
        path.read_text() for path in (PROJECT / "roles" / template.parts[0] / "tasks").glob("*.yml")
    )
    writes = [
        task
        for task in tasks.split("- name: ")
        if any(name in task for name in names) and re.search(r"^ +(dest|path): ", task, re.MULTILINE)
    ]
    (task,) = writes
    assert ("validate:" in task) != (str(template) in UNCHECKABLE)


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a directory with all our units, whose commands of ours stand for any that exists."""
    directory = tmp_path_factory.mktemp("units")
    for template in UNITS:
        text = re.sub(
            r"/usr/(sbin/(nat64-clat|nat64d|dns64d|nft|radvd|keepalived|conntrackd)|lib/nat64/current/bin/anycastd)\b",
            "/bin/true",
            render(template),
        )
        (directory / template.name.removesuffix(".j2")).write_text(text)
    return directory


@needs_systemd_analyze
@pytest.mark.parametrize("unit", [path.name.removesuffix(".j2") for path in UNITS])
def test_systemd_finds_no_fault_in_a_unit(unit: str, units: Path) -> None:
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(units / unit)],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in verified.stderr.splitlines() if str(units) in line or unit in line]
    assert complaints == []
    assert verified.returncode == 0, verified.stderr


@needs_systemd_analyze
@pytest.mark.parametrize(
    ("unit", "most"),
    [("nat64d.service", 20), ("dns64d.service", 16), ("nat64-nat44.service", 16), ("nat64-clat.service", 31)],
)
def test_a_unit_is_hardened(unit: str, most: int, units: Path) -> None:
    rated = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={most}",
            "--no-pager",
            str(units / unit),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout.splitlines()[-1:]


@pytest.mark.parametrize("template", INIT_SCRIPTS, ids=str)
def test_an_init_script_is_sound_for_its_shell(template: Path, tmp_path: Path) -> None:
    script = tmp_path / template.name
    # OpenRC's interpreter is no shell that shellcheck knows: it sources the script with the system's sh. Its words are
    # assigned for OpenRC to read (SC2034), and RC_SVCNAME and the like are given (SC2154).
    script.write_text(render(template))
    checked = subprocess.run(
        [
            Path(sys.executable).with_name("shellcheck"),
            "--shell=busybox",
            "--exclude=SC2034,SC2154",
            script,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, "")
