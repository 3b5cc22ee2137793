"""docs/rfc-compliance.md: every row names tests that exist, and says why where it deviates."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "rfc-compliance.md"
RFCS = {
    *("RFC 7915", "RFC 6052", "RFC 7757", "RFC 6791", "RFC 4884", "RFC 8215"),
    *("RFC 6147", "RFC 7050", "RFC 8880", "RFC 2308", "RFC 6891", "RFC 7766", "RFC 8914"),
}
STATUSES = {"done", "kernel", "deviation"}


class Row(NamedTuple):
    """One row of a table, under the RFC of its heading."""

    rfc: str
    requirement: str
    section: str
    tests: str
    status: str
    reason: str

    @property
    def name(self) -> tuple[str, str, str]:
        """What tells it from others."""
        return self.rfc, self.section, self.requirement


def rows() -> list[Row]:
    found: list[Row] = []
    rfc = ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            rfc = line.removeprefix("## ").partition(":")[0]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if rfc and line.startswith("|") and cells[0] != "requirement" and not set(cells[0]) <= {"-"}:
            found.append(Row(rfc, *cells))
    return found


@cache
def functions_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


ROWS = rows()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row.name))
def test_a_row_names_tests_that_exist(row: Row) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row.tests)
    assert len(named) == row.tests.count("::"), f"not all of this can be read: {row.tests}"
    for path, test in named:
        assert (ROOT / path).is_file(), f"{path} does not exist"
        assert test in functions_in(path), f"{path} has no {test}"
    assert named, "no test shows this"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row.name))
def test_a_row_has_a_status_and_a_deviation_its_reason(row: Row) -> None:
    assert row.status in STATUSES
    if row.status in {"deviation", "kernel"}:
        assert row.reason


def test_every_rfc_has_its_table_and_no_row_stands_twice() -> None:
    assert {row.rfc for row in ROWS} >= RFCS
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
