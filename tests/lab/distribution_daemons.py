"""Daemons of a Debian release, unpacked and not installed, so that nothing starts; they run in network namespaces."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from typing import TYPE_CHECKING, Final

from lab import debian_sources, rootfs

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES: Final = ("base-files", "dnsmasq-base", "kea-dhcp4-server", "radvd")
# Kea's files go where nobody looks for them; a chroot's /tmp is the test's own directory.
TMP: Final = "/tmp"  # noqa: S108 - of the chroot
ENVIRONMENT: Final = {"KEA_LOCKFILE_DIR": TMP, "KEA_PIDFILE_DIR": TMP}

# Raise it when the way of unpacking changes the result.
VERSION: Final = 2


def unpacked(release: str, packages: tuple[str, ...] = PACKAGES, name: str = "daemons") -> Path:
    """Return a directory with the daemons of a release and what they need, which is fetched once.

    Other `packages` lie in the cache under another `name`.
    """
    parts = json.dumps([VERSION, platform.machine(), release, packages])
    stamp = hashlib.sha256(parts.encode()).hexdigest()[:12]

    def build(directory: Path) -> None:
        options = [option.rstrip(";") for option in debian_sources.options()]
        unpack = ["mmdebstrap", "--variant=extract", f"--include={','.join(packages)}"]
        unpack += [f"--aptopt={option}" for option in options]
        unpack += [release, str(directory / "root"), *debian_sources.sources(release)]
        subprocess.run(unpack, check=True, capture_output=True)
        root = directory / "root"
        for usual in ("bin", "sbin", "lib", "lib64"):
            if not (root / usual).exists() and (root / "usr" / usual).exists():
                (root / usual).symlink_to(f"usr/{usual}")
        for needed in ("proc", "run", "tmp", "var/lib/kea"):
            (root / needed).mkdir(parents=True, exist_ok=True)

        (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
        (root / "etc/group").write_text("root:x:0:\n")

    return rootfs.cached(rootfs.cache_directory(), rootfs.Cached(f"{name}-{release}", stamp, build)) / "root"


def inside(root: Path, directory: Path, *command: str) -> list[str]:
    """Return the command that runs one of them in a mount namespace of its own, with `directory` as its /tmp.

    The configs that a test writes to `directory` are root's, as the daemons want them.
    """
    script = (
        'mount --bind "$1" "$0/tmp" && mount --bind /proc "$0/proc" && mount -t tmpfs none "$0/run" &&'
        ' mount -t tmpfs none "$0/var/lib/kea" && root="$0" && shift && exec chroot "$root" "$@"'
    )
    isolated = ["unshare", "--mount", "--propagation", "private"]
    return [*isolated, "sh", "-c", script, str(root), str(directory), *command]
