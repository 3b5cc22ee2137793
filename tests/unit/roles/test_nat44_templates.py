"""What role nat44 writes on a host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.unit.roles.rendering import render

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(shutil.which("nft") is None or os.geteuid() != 0, reason="needs nft and root")
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"nat44_lan_interfaces": [], "nat44_lan_networks": ["2001:db8:1::/64", "2001:db8:2::/64"]},
        {"nat44_lan_interfaces": ["lan0", "eth0.100"], "nat44_uplinks": ["ppp0", "wan-1"]},
    ],
)
def test_nft_accepts_the_table(variables: dict[str, object], tmp_path: Path) -> None:
    rules = tmp_path / "nat44.nft"
    rules.write_text(render("nat44/nat44.nft.j2", **variables))
    loaded_twice = f"nft --file {rules} && nft --file {rules} && nft list ruleset"
    loaded = subprocess.run(
        ["unshare", "--net", "sh", "-c", loaded_twice], capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.count("masquerade") == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"nat44_lan_interfaces": ["lan1"]},
        {"nat44_lan_networks": ["2001:db8:1::/64"]},
        {"nat44_uplinks": ["eth1"]},
        {"nat44_pool": "192.168.0.0/24"},
        {"nat44_device": "nat65"},
    ],
)
def test_a_table_of_other_rules_has_another_version(changed: dict[str, object]) -> None:
    def version(**variables: object) -> str:
        (found,) = re.findall('comment "([0-9a-f]{64})"', render("nat44/nat44.nft.j2", **variables))
        return str(found)

    assert version() == version() != version(**changed)
