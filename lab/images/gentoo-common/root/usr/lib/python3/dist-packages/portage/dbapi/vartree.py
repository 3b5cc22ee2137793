"""What is installed."""

import re
from pathlib import Path

from portage.exception import InvalidAtom

_INSTALLED = Path("/var/lib/portage/stand-in/installed")
_ATOM = re.compile(
    r"(?P<operator>[<>]?=|[<>~])?(?P<package>[\w+.-]+/[\w+-]+?)(?P<version>-\d[\w.*-]*)?(:\S+)?(\[.*\])?"
)


class vardbapi:  # noqa: N801  # the name that the module imports
    """The database of installed packages."""

    def match(self, atom: str) -> list[str]:
        """Name what is installed of an atom, with its version; versions and flags in the atom are not compared."""
        found = _ATOM.fullmatch(atom)
        if found is None:
            raise InvalidAtom(atom)
        version = _INSTALLED / found["package"] / "version"
        if not version.is_file():
            return []
        return [f"{found['package']}-{version.read_text(encoding='utf-8').strip()}"]
