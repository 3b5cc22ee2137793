# noqa: INP001 - a script of its own, not a module
"""Write the table of variables in each role's README from the role's argument specs.

Run it after changing a spec; a test fails until that was done.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

ROLES: Final = Path(__file__).resolve().parent
BEGIN: Final = "<!-- Variables: written by roles/document_variables.py -->\n"
END: Final = "<!-- End of variables -->\n"


def entry_points(role: Path) -> dict[str, dict[str, Any]]:
    """Return the specs of the role's entry points."""
    specs = YAML(typ="safe").load(role / "meta" / "argument_specs.yml")
    found: dict[str, dict[str, Any]] = specs["argument_specs"]
    return found


def table(points: dict[str, dict[str, Any]]) -> str:
    """Return the Markdown table of all options: those of `main`, then what other entry points have besides."""
    lines = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    seen = set[str]()
    for point, spec in sorted(points.items(), key=lambda named: named[0] != "main"):
        for name, option in spec.get("options", {}).items():
            if name not in seen:
                lines.append(row(name, option, "" if point == "main" else f"At `{point}`: "))
            seen.add(name)
    return "\n".join(lines) + "\n"


def row(name: str, option: dict[str, Any], place: str) -> str:
    """Return the table's row of one option, with the `place` where it counts."""
    kind = option["type"]
    if kind == "list":
        kind = f"list of {option['elements']}"
    if "options" in option:
        kind += f" ({', '.join(option['options'])})"
    if "choices" in option:
        kind = " or ".join(f"`{choice}`" for choice in option["choices"])
    if "default" in option:
        default = f"`{_shown(option['default'])}`"
    else:
        default = "required" if option.get("required") else "see meaning"
    description = option["description"]
    meaning = description if isinstance(description, str) else " ".join(description)
    return f"| `{name}` | {kind} | {default} | {place}{meaning.strip()} |"


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever YAML holds
    return value if isinstance(value, str) else json.dumps(value)


def documented(readme: str, points: dict[str, dict[str, Any]]) -> str:
    """Return the README with its table made anew."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + table(points) + "\n" + END + after


def main() -> None:
    """Bring every role's README up to date."""
    for specs in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        role = specs.parent.parent
        readme = role / "README.md"
        readme.write_text(
            documented(readme.read_text(encoding="utf-8"), entry_points(role)), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
