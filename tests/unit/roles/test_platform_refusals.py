"""Which hosts role platform refuses, by the expression of its own task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader

from tests.unit.roles.rendering import evaluate

ROLE = Path(__file__).parents[3] / "roles/platform"


def refusals(**facts: Any) -> list[str]:  # noqa: ANN401 - whatever facts there are
    host: dict[str, Any] = {
        "distribution": "Debian",
        "distribution_version": "12.5",
        "os_family": "Debian",
        "service_mgr": "systemd",
        "python": {"executable": "/usr/bin/python3", "version": {"major": 3, "minor": 11}},
    }
    loader = DataLoader()
    tasks = loader.load_from_file(str(ROLE / "tasks/know.yml"), trusted_as_template=True)
    (refusing,) = [task for task in tasks if "__platform_refusals" in task.get("vars", {})]
    variables = loader.load_from_file(str(ROLE / "vars/main.yml"), trusted_as_template=True)
    variables |= refusing["vars"] | {"ansible_facts": host | facts}
    found: list[str] = evaluate("__platform_refusals", **variables)
    return found


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"distribution_version": "13", "service_mgr": "openrc"},
        {"distribution_version": "forky/sid"},
        {
            "distribution": "Alpine",
            "os_family": "Alpine",
            "distribution_version": "3.20.0",
            "service_mgr": "openrc",
        },
        {
            "distribution": "Alpine",
            "os_family": "Alpine",
            "distribution_version": "3.23.0_alpha20250612",
            "service_mgr": "openrc",
        },
        {
            "distribution": "Gentoo",
            "os_family": "Gentoo",
            "distribution_version": "2.17",
            "service_mgr": "openrc",
        },
        {"distribution": "Ubuntu", "distribution_version": "24.04"},
    ],
)
def test_a_host_that_the_roles_know_is_not_refused(facts: dict[str, Any]) -> None:
    assert refusals(**facts) == []


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (
            {"distribution": "Fedora", "os_family": "RedHat", "distribution_version": "42"},
            "Fedora with systemd",
        ),
        ({"service_mgr": "sysvinit"}, "Debian with sysvinit"),
        ({"distribution_version": "11.9"}, "too old; upgrade it to 12"),
        (
            {
                "distribution": "Alpine",
                "os_family": "Alpine",
                "distribution_version": "3.19.1",
                "service_mgr": "openrc",
            },
            "too old; upgrade it to 3.20",
        ),
        (
            {"python": {"executable": "/usr/bin/python3", "version": {"major": 3, "minor": 9}}},
            "is 3.9; install 3.11",
        ),
    ],
)
def test_a_host_that_the_roles_do_not_know_is_refused_in_one_line(facts: dict[str, Any], told: str) -> None:
    (refusal,) = refusals(**facts)
    assert told in refusal
    assert "\n" not in refusal
