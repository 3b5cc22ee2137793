"""The packages that the stand-ins for apk and emerge install: archives of files, made of Debian's packages.

A package brings the programs and libraries of one or more .deb files, and of lab/images/PLATFORM/packages/NAME
what the real distribution's package has in its own way: `root/` (init scripts, configuration) and `install`
(a script that makes its users). What belongs to Debian alone stays out. lab/images/stand-in has the reader.
"""

import gzip
import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.guest_files import copy_tree
from lab.recipe import StandInRecipe

_UNITS = re.compile(
    r"(usr/)?lib/(systemd|udev|tmpfiles\.d|sysusers\.d)/|usr/share/dbus-1/|etc/(dbus-1|systemd)/"
)
# What Debian's packages hold for Debian: its own init scripts and their defaults, hooks of its tools, texts.
_DEBIANS_OWN = re.compile(
    r"etc/(init\.d|default|apparmor\.d|apt|cron[.a-z]*|dpkg|insserv|logcheck|logrotate\.d|network|pam\.d|ppp"
    r"|resolvconf|rsyslog\.d|ufw|update-motd\.d|bind|unbound|radvd|nftables\.conf)(/|$|\.)"
    r"|usr/share/(apport|bash-completion|bug|doc|doc-base|info|initramfs-tools|lintian|locale|man|menu"
    r"|python3/runtime\.d|zsh)/"
)


@dataclass(frozen=True, slots=True)
class Deb:
    """One of Debian's packages."""

    file: Path
    name: str
    version: str
    needs: tuple[tuple[str, ...], ...]
    """Names of packages: one of each group is needed."""
    provides: tuple[str, ...]
    description: str
    control: str


def read_deb(file: Path) -> Deb:
    """Read what a .deb file says of itself."""
    control = subprocess.run(["dpkg-deb", "--field", file], check=True, capture_output=True, text=True).stdout
    fields = dict(re.findall(r"^([A-Z][\w-]*): (.*(?:\n .*)*)", control, re.MULTILINE))
    groups = [
        group
        for key in ("Pre-Depends", "Depends")
        for group in fields.get(key, "").split(",")
        if group.strip()
    ]
    return Deb(
        file,
        fields["Package"],
        fields["Version"],
        tuple(tuple(_name(choice) for choice in group.split("|")) for group in groups),
        tuple(_name(each) for each in fields.get("Provides", "").split(",") if each.strip()),
        fields["Description"].splitlines()[0],
        control,
    )


def _name(dependency: str) -> str:
    return re.split(r"[\s(:\[]", dependency.strip(), maxsplit=1)[0]


def extract(debs: Iterable[Deb], target: Path, *, units: bool = False) -> None:
    """Unpack .deb files over each other, without what only Debian uses; with their `units` of systemd, if wanted."""
    for deb in debs:
        archive = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb.file], stdout=subprocess.PIPE)
        with tarfile.open(fileobj=archive.stdout, mode="r|") as files:
            # Not every Python 3.11 has filters; what Debian signed is taken as it is.
            files.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
            for member in files:
                if not is_debians_own(member.name, units=units):
                    files.extract(member, target)
        if archive.wait():
            raise subprocess.CalledProcessError(archive.returncode, ["dpkg-deb", str(deb.file)])


def is_debians_own(path: str, *, units: bool = False) -> bool:
    """Tell whether a path of a .deb has no place on another distribution."""
    plain = path.removeprefix("./") + "/"
    return _DEBIANS_OWN.match(plain) is not None or (not units and _UNITS.match(plain) is not None)


@dataclass(frozen=True, slots=True)
class Package:
    """A package to be made."""

    name: str
    version: str
    debs: tuple[Deb, ...]
    needs: tuple[str, ...]
    description: str

    def entry(self, archive: Path) -> str:
        """Line of the index."""
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        needs = " ".join(self.needs)
        return f"{self.name}|{self.version}|{digest}|{archive.name}|{needs}|{self.description}\n"


def plan(debs: Sequence[Deb], named: Mapping[str, Sequence[str]], made_of: StandInRecipe) -> list[Package]:
    """Decide which packages there are: the `named` ones, of the .deb files given there, and one for each other.

    What a .deb needs that is not among `debs` is there already.
    """
    owner = {deb: name for name, own in named.items() for deb in own}
    groups: dict[str, list[Deb]] = {name: [] for name in named}
    for deb in debs:
        groups.setdefault(owner.get(deb.name, made_of.category + deb.name), []).append(deb)
    brings = {
        each: owner.get(deb.name, made_of.category + deb.name)
        for deb in debs
        for each in (*deb.provides, deb.name)
    }
    packages = []
    for name, own in groups.items():
        needs = {
            next((brings[choice] for choice in group if choice in brings), name)
            for deb in own
            for group in deb.needs
        }
        packages.append(
            Package(
                name,
                (_version(own[0].version) if own else "1") + made_of.revision,
                tuple(own),
                tuple(sorted(needs - {name})),
                own[0].description if own else "part of the base system",
            )
        )
    return packages


def _version(debian: str) -> str:
    """Upstream's part of a Debian version, in the characters that every package manager takes."""
    upstream = debian.partition(":")[2] or debian
    match = re.match(r"\d+(\.\d+)*", upstream.rpartition("-")[0] or upstream)
    return match[0] if match else "0"


def write_repository(packages: Iterable[Package], images: Sequence[Path], target: Path) -> None:
    """Write the archives and the index; `images` are the platform's directories in lab/images."""
    target.mkdir()
    index = []
    for package in packages:
        archive = target / f"{package.name.replace('/', '_')}-{package.version}.tar.gz"
        # Gentoo's names begin with a category.
        owns = [image / "packages" / package.name.rpartition("/")[2] for image in images]
        with tempfile.TemporaryDirectory(dir=target) as scratch:
            tree = Path(scratch) / "tree"
            tree.mkdir()
            extract(package.debs, tree)
            for own in owns:
                copy_tree(own / "root", tree)
                if (own / "install").is_file():
                    shutil.copyfile(own / "install", tree / ".install")
            _write_archive(tree, archive)
        index.append(package.entry(archive))
    (target / "index").write_text("".join(sorted(index)), encoding="utf-8")


def _write_archive(tree: Path, archive: Path) -> None:
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", 1, raw, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w|") as tar,
    ):
        for path in sorted(tree.rglob("*")):
            tar.add(path, str(path.relative_to(tree)), recursive=False)
