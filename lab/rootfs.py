"""The cached root file systems that the lab's hosts start from, and the package repository they install from.

    CACHE/rootfs-STAMP/base       bare Debian, as the gateway is
    CACHE/rootfs-STAMP/peers      the same with servers and tools
    CACHE/rootfs-STAMP/packages   .deb files with an index, for http://packages.example/

Each is built in a directory of another name and renamed when complete.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import debian_sources, package_index, recipe
from lab.errors import LabError
from lab.progress import Job, say, watch
from lab.topology import Layer

_LAYER_INSTALL = Path(__file__).with_name("layer_install.sh")

# Mounts and processes of a build live in namespaces of their own: when the build dies, they do.
_ISOLATED = (
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
)


@dataclass(frozen=True, slots=True)
class RootFs:
    """A complete set of root file systems."""

    directory: Path

    def layer(self, layer: Layer) -> Path:
        """Directory of one root file system."""
        return self.directory / layer.value

    @property
    def packages(self) -> Path:
        """Directory of the package repository."""
        return self.directory / "packages"


def cache_directory() -> Path:
    """Return the cache: NAT64_LAB_CACHE, or `nat64-lab` among the user's caches (XDG)."""
    named = os.environ.get("NAT64_LAB_CACHE")
    if named:
        return Path(named).absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "nat64-lab"


def ready(cache: Path) -> RootFs:
    """Return the root file systems of the current recipe, building them first if they are not there."""
    # These two separate the parts of an overlay's mount option.
    if any(mark in str(cache) for mark in ":,"):
        raise LabError(
            f"cache directory {cache}: the path holds ':' or ','; set NAT64_LAB_CACHE to one without"
        )
    cache.mkdir(parents=True, exist_ok=True)
    finished = cache / f"rootfs-{recipe.stamp()}"
    with _locked(cache):
        for leftover in cache.glob("building-*"):
            shutil.rmtree(leftover)
        if not finished.is_dir():
            building = cache / f"building-{recipe.stamp()}"
            building.mkdir()
            _build(building)
            building.rename(finished)
        for older in cache.glob("rootfs-*"):
            if older != finished and not in_use(older):
                shutil.rmtree(older)
    return RootFs(finished)


def in_use(directory: Path) -> bool:
    """Tell whether a host of some lab runs from `directory` (each names its own on its command line)."""
    needle = os.fsencode(f"{directory}/")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            if needle in (process / "cmdline").read_bytes():
                return True
    return False


def remove(cache: Path) -> None:
    """Remove the whole cache; raise LabError if a lab runs from it."""
    if cache.is_dir():
        with _locked(cache):
            entries = [*cache.glob("rootfs-*"), *cache.glob("building-*")]
            if any(in_use(entry) for entry in entries):
                raise LabError(
                    f"a lab runs from {cache}; take it down first: `python -m lab down --name NAME`"
                )
            for entry in entries:
                shutil.rmtree(entry)
        (cache / "lock").unlink()
        with contextlib.suppress(OSError):  # something that is not ours lies there: it stays
            cache.rmdir()


@contextlib.contextmanager
def _locked(cache: Path) -> Iterator[None]:
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"    waiting for another lab that builds in {cache}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(directory: Path) -> None:
    base, peers, packages, logs = (directory / name for name in ("base", "peers", "packages", "logs"))
    peer_archives = directory / "peer-archives"
    for made in (packages, peer_archives, logs):
        made.mkdir()
    watch(Job("Debian base system", _bootstrap(base), logs / "base.log"))
    watch(Job("copying it for the peers", ["cp", "--archive", str(base), str(peers)], logs / "copy.log"))
    watch(
        Job(
            "servers and tools of the peers",
            _install(peers, peer_archives, "--no-install-recommends", *recipe.PEER_PACKAGES),
            logs / "peers.log",
        ),
        Job(
            "packages for the gateway to install",
            _install(base, packages, "--download-only", "--install-recommends", *recipe.REPOSITORY_PACKAGES),
            logs / "packages.log",
        ),
    )
    # Each host that wants a peer's service enables it itself.
    disable = ["chroot", str(peers), "systemctl", "disable", *recipe.PEER_SERVICES]
    watch(Job("services of the peers off", disable, logs / "disable.log"))
    shutil.rmtree(peer_archives)
    shutil.rmtree(packages / "partial")
    (packages / "lock").unlink(missing_ok=True)
    package_index.write_index(packages)
    for root in (base, peers):
        _forget_the_machine(root)


def _bootstrap(target: Path) -> list[str]:
    options = [*debian_sources.options(), 'APT::Install-Recommends "false";']
    return [
        *_ISOLATED,
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(recipe.BASE_PACKAGES)}",
        # A half-written tree is thrown away, so nothing need reach the disk in order.
        "--dpkgopt=force-unsafe-io",
        *(f"--aptopt={option.rstrip(';')}" for option in options),
        # The layers above install with the same lists.
        "--skip=cleanup/apt/lists",
        recipe.RELEASE,
        str(target),
        *debian_sources.sources(),
    ]


def _install(root: Path, archives: Path, *arguments: str) -> list[str]:
    return [*_ISOLATED, "sh", str(_LAYER_INSTALL), str(root), str(archives), *arguments]


def _forget_the_machine(root: Path) -> None:
    """Remove what only building needed: apt's lists and settings, the machine's resolv.conf."""
    apt = root / "etc/apt"
    for file in [*apt.glob("sources.list*"), apt / "apt.conf.d/99mmdebstrap", root / "etc/resolv.conf"]:
        if file.is_dir():
            shutil.rmtree(file)
            file.mkdir()
        else:
            file.unlink(missing_ok=True)
    lists = root / "var/lib/apt/lists"
    shutil.rmtree(lists)
    lists.mkdir()
