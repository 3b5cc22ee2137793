"""What role dns64 writes on a host."""

from __future__ import annotations

import re
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


@pytest.mark.parametrize("template", ["dns64/dns64d.service.j2", "dns64/dns64d.openrc.j2"])
@pytest.mark.parametrize("resolver", ["named", "unbound"])
def test_the_server_starts_after_the_resolver_that_it_may_ask(template: str, resolver: str) -> None:
    (after,) = re.findall(r"^\s*[Aa]fter[ =](.*)$", render(template), re.MULTILINE)
    assert resolver in after.replace(".service", "").split()
