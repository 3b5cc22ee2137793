"""Where apt fetches Debian from: the machine's own sources if they will do, else deb.debian.org."""

import re
import subprocess

from lab import machine

# Options that make a mirror or proxy of the machine's work; the rest of its apt settings is its own business.
_KEPT_OPTION = re.compile(r"Acquire::(?:(?:http|https)::|Retries |Check-Valid-Until |Check-Date )")


def suites_of(release: str) -> tuple[str, ...]:
    """Name the suites that make up a release; sid has no updates beside it."""
    return (release,) if release == "sid" else (release, f"{release}-updates", f"{release}-security")


def default_sources(release: str) -> list[str]:
    """Return the lines of a sources.list(5) for Debian's own mirror network."""
    return [
        f"deb http://deb.debian.org/debian{'-security' if suite.endswith('-security') else ''} {suite} main"
        for suite in suites_of(release)
    ]


def parse_targets(lines: str, release: str) -> list[str]:
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
        if debian and suite in suites_of(release) and component == "main":
            sources.append(f"deb {uri} {suite} {component}")
            suites.add(suite)
    return sources if release in suites else []


def parse_options(dump: str) -> list[str]:
    """Choose the options worth taking over from the output of `apt-config dump`."""
    return [line for line in dump.splitlines() if _KEPT_OPTION.match(line) and not line.endswith(' "";')]


def sources(release: str) -> list[str]:
    """Return lines of a sources.list(5) for a release: from the machine's own mirror, if it has one."""
    own = machine.debian_release()
    if own is None:
        return default_sources(release)
    fields = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)"
    targets = _output(["apt-get", "indextargets", "--format", fields, "Created-By: Packages"])
    return of_release(parse_targets(targets, own), own, release) or default_sources(release)


def of_release(sources: list[str], own: str, release: str) -> list[str]:
    """Name another release in the sources of the machine's own one; a mirror has them all."""
    words = [source.split() for source in sources]
    return [
        f"deb {uri} {suite} {component}"
        for _, uri, own_suite, component in words
        if (suite := own_suite.replace(own, release)) in suites_of(release)
    ]


def options() -> list[str]:
    """Return apt.conf(5) lines with the machine's proxy and download settings."""
    return parse_options(_output(["apt-config", "dump"]))


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""  # not a Debian machine, or its apt is broken: the default sources serve
