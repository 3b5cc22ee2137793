"""Root file systems that stand in for distributions whose own packages cannot be had: made of Debian's.

apt finds out which packages are needed and fetches them; they are unpacked, not installed: no apt, no dpkg and none
of Debian's scripts is in the result. What makes it like the real one lies in lab/images.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from lab import debian_sources, recipe
from lab.debian_build import ISOLATED
from lab.guest_files import copy_tree
from lab.progress import Job, say, watch
from lab.stand_in_packages import Deb, Package, extract, plan, read_deb, write_repository

_FINISH = 'mount --rbind /dev "$1/dev" && exec chroot "$1" sh -e /usr/lib/stand-in/finish'
_CONFLICTS = re.compile(r"^(?:Conflicts|Breaks): .*\n(?: .*\n)*", re.MULTILINE)
_MERGED = ("bin", "sbin", "lib", "lib64")


def build(made_of: recipe.StandInRecipe, directory: Path) -> None:
    """Make `root` and `packages` in `directory`."""
    images = [recipe.IMAGES / tree for tree in made_of.trees]
    root, logs, apt = (directory / part for part in ("root", "logs", "apt"))
    for directory_made in (root, logs, apt):
        directory_made.mkdir()
    source = _Apt(apt, made_of, logs)
    source.update()
    base = source.fetch(made_of.base, "base system")
    repository = source.fetch([deb for debs in made_of.packages.values() for deb in debs], "packages")
    say("    unpacking them ...")
    for part in _MERGED:
        (root / "usr" / part).mkdir(parents=True, exist_ok=True)
        (root / part).symlink_to(f"usr/{part}")
    for empty in ("dev", "proc", "run", "sys", "tmp", "var/tmp", "root", "etc", *made_of.empty):
        (root / empty).mkdir(parents=True, exist_ok=True)
    extract(base, root, units=made_of.units)
    for sticky in ("tmp", "var/tmp"):
        (root / sticky).chmod(0o1777)
    for unwanted in made_of.without:
        _remove(root, unwanted)
    for image in images:
        copy_tree(image / "root", root)
    if made_of.busybox:
        _link_applets(root, made_of.without_applets)
    base_packages = plan(base, {made_of.base_package: (), **made_of.base_named}, made_of)
    _note_installed(root / made_of.database, base_packages, made_of.base_package)
    watch(Job("finishing", [*ISOLATED, "sh", "-ec", _FINISH, "finish", str(root)], logs / "finish.log"))
    packages = plan(repository, made_of.packages, made_of)
    write_repository(packages, images, directory / "packages")
    if made_of.index_included:
        shutil.copyfile(directory / "packages/index", root / made_of.database / "index")
    shutil.rmtree(apt)


class _Apt:
    """An apt of our own, which takes for installed what the real distribution has of its own."""

    def __init__(self, directory: Path, made_of: recipe.StandInRecipe, logs: Path) -> None:
        self._directory, self._logs = directory, logs
        for made in ("lists/partial", "archives/partial", "preferences"):
            (directory / made).mkdir(parents=True)
        self._status = directory / "status"
        self._status.write_text(
            "".join(
                _installed(f"Package: {name}\nVersion: 99:1")
                for name in sorted({*made_of.provided} - {*made_of.base})
            ),
            encoding="utf-8",
        )
        releases = ("trixie", *sorted(set(made_of.from_release.values())))
        lines = [line for release in releases for line in debian_sources.sources(release)]
        (directory / "sources.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
        pins = ["Package: *\nPin: release n=trixie*\nPin-Priority: 900\n"]
        pins += [
            f"Package: {package}\nPin: release n={release}\nPin-Priority: 990\n"
            for package, release in made_of.from_release.items()
        ]
        (directory / "preferences/lab").write_text("\n".join(pins), encoding="utf-8")
        settings = [
            *debian_sources.options(),
            f'Dir::State "{directory}";',
            f'Dir::State::status "{self._status}";',
            f'Dir::State::lists "{directory}/lists";',
            f'Dir::Cache "{directory}";',
            f'Dir::Cache::archives "{directory}/archives";',
            f'Dir::Etc::sourcelist "{directory}/sources.list";',
            'Dir::Etc::sourceparts "-";',
            f'Dir::Etc::preferencesparts "{directory}/preferences";',
            'Dir::Etc::trusted "/usr/share/keyrings/debian-archive-keyring.gpg";',
            'APT::Install-Recommends "false";',
            'APT::Sandbox::User "root";',
            # What is fetched are only files: nothing of it runs here.
            'Debug::NoLocking "true";',
        ]
        (directory / "apt.conf").write_text("\n".join(settings) + "\n", encoding="utf-8")

    def update(self) -> None:
        self._run("lists of Debian's packages", "update")

    def fetch(self, names: Sequence[str], title: str) -> list[Deb]:
        """Fetch packages and what they need; from then on they count as installed."""
        self._run(title, "install", "--download-only", "--yes", *names)
        debs = [read_deb(file) for file in sorted((self._directory / "archives").glob("*.deb"))]
        known = self._status.read_text(encoding="utf-8")
        fresh = [deb for deb in debs if f"Package: {deb.name}\n" not in known]
        with self._status.open("a", encoding="utf-8") as status:
            # What it is said to have of its own may be at odds with these: to us they are only files.
            status.writelines(_installed(_CONFLICTS.sub("", deb.control).rstrip()) for deb in fresh)
        return fresh

    def _run(self, title: str, *arguments: str) -> None:
        command = ["env", f"APT_CONFIG={self._directory}/apt.conf", "apt-get", "--quiet", *arguments]
        watch(Job(title, command, self._logs / f"{title.split(maxsplit=1)[0]}.log"))


def _installed(control: str) -> str:
    lines = f"{control}\nStatus: install ok installed\n"
    for key, value in (("Architecture", "all"), ("Maintainer", "lab"), ("Description", "of its own")):
        if f"\n{key}:" not in lines:
            lines += f"{key}: {value}\n"
    return lines + "\n"


def _link_applets(root: Path, without: Iterable[str]) -> None:
    listed = subprocess.run(
        ["chroot", str(root), "/usr/bin/busybox", "--list"], check=True, capture_output=True, text=True
    ).stdout.split()
    there = {path.name for part in ("bin", "sbin") for path in (root / "usr" / part).iterdir()}
    for applet in sorted(set(listed) - there - set(without)):
        (root / "usr/bin" / applet).symlink_to("busybox")


def _remove(root: Path, pattern: str) -> None:
    for path in root.glob(pattern):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _note_installed(database: Path, packages: Sequence[Package], base_package: str) -> None:
    """Enter the base system into the package database, all needed by the one that stands for it."""
    for package in packages:
        entry = database / "installed" / package.name
        entry.mkdir(parents=True)
        needs = package.needs
        if package.name == base_package:
            needs = tuple(other.name for other in packages if other.name != base_package)
        for file, text in (
            ("version", package.version),
            ("needs", " ".join(needs)),
            ("description", package.description),
        ):
            (entry / file).write_text(f"{text}\n", encoding="utf-8")
        for file in ("files", "directories", "checksums"):
            (entry / file).touch()
