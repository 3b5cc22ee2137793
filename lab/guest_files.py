"""The files that a host has beside its layer's: its own of `lab/hosts`, and those made for one lab."""

import os
import shutil
import uuid
from pathlib import Path

from lab import network_config
from lab.init_systems import SYSTEMD
from lab.platforms import DEBIAN12, NetworkFormat, Platform
from lab.topology import IN_LINE, Host, Topology

_HOSTS = Path(__file__).with_name("hosts")
_TOPOLOGIES = Path(__file__).with_name("topologies")
DOWNLOAD_SIZE = 20_000_000
"""Size of the file that the web servers offer, in bytes."""

# In a container nobody sits at a console and no device shows up; and nothing may hold apt's lock at boot.
# What waits for passwords and logins takes inotify instances, of which all labs together have 128 on a usual machine.
_MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "getty.target",
    "ifupdown-pre.service",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-logind.service",
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
)


def write(
    host: Host, root: Path, public_key: str, platform: Platform = DEBIAN12, topology: Topology = IN_LINE
) -> None:
    """Write the host's files below `root`, which becomes the upper part of its overlay."""
    name = host.like or host.name
    for tree in (_HOSTS / "all", _HOSTS / name, _TOPOLOGIES / (topology.files or topology.name) / name):
        copy_tree(tree, root)
    if not platform.apt:
        shutil.rmtree(root / "etc/apt")
    # Not empty: systemd takes a host without machine-id for one at its first boot and enables all its services.
    _file(root / "etc/machine-id", f"{uuid.uuid4().hex}\n")
    _file(root / "etc/hostname", f"{host.name}\n")
    _file(root / "etc/hosts", f"127.0.0.1 localhost {host.name}\n::1 localhost {host.name}\n")
    _directory(root / "root").chmod(0o700)
    _directory(root / "root/.ssh").chmod(0o700)
    _file(root / "root/.ssh/authorized_keys", public_key)
    if platform.init is SYSTEMD:
        _choose_units(host, root)
    _translate_network(root, platform.network)
    if host.serves_web:
        _directory(root / "srv/www").joinpath("20M.bin").write_bytes(os.urandom(DOWNLOAD_SIZE))


def _translate_network(root: Path, wanted: NetworkFormat) -> None:
    if wanted is NetworkFormat.IFUPDOWN:
        return
    interfaces = network_config.parse((root / "etc/network/interfaces").read_text(encoding="utf-8"))
    shutil.rmtree(root / "etc/network")
    translate = network_config.netifrc if wanted is NetworkFormat.NETIFRC else network_config.networkd
    for path, text in translate(interfaces):
        _file(root / path, text)
    if wanted is NetworkFormat.NETIFRC:
        for interface in interfaces:
            service = _directory(root / "etc/init.d") / f"net.{interface.name}"
            service.symlink_to("net.lo")
            (_directory(root / "etc/runlevels/default") / service.name).symlink_to(
                f"/etc/init.d/{service.name}"
            )


def _choose_units(host: Host, root: Path) -> None:
    units = _directory(root / "etc/systemd/system")
    for unit in _MASKED:
        (units / unit).symlink_to("/dev/null")
    wanted = _directory(units / "multi-user.target.wants")
    for service in host.services:
        (wanted / f"{service}.service").symlink_to(f"/lib/systemd/system/{service}.service")


def copy_tree(source: Path, target: Path) -> None:
    """Copy what lies below `source`, if anything: links as links, files with the usual modes."""
    for entry in sorted(source.rglob("*")):
        copy = target / entry.relative_to(source)
        if entry.is_symlink():
            _directory(copy.parent)
            copy.unlink(missing_ok=True)
            copy.symlink_to(entry.readlink())
        elif entry.is_dir():
            _directory(copy)
        else:
            _directory(copy.parent)
            shutil.copyfile(entry, copy)
            copy.chmod(0o755 if os.access(entry, os.X_OK) else 0o644)


def _directory(path: Path) -> Path:
    """Make a directory with the usual mode, whatever the umask: in the overlay its mode hides the layer's."""
    if not path.is_dir():
        _directory(path.parent)
        path.mkdir()
        path.chmod(0o755)
    return path


def _file(path: Path, text: str) -> None:
    _directory(path.parent)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
