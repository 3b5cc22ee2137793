"""Gateways made of stock container images, where podman can get them: the real distributions in the stand-ins' place.

NAT64_IMAGE_DEBIAN12, _DEBIAN13, _ALPINE and _GENTOO name an image, or say `stand-in` for what the lab builds itself.
Without them the stock names below serve where podman is installed and their registry answers.
Only the way with an image that podman has already was ever run; see lab/images/*/Containerfile.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import package_index
from lab.errors import LabError
from lab.platforms import Platform
from lab.progress import Job, say, watch
from lab.recipe import IMAGES, VERSION

STAND_IN = "stand-in"
STOCK = {
    "debian12": "docker.io/library/debian:12",
    "debian13": "docker.io/library/debian:13",
    "alpine": "docker.io/library/alpine:3.22",
    "gentoo": "docker.io/gentoo/stage3:openrc",
}
# Longer than a registry that can be reached takes to answer, in seconds.
_PROBE_TIMEOUT = 8.0


@dataclass(frozen=True, slots=True)
class StockImage:
    """An image for a platform's gateway."""

    platform: str
    image: str
    wanted: bool
    """Whether it was named by the user, so that nothing may take its place."""

    @property
    def containerfile(self) -> Path:
        """What the lab adds to the image."""
        return IMAGES / self.platform.rstrip("0123456789") / "Containerfile"

    def stamp(self) -> str:
        """Name the result: the same image with the same additions."""
        recipe = f"{VERSION} {self.image}\n{self.containerfile.read_text(encoding='utf-8')}"
        return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def variable(platform: str) -> str:
    """Name the environment variable that says which image a platform's gateway is made of."""
    return f"NAT64_IMAGE_{platform.upper().replace('-', '_')}"


def choose(platform: Platform, environment: Mapping[str, str] = os.environ) -> StockImage | None:
    """Decide which image a gateway is to be made of, without asking anyone; None: the lab builds it itself."""
    named = environment.get(variable(platform.name), "")
    if named == STAND_IN or platform.name not in STOCK:
        return None
    if shutil.which("podman") is None:
        if named:
            raise LabError(f"{variable(platform.name)} names an image, but podman is not installed")
        return None
    return StockImage(platform.name, named or STOCK[platform.name], wanted=bool(named))


def obtainable(stock: StockImage) -> bool:
    """Tell whether podman has the image or its registry answers soon; raise LabError if a wanted one is not."""
    if _succeeds("image", "exists", stock.image) or _succeeds("manifest", "inspect", stock.image):
        return True
    if stock.wanted:
        raise LabError(
            f"{variable(stock.platform)}={stock.image}: podman cannot get this image; pull it by hand, or say stand-in"
        )
    say(f"    podman cannot get {stock.image}: the lab builds this gateway itself")
    return False


def _succeeds(*arguments: str) -> bool:
    command = ["podman", *arguments]
    try:
        return (
            subprocess.run(command, check=False, capture_output=True, timeout=_PROBE_TIMEOUT).returncode == 0
        )
    except subprocess.TimeoutExpired:
        return False


def build(stock: StockImage, directory: Path) -> None:
    """Make `root` of the image and an empty `packages` in `directory`."""
    root, packages, logs = (directory / name for name in ("root", "packages", "logs"))
    for made in (root, packages, logs):
        made.mkdir()
    tag = f"localhost/nat64-lab-{stock.platform}"
    # No build context but the file itself; the network is the machine's, for the image's own package manager.
    command = ["podman", "build", "--network=host", f"--build-arg=BASE={stock.image}", f"--tag={tag}"]
    watch(
        Job(
            f"building on {stock.image}",
            [*command, f"--file={stock.containerfile}", str(logs)],
            logs / "build.log",
        )
    )
    export = 'container=$(podman create "$1" /bin/true) && podman export "$container" | tar -x -C "$2"'
    forget = '; status=$?; podman rm "$container"; exit "$status"'
    watch(Job("exporting it", ["sh", "-c", export + forget, "export", tag, str(root)], logs / "export.log"))
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    package_index.write_index(packages)
