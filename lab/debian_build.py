"""Root file systems that are Debian, and repositories of .deb files, made by mmdebstrap and apt."""

import shutil
from pathlib import Path

from lab import debian_sources, package_index, recipe
from lab.guest_files import copy_tree
from lab.progress import Job, watch

_LAYER_INSTALL = Path(__file__).with_name("layer_install.sh")

# Mounts and processes of a build live in namespaces of their own: when the build dies, they do.
ISOLATED = (
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
)


def build_debian12_and_peers(directory: Path) -> None:
    """Make `base`, `peers` and `packages` in `directory`: the default gateway and the hosts around it."""
    base, peers, packages, logs = (directory / name for name in ("base", "peers", "packages", "logs"))
    peer_archives = directory / "peer-archives"
    for made in (packages, peer_archives, logs):
        made.mkdir()
    bootstrap = _bootstrap(recipe.RELEASE, recipe.BASE_PACKAGES, base)
    watch(Job("Debian base system", bootstrap, logs / "base.log"))
    watch(Job("copying it for the peers", ["cp", "--archive", str(base), str(peers)], logs / "copy.log"))
    watch(
        Job(
            "servers and tools of the peers",
            _install(peers, peer_archives, "--no-install-recommends", *recipe.PEER_PACKAGES),
            logs / "peers.log",
        ),
        _download(base, packages, recipe.REPOSITORY_PACKAGES, logs / "packages.log"),
    )
    # Each host that wants a peer's service enables it itself.
    disable = ["chroot", str(peers), "systemctl", "disable", *recipe.PEER_SERVICES]
    watch(Job("services of the peers off", disable, logs / "disable.log"))
    shutil.rmtree(peer_archives)
    _finish_repository(packages)
    for root in (base, peers):
        _forget_the_machine(root)


def build(made_of: recipe.DebianRecipe, image: Path, directory: Path) -> None:
    """Make `root` and `packages` in `directory`, with the files of `image`/root over those of the packages."""
    root, packages, logs = (directory / name for name in ("root", "packages", "logs"))
    for made in (packages, logs):
        made.mkdir()
    bootstrap = _bootstrap(made_of.release, made_of.packages, root)
    watch(Job(f"Debian {made_of.release} for the gateway", bootstrap, logs / "root.log"))
    watch(_download(root, packages, made_of.repository, logs / "packages.log"))
    _finish_repository(packages)
    _forget_the_machine(root)
    copy_tree(image / "root", root)


def _bootstrap(release: str, packages: tuple[str, ...], target: Path) -> list[str]:
    options = [*debian_sources.options(), 'APT::Install-Recommends "false";']
    return [
        *ISOLATED,
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(packages)}",
        # A half-written tree is thrown away, so nothing need reach the disk in order.
        "--dpkgopt=force-unsafe-io",
        *(f"--aptopt={option.rstrip(';')}" for option in options),
        # The layers above install with the same lists.
        "--skip=cleanup/apt/lists",
        release,
        str(target),
        *debian_sources.sources(release),
    ]


def _download(root: Path, packages: Path, names: tuple[str, ...], log: Path) -> Job:
    command = _install(root, packages, "--download-only", "--install-recommends", *names)
    return Job("packages for the gateway to install", command, log)


def _install(root: Path, archives: Path, *arguments: str) -> list[str]:
    return [*ISOLATED, "sh", str(_LAYER_INSTALL), str(root), str(archives), *arguments]


def _finish_repository(packages: Path) -> None:
    shutil.rmtree(packages / "partial")
    (packages / "lock").unlink(missing_ok=True)
    package_index.write_index(packages)


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
