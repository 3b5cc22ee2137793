"""What each role says of its variables agrees with what it does with them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PROJECT = Path(__file__).parents[3]
ROLES = PROJECT / "roles"
NAMES = sorted(tasks.parent.parent.name for tasks in ROLES.glob("*/tasks/main.yml"))
PROMISED = {
    "anycast",
    "bundle",
    "client",
    "dns64",
    "failover",
    "nat44",
    "nat64",
    "platform",
    "resolver",
    "router_advertisements",
}
# What these leave in variables is for the roles that begin with them; they put nothing on a host that is theirs to take
# back, and each of their entry points has variables of its own.
SERVING = {"platform"}
TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "path": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
    "dict": dict,
    "raw": object,
}


def load(path: Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    return YAML(typ="safe").load(path)


def entry_points(role: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]
    return found


def options(role: str) -> dict[str, dict[str, Any]]:
    """Return the options of all entry points."""
    found: dict[str, dict[str, Any]] = {}
    for spec in entry_points(role).values():
        found |= spec.get("options", {})
    return found


def defaults(role: str) -> dict[str, Any]:
    file = ROLES / role / "defaults" / "main.yml"
    return (load(file) or {}) if file.exists() else {}


def is_computed(value: object) -> bool:
    return isinstance(value, str) and "{{" in value


def all_options(found: dict[str, dict[str, Any]], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, option in found.items():
        yield f"{path}{name}", option
        yield from all_options(option.get("options", {}), f"{path}{name}.")


def test_the_promised_roles_are_there() -> None:
    assert set(NAMES) >= PROMISED


@pytest.mark.parametrize("role", NAMES)
def test_specs_and_defaults_name_the_same_variables(role: str) -> None:
    optional = {name for name, option in options(role).items() if not option.get("required")}
    assert optional == set(defaults(role))


@pytest.mark.parametrize("role", NAMES)
def test_a_variable_is_the_same_at_every_entry_point(role: str) -> None:
    for spec in entry_points(role).values():
        for name, option in spec.get("options", {}).items():
            assert option == options(role)[name], name


@pytest.mark.parametrize("role", NAMES)
def test_variables_carry_the_roles_name(role: str) -> None:
    assert [name for name in defaults(role) if not name.startswith(f"{role}_")] == []
    prefixes = (f"__{role}_", f"{role}_") if role in SERVING else (f"__{role}_",)
    for file in (ROLES / role / "vars").glob("*.yml"):
        assert [name for name in load(file) or {} if not name.startswith(prefixes)] == []


@pytest.mark.parametrize("role", NAMES)
def test_a_default_is_the_same_in_specs_and_defaults(role: str) -> None:
    for name, value in defaults(role).items():
        option = options(role)[name]
        if is_computed(value):
            assert "default" not in option, name
            assert "By default" in " ".join([option["description"]]), name
        else:
            assert option["default"] == value, name


@pytest.mark.parametrize("role", NAMES)
def test_a_default_has_the_type_and_is_among_the_choices(role: str) -> None:
    for name, value in defaults(role).items():
        option = options(role)[name]
        if not is_computed(value):
            assert isinstance(value, TYPES[option["type"]]), name
            given = value if isinstance(value, list) else [value]
            assert [each for each in given if each not in option.get("choices", given)] == [], name


@pytest.mark.parametrize("role", NAMES)
def test_everything_is_described(role: str) -> None:
    for point, spec in entry_points(role).items():
        assert spec["short_description"], point
        assert spec["description"], point
        for name, option in all_options(spec.get("options", {})):
            assert option["description"], name
            assert option["type"] in TYPES, name
            assert ("elements" in option) == (option["type"] == "list"), name


@pytest.mark.parametrize("role", NAMES)
def test_every_entry_point_is_a_file_of_tasks(role: str) -> None:
    wanted = {"main"} if role in SERVING else {"main", "preflight", "uninstall"}
    assert wanted <= set(entry_points(role))
    for point in entry_points(role):
        assert (ROLES / role / "tasks" / f"{point}.yml").is_file(), point


@pytest.mark.parametrize("role", sorted(set(NAMES) - SERVING))
def test_preflight_and_uninstall_take_the_same_variables_as_main(role: str) -> None:
    points = entry_points(role)
    assert points["preflight"]["options"] == points["main"]["options"]
    assert points["uninstall"]["options"] == points["main"]["options"]


@pytest.fixture(scope="module")
def document_variables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("document_variables", ROLES / "document_variables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("role", NAMES)
def test_the_readme_is_up_to_date(role: str, document_variables: ModuleType) -> None:
    readme = (ROLES / role / "README.md").read_text()
    assert readme == document_variables.documented(readme, entry_points(role)), (
        "run roles/document_variables.py"
    )
    for name in options(role):
        assert f"| `{name}` |" in readme


@pytest.mark.parametrize("role", NAMES)
def test_the_handlers_are_reached_by_topic(role: str) -> None:
    for file in (ROLES / role).glob("handlers/*.yml"):
        for handler in load(file):
            assert handler["listen"], handler["name"]


@pytest.mark.parametrize("inventory", ["example", "lab"])
def test_an_inventory_sets_only_variables_that_there_are(inventory: str) -> None:
    known = {name for role in NAMES for name in options(role)}
    own = {"lan_interfaces"}
    for file in (PROJECT / "inventory" / inventory / "group_vars").glob("*.yml"):
        assert set(load(file)) <= known | own


def test_no_expression_escapes_a_quote() -> None:
    """ansible-core 2.16 doubles the backslash, and the string ends there."""
    files = [*ROLES.glob("*/*/*.yml"), *(PROJECT / "playbooks").rglob("*.yml")]
    assert [str(file) for file in files if "\\'" in file.read_text()] == []
