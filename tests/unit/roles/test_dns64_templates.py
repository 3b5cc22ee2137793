"""What role dns64 writes on a host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.roles.rendering import render


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {
            "dns64_interfaces": [],
            "dns64_listen": [{"address": "2001:db8:1::53"}, {"address": "192.0.2.53", "port": 5353}],
            "dns64_allow_query": ["2001:db8::/32", "192.0.2.0/24"],
        },
    ],
)
def test_dns64d_accepts_the_config(variables: dict[str, Any], tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(render("dns64/dns64.conf.j2", **variables))
    checked = subprocess.run(
        [Path(sys.executable).with_name("dns64d"), "--check", "-c", config],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")
