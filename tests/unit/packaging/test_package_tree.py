"""What every distribution's package holds: rendered without Ansible, and true to the roles and to the commands."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.unit.roles.rendering import checked
from tests.unit.roles.rendering import render as render_by_ansible

sys.path.insert(0, str(Path(__file__).parents[3] / "packaging"))  # its scripts import one another from there

import package_tree

FILES = [
    (family, path, *how) for family, files in package_tree.RENDERED.items() for path, how in files.items()
]


@pytest.mark.parametrize(("family", "path", "template", "init"), FILES)
def test_the_package_has_what_the_roles_write(family: str, path: str, template: str, init: str) -> None:
    del path
    variables = {"ansible_managed": package_tree.managed(family), **package_tree.GIVEN.get(template, {})}
    ours = package_tree.render_file(template, init, family)
    assert ours == render_by_ansible(template, family, **variables)


@pytest.mark.parametrize(
    ("family", "template", "init"),
    [(family, *how) for family, path, *how in FILES if path.endswith((".service", "init.d/nat64d"))],
)
def test_services_name_no_file_that_only_the_roles_write(family: str, template: str, init: str) -> None:
    named = set(re.findall(r"/etc/[^\s\"}]+", package_tree.render_file(template, init, family)))
    # The script loads this one only where it is.
    assert named <= {
        "/etc/nat64/nat64.conf",
        "/etc/nat64/dns64.conf",
        "/etc/sysctl.d/60-nat64.conf",
    }


@pytest.mark.parametrize(("config", "command"), [("nat64", "nat64d"), ("dns64", "dns64d")])
def test_a_config_as_installed_sets_nothing_and_starts_nothing(
    config: str, command: str, tmp_path: Path
) -> None:
    text = package_tree.example_configs()[f"etc/nat64/{config}.conf"]
    assert all(line.startswith("#") or not line for line in text.splitlines())
    status, said = checked(command, text, tmp_path)
    assert status == 2
    assert said


@pytest.mark.parametrize(("config", "command"), [("nat64", "nat64d"), ("dns64", "dns64d")])
def test_a_config_as_installed_is_right_once_its_comments_are_taken_away(
    config: str, command: str, tmp_path: Path
) -> None:
    text = package_tree.example_configs()[f"etc/nat64/{config}.conf"]
    assert checked(command, re.sub(r"(?m)^#(?=\S)", "", text), tmp_path) == (0, "")
