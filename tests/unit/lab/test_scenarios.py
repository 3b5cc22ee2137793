"""molecule's scenarios: that each is run, and shares what all share."""

import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from lab.platforms import PLATFORMS
from lab.topology import TOPOLOGIES

ROOT = Path(__file__).parents[3]
SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS)


def made(variable: str) -> list[str]:
    """Ask make for the words of a variable."""
    command = ["make", "--no-print-directory", "--eval", f"print:;@echo $({variable})", "print"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()


def environment(scenario: str) -> dict[str, str]:
    """Read what a scenario sets in the environment."""
    text = (ROOT / "molecule" / scenario / "molecule.yml").read_text(encoding="utf-8")
    found: dict[str, str] = yaml.safe_load(text)["ansible"].get("env", {})
    return found


def test_every_scenario_is_run_by_make_molecule_all() -> None:
    assert {target.split("@")[0] for target in made("MOLECULE_ALL")} == set(SCENARIOS)


def test_make_molecule_all_runs_three_platforms_and_every_role() -> None:
    roles = {path.name for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir()} - {"platform"}
    assert {"default", "alpine", "gentoo"} | roles <= set(made("MOLECULE_ALL"))


def test_make_molecule_runs_nothing_that_make_molecule_all_does_not() -> None:
    assert {"default"} <= set(made("MOLECULE")) <= set(made("MOLECULE_ALL"))


@each_scenario
def test_a_scenario_names_platforms_and_topologies_that_the_lab_has(scenario: str) -> None:
    chosen = environment(scenario)
    platform = chosen.get("NAT64_PLATFORM", "debian12").removeprefix("${NAT64_PLATFORM:-").rstrip("}")
    assert platform in {platform.name for platform in PLATFORMS}
    assert chosen.get("NAT64_TOPOLOGY", "in-line") in {topology.name for topology in TOPOLOGIES}


@each_scenario
def test_a_scenario_holds_only_what_differs(scenario: str) -> None:
    text = (ROOT / "molecule" / scenario / "molecule.yml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 20
    assert set(yaml.safe_load(text)) <= {"ansible", "provisioner"}


@each_scenario
def test_playbooks_and_inventories_that_a_scenario_names_are_there(scenario: str) -> None:
    directory = ROOT / "molecule" / scenario
    settings = yaml.safe_load((directory / "molecule.yml").read_text(encoding="utf-8"))
    links = settings.get("provisioner", {}).get("inventory", {}).get("links", {})
    named = [*settings["ansible"].get("playbooks", {}).values(), *links.values()]
    assert [path for path in named if not (directory / path).exists()] == []
