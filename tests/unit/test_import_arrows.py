"""The package's layers: which of its parts may import which (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "nat64"

MAY_IMPORT = {
    "addressing": set[str](),
    "siit": {"addressing"},
    "config": {"addressing"},
    "dns64": {"addressing", "config", "process"},
    "device": {"addressing", "siit", "process"},
    "control": {"addressing", "config"},
    "process": set[str](),
    "anycast": {"addressing", "device", "process"},
    "discovery": {"addressing"},
    "clat": {"addressing", "device", "discovery", "process"},
    "commands": {
        "addressing",
        "siit",
        "config",
        "dns64",
        "device",
        "discovery",
        "clat",
        "anycast",
        "control",
        "process",
    },
}
DECIDING = ("addressing", "siit")
IO_MODULES = {"asyncio", "os", "pathlib", "random", "select", "socket", "subprocess", "time", "logging"}


def _imported(source: Path) -> set[str]:
    """Return the full names of all modules that a source file imports, wherever it does so."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_part_has_its_place_in_the_layers() -> None:
    assert {part.name for part in PACKAGE.iterdir() if (part / "__init__.py").exists()} == set(MAY_IMPORT)


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_stands_below_it(part: str) -> None:
    for source in (PACKAGE / part).rglob("*.py"):
        parts = {name.split(".")[1] for name in _imported(source) if name.startswith("nat64.")}
        assert parts & set(MAY_IMPORT) <= MAY_IMPORT[part] | {part}, source


@pytest.mark.parametrize("part", DECIDING)
def test_what_decides_about_packets_has_no_means_for_io(part: str) -> None:
    for source in (PACKAGE / part).rglob("*.py"):
        assert not {name.split(".")[0] for name in _imported(source)} & IO_MODULES, source
