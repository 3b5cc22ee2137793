"""What an interrupted run left over is taken up by a handler that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("role", ["nat64", "dns64", "resolver", "router_advertisements", "anycast"])
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


@pytest.mark.parametrize("role", ["nat64", "dns64", "resolver", "router_advertisements", "anycast"])
def test_what_handlers_did_counts_for_one_use_of_the_role(role: str) -> None:
    """A handler that heeds what another one did would else heed what it did before, in an earlier use."""
    yaml = YAML(typ="safe")
    handlers = yaml.load(PROJECT / "roles" / role / "handlers/main.yml")
    registered = {each["register"] for each in handlers if "register" in each}
    tasks = yaml.load(PROJECT / "roles" / role / "tasks/main.yml")
    forgotten = {name for task in tasks for name in task.get("ansible.builtin.set_fact", {})}
    assert registered
    assert registered <= forgotten
