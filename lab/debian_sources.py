"""Where apt fetches Debian from: the machine's own sources if they will do, else deb.debian.org."""

import re
import subprocess

from lab import machine
from lab.recipe import RELEASE

DEFAULT_SOURCES = (
    f"deb http://deb.debian.org/debian {RELEASE} main",
    f"deb http://deb.debian.org/debian {RELEASE}-updates main",
    f"deb http://deb.debian.org/debian-security {RELEASE}-security main",
)
_SUITES = {RELEASE, f"{RELEASE}-updates", f"{RELEASE}-security"}
# Options that make a mirror or proxy of the machine's work; the rest of its apt settings is its own business.
_KEPT_OPTION = re.compile(r"Acquire::(?:(?:http|https)::|Retries |Check-Valid-Until |Check-Date )")


def parse_targets(lines: str) -> list[str]:
    """Choose Debian's own sources from `URI|SUITE|COMPONENT|ORIGIN` lines of `apt-get indextargets`.

    A source that has not been fetched yet shows its ORIGIN as empty; it counts if it has Debian's layout.
    Returns no source at all unless the release itself is among them.
    """
    sources = []
    suites = set()
    for line in lines.splitlines():
        uri, suite, component, origin = line.split("|")
        fetched = not origin.startswith("$")
        debian = origin == "Debian" if fetched else re.search(r"/debian(-security)?/?$", uri) is not None
        if debian and suite in _SUITES and component == "main":
            sources.append(f"deb {uri} {suite} {component}")
            suites.add(suite)
    return sources if RELEASE in suites else []


def parse_options(dump: str) -> list[str]:
    """Choose the options worth taking over from the output of `apt-config dump`."""
    return [line for line in dump.splitlines() if _KEPT_OPTION.match(line) and not line.endswith(' "";')]


def sources() -> list[str]:
    """Return lines of a sources.list(5) for the release."""
    if machine.debian_release() != RELEASE:
        return list(DEFAULT_SOURCES)
    fields = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
    targets = _output(["apt-get", "indextargets", "--format", fields, "Created-By: Packages"])
    return parse_targets(targets) or list(DEFAULT_SOURCES)


def options() -> list[str]:
    """Return apt.conf(5) lines with the machine's proxy and download settings."""
    return parse_options(_output(["apt-config", "dump"]))


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""  # not a Debian machine, or its apt is broken: the default sources serve
