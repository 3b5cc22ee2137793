"""The cached root file systems that the lab's hosts start from, and the package repositories they install from.

    CACHE/rootfs-STAMP/base        bare Debian 12, the gateway by default
    CACHE/rootfs-STAMP/peers       the same with servers and tools
    CACHE/rootfs-STAMP/packages    .deb files with an index, for http://packages.example/
    CACHE/PLATFORM-STAMP/root      what the gateway is on another platform
    CACHE/PLATFORM-STAMP/packages  and what it installs from
    CACHE/PLATFORM-stock-STAMP     the same, made of a stock container image

Each is built in a directory of another name and renamed when complete.
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab import debian_build, recipe, stand_in_build, stock_images
from lab.errors import LabError
from lab.platforms import DEBIAN12, Platform
from lab.progress import say
from lab.topology import Layer


@dataclass(frozen=True, slots=True)
class Cached:
    """Something that the cache holds: its name, what its contents follow from, and how it is made."""

    name: str
    stamp: str
    build: Callable[[Path], object]

    def directory(self, cache: Path) -> Path:
        """Where it lies when complete."""
        return cache / f"{self.name}-{self.stamp}"

    def is_version(self, entry: Path) -> bool:
        """Tell whether a directory of the cache is this or an older version of it."""
        return re.fullmatch(rf"{re.escape(self.name)}-[0-9a-f]+", entry.name) is not None


@dataclass(frozen=True, slots=True)
class RootFs:
    """The root file systems of one lab."""

    peers: Path
    gateway: Path
    packages: Path
    """Package repository of the gateway's platform."""

    def layer(self, layer: Layer) -> Path:
        """Directory of one root file system."""
        return self.gateway if layer is Layer.BASE else self.peers


def cache_directory() -> Path:
    """Return the cache: NAT64_LAB_CACHE, or `nat64-lab` among the user's caches (XDG)."""
    named = os.environ.get("NAT64_LAB_CACHE")
    if named:
        return Path(named).absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "nat64-lab"


def ready(cache: Path, platform: Platform = DEBIAN12) -> RootFs:
    """Return the root file systems for a gateway of `platform`, building first what is not there."""
    debian12 = cached(cache, Cached("rootfs", recipe.stamp(), debian_build.build_debian12_and_peers))
    peers = debian12 / "peers"
    stock = _stock(cache, platform)
    if stock is None and platform == DEBIAN12:
        return RootFs(peers, debian12 / "base", debian12 / "packages")
    own = cached(cache, stock or platform_image(platform))
    return RootFs(peers, own / "root", own / "packages")


def _stock(cache: Path, platform: Platform) -> Cached | None:
    """Find the image of the real distribution, if there is to be one; what was made of it is not asked for again."""
    stock = stock_images.choose(platform)
    if stock is None:
        return None
    image = Cached(f"{platform.name}-stock", stock.stamp(), partial(stock_images.build, stock))
    return image if image.directory(cache).is_dir() or stock_images.obtainable(stock) else None


def platform_image(platform: Platform) -> Cached:
    """Say how the root file system of a platform other than the default comes into the cache."""
    stand_in = recipe.STAND_IN.get(platform.name)
    if stand_in is not None:
        return Cached(platform.name, stand_in.stamp(platform.name), partial(stand_in_build.build, stand_in))
    debian = recipe.DEBIAN[platform.name]
    image = recipe.IMAGES / platform.name
    return Cached(platform.name, debian.stamp(platform.name), partial(debian_build.build, debian, image))


def cached(cache: Path, image: Cached) -> Path:
    """Return the directory of `image` in the cache, building it first if it is not there."""
    # These two separate the parts of an overlay's mount option.
    if any(mark in str(cache) for mark in ":,"):
        raise LabError(
            f"cache directory {cache}: the path holds ':' or ','; set NAT64_LAB_CACHE to one without"
        )
    cache.mkdir(parents=True, exist_ok=True)
    finished = image.directory(cache)
    with _locked(cache, image.name):
        building = cache / f"building-{image.name}"
        if building.is_dir():
            shutil.rmtree(building)
        if not finished.is_dir():
            building.mkdir()
            image.build(building)
            building.rename(finished)
        for older in cache.iterdir():
            if older != finished and image.is_version(older) and not in_use(older):
                shutil.rmtree(older)
    return finished


def in_use(directory: Path) -> bool:
    """Tell whether a host of some lab runs from `directory` (each names its own on its command line)."""
    needle = os.fsencode(f"{directory}/")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            if needle in (process / "cmdline").read_bytes():
                return True
    return False


_OURS = re.compile(r"building-[0-9a-z-]+|[0-9a-z-]+-[0-9a-f]+")


def remove(cache: Path) -> None:
    """Remove the whole cache; raise LabError if a lab runs from it."""
    if not cache.is_dir():
        return
    with contextlib.ExitStack() as locks:
        for lock in cache.glob("*.lock"):
            locks.enter_context(_locked(cache, lock.stem))
        entries = [entry for entry in cache.iterdir() if entry.is_dir() and _OURS.fullmatch(entry.name)]
        if any(in_use(entry) for entry in entries):
            raise LabError(f"a lab runs from {cache}; take it down first: `python -m lab down --name NAME`")
        for entry in entries:
            shutil.rmtree(entry)
        for lock in cache.glob("*.lock"):
            lock.unlink()
    with contextlib.suppress(OSError):  # something that is not ours lies there: it stays
        cache.rmdir()


@contextlib.contextmanager
def _locked(cache: Path, name: str) -> Iterator[None]:
    with (cache / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"    waiting for another lab that builds {name} in {cache}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
