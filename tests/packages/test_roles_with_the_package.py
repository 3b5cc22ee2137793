"""The roles on a host that gets the program as Debian's package."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.lab.playbooks import play
from tests.packages.conftest import NAME

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages.gateway_host import DebianHost

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def test_the_roles_set_up_a_gateway_whose_program_is_the_package(host: DebianHost, package: Path) -> None:
    playbook = "tests/packages/package_play.yml"
    by_package = {"bundle_install_method": "package", "bundle_package": str(package)}
    first = play(NAME, playbook, **by_package)
    assert first.returncode == 0, first.stdout + first.stderr
    assert host.state() == "install ok installed"
    assert host.carries_traffic()
    again = play(NAME, playbook, **by_package)
    assert re.search(r"changed=0 .*failed=0", again.stdout), again.stdout

    # One program cannot stand in the other's place.
    by_bundle = play(NAME, playbook, bundle_install_method="bundle")
    assert by_bundle.returncode != 0
    assert "apt-get remove nat64" in by_bundle.stdout + by_bundle.stderr
    assert host.carries_traffic()

    gone = play(NAME, "playbooks/uninstall.yml", **by_package)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert host.state() != "install ok installed"
    assert host.run("test", "-e", "/usr/lib/nat64").returncode != 0
