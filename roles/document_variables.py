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


def options(role: Path) -> dict[str, dict[str, Any]]:
    """Return the options of the role's entry point `main`."""
    specs = YAML(typ="safe").load(role / "meta" / "argument_specs.yml")
    found: dict[str, dict[str, Any]] = specs["argument_specs"]["main"]["options"]
    return found


def table(variables: dict[str, dict[str, Any]]) -> str:
    """Return the Markdown table of some options."""
    lines = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    lines += [row(name, option) for name, option in variables.items()]
    return "\n".join(lines) + "\n"


def row(name: str, option: dict[str, Any]) -> str:
    """Return the table's row of one option."""
    kind = option["type"]
    if kind == "list":
        kind = f"list of {option['elements']}"
    if "options" in option:
        kind += f" ({', '.join(option['options'])})"
    if "choices" in option:
        kind = " or ".join(f"`{choice}`" for choice in option["choices"])
    default = f"`{_shown(option['default'])}`" if "default" in option else "see meaning"
    description = option["description"]
    meaning = description if isinstance(description, str) else " ".join(description)
    return f"| `{name}` | {kind} | {default} | {meaning.strip()} |"


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever YAML holds
    return value if isinstance(value, str) else json.dumps(value)


def documented(readme: str, variables: dict[str, dict[str, Any]]) -> str:
    """Return the README with its table made anew."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + table(variables) + "\n" + END + after


def main() -> None:
    """Bring every role's README up to date."""
    for specs in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        role = specs.parent.parent
        readme = role / "README.md"
        readme.write_text(documented(readme.read_text(encoding="utf-8"), options(role)), encoding="utf-8")


if __name__ == "__main__":
    main()
