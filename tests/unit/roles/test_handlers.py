"""What an interrupted run left over is taken up by a handler that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("role", ["nat64", "dns64", "resolver", "router_advertisements"])
def test_every_topic_that_may_be_left_over_has_a_handler(role: str) -> None:
    yaml = YAML(typ="safe")
    # Whatever the init system: each has files of its own.
    written = "".join(file.read_text() for file in (PROJECT / "roles" / role / "vars").glob("*.yml"))
    topics = set(re.findall(r"\btopic'?: '?(\w[\w ]*)", written))
    handlers = yaml.load(PROJECT / "roles" / role / "handlers/main.yml")
    heard = {
        topic
        for each in handlers
        for topic in ([each["listen"]] if isinstance(each["listen"], str) else each["listen"])
    }
    assert topics
    assert topics <= heard
