"""The roles on a gateway, with the package in the place of the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.playbooks import play

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAYBOOK = "tests/packages/package_play.yml"
BY_PACKAGE = {"bundle_install_method": "package"}


def run_roles(lab: str, variables: Mapping[str, str]) -> None:
    """Run the roles, which have to succeed."""
    done = play(lab, PLAYBOOK, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
