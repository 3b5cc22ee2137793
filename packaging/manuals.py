"""Make the manual pages of the pages in docs/, with pandoc."""

from __future__ import annotations

import email.utils
from typing import TYPE_CHECKING, Final

from building import PROJECT, run

if TYPE_CHECKING:
    from pathlib import Path

MANUAL_FILTER: Final = PROJECT / "packaging" / "man" / "manual.lua"

MANUALS: Final = {
    "nat64d.8": "docs/man/nat64d.8.md",
    "dns64d.8": "docs/man/dns64d.8.md",
    "nat64-clat.8": "docs/man/nat64-clat.8.md",
    "nat64ctl.1": "docs/man/nat64ctl.1.md",
    "nat64.conf.5": "docs/nat64.conf.md",
    "dns64.conf.5": "docs/dns64.conf.md",
}


def write_manuals(directory: Path, version: str, time: int) -> None:
    """Write every page into `directory`, dated `time`, in seconds. Raises `CannotBuild`."""
    directory.mkdir()
    date = email.utils.formatdate(time).split(" ", 1)[1][:11]
    for manual, source in MANUALS.items():
        name, _, section = manual.rpartition(".")
        facts = {"title": name.upper(), "section": section, "date": date, "footer": f"nat64 {version}"}
        command = ["pandoc", "--from=gfm", "--to=man", "--standalone", f"--lua-filter={MANUAL_FILTER}"]
        command += [word for fact, text in facts.items() for word in ("--metadata", f"{fact}={text}")]
        run([*command, f"--output={directory / manual}", str(PROJECT / source)])
