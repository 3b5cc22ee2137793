"""Debian's copyright file for what the bundle carries: this project, and the packages that are locked with it.

Read from the metadata and licence files that stand in the wheels, so that it cannot fall behind the lock.
"""

from __future__ import annotations

import email.parser
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD: Final = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Comment: The Python packages below are carried along, as their wheels on PyPI hold them.
"""
# Texts that every Debian has in /usr/share/common-licenses, by the licence's name.
COMMON: Final = {"Apache-2.0": "Apache-2.0", "GPL-2.0-or-later": "GPL-2", "MPL-2.0": "MPL-2.0"}
# Names of Debian's format, by what authors have written.
NAMES: Final = {"GPL-2.0-or-later": "GPL-2+", "The MIT License (MIT)": "MIT", "BSD": "BSD-2-clause"}


class Carried(NamedTuple):
    """A Python package of the bundle."""

    name: str
    authors: str
    licence: str
    texts: list[str]
    """What its licence files say."""

    @property
    def notices(self) -> list[str]:
        """Who holds the copyright, as its licence files say; its authors where they do not."""
        found = re.findall(r"^ *Copyright (?:\(c\)|©) .*\d{4}.*", "\n".join(self.texts), re.MULTILINE)
        return list(dict.fromkeys(line.strip() for line in found)) or [self.authors]


def copyright_file(members: Mapping[str, bytes]) -> str:
    """Return the file for a bundle's members by name. Raises `KeyError` for a package without metadata."""
    packages = [_carried(name, members) for name in sorted(members) if name.endswith(".dist-info/METADATA")]
    return "\n".join([HEAD, *(_stanza(package) for package in packages), *_common_licences(packages)])


def _carried(metadata: str, members: Mapping[str, bytes]) -> Carried:
    said = email.parser.Parser().parsestr(members[metadata].decode())
    directory = metadata.removesuffix("METADATA")
    texts = [
        content.decode()
        for name, content in sorted(members.items())
        if name.startswith(directory) and re.search(r"/LICEN[CS]E[^/]*$", name)
    ]
    licence = said["License-Expression"] or said["License"] or "see-below"
    authors = said["Author"] or said["Author-email"] or f"the authors of {said['Name']}"
    return Carried(said["Name"], authors, NAMES.get(licence, licence), texts)


def _stanza(package: Carried) -> str:
    files = "*" if package.name == "nat64" else f"lib/{package.name}*"
    names = [NAMES.get(name, name) for name in package.licence.split(" OR ")]
    notices = "\n           ".join(package.notices)
    head = f"Files: {files}\nCopyright: {notices}\n"
    if all(name in _common_names() for name in names):
        return f"{head}License: {' or '.join(names)}\n"
    # Each has a text of its own: the same licence names another holder.
    return f"{head}License: {package.licence}\n{_paragraph(chr(10).join(package.texts))}"


def _common_licences(packages: list[Carried]) -> list[str]:
    used = {NAMES.get(name, name) for package in packages for name in package.licence.split(" OR ")}
    return [
        f"License: {name}\n On Debian systems its text is in /usr/share/common-licenses/{file}.\n"
        for name, file in sorted(_common_names().items())
        if name in used
    ]


def _common_names() -> dict[str, str]:
    return {NAMES.get(name, name): file for name, file in COMMON.items()}


def _paragraph(text: str) -> str:
    """Write a text as the lines of a field: each behind a blank, an empty one as a dot."""
    return "".join(f" {line.rstrip()}\n" if line.strip() else " .\n" for line in text.strip().splitlines())
