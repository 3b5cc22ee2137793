"""What role dns64 writes on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.roles.rendering import checked, render

if TYPE_CHECKING:
    from pathlib import Path


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
    assert checked("dns64d", render("dns64/dns64.conf.j2", **variables), tmp_path) == (0, "")
