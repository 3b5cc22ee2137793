# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""What sends router advertisements on a host, read from /proc, from config files and from the package managers."""

from __future__ import annotations

import glob
import os
import re
import shlex
import socket
import subprocess
from pathlib import Path

from ansible_collections.nat64.gateway.plugins.module_utils.advertising_backend import NetworkdLink, Process

PROC = Path("/proc")
NETIF = Path("/run/systemd/netif/links")
NETWORK_FILES = Path("/etc/systemd/network")
PATIENCE = 60  # seconds for an answer of a package manager

# Where daemons look that are not told on their command line.
_CONFIGS = {
    "radvd": ["/etc/radvd.conf"],
    "bird": ["/etc/bird/bird.conf", "/etc/bird.conf", "/etc/bird/*.conf", "/etc/bird.d/*.conf"],
    "bird6": ["/etc/bird/bird6.conf", "/etc/bird6.conf"],
    "zebra": ["/etc/frr/frr.conf", "/etc/frr/zebra.conf"],
    "dnsmasq": ["/etc/dnsmasq.conf"],
    "corerad": [],
    "odhcpd": [],
}
_CONFIG_OPTIONS = {
    "radvd": ("-C", "--config"),
    "bird": ("-c",),
    "bird6": ("-c",),
    "zebra": ("-f", "--config_file"),
    "dnsmasq": ("-C", "--conf-file"),
}
_ENABLED_RADVD = ("/etc/systemd/system/*.wants/radvd.service", "/etc/runlevels/*/radvd")


def processes() -> list[Process]:
    """Return what runs in this network and may send router advertisements."""
    here = _namespace("self")
    found = []
    for directory in PROC.glob("[0-9]*"):
        arguments = _text(directory / "cmdline").rstrip("\0").split("\0")
        name = os.path.basename(arguments[0])  # noqa: PTH119 - no path of this module's own
        if name in _CONFIGS and _namespace(directory.name) == here:
            found.append(Process(name, tuple(arguments), _settings(name, arguments, directory / "root")))
    return found


def radvd_is_enabled() -> bool:
    """Tell whether the distribution's radvd starts at boot, with the config that it wants for that."""
    return Path("/etc/radvd.conf").exists() and any(glob.glob(pattern) for pattern in _ENABLED_RADVD)  # noqa: PTH207


def networkd_links(names: list[str], own_drop_in: str) -> dict[str, NetworkdLink]:
    """Return what systemd-networkd knows of these interfaces; `own_drop_in` is the name of our files."""
    indexes = {name: index for index, name in socket.if_nameindex()}
    found = {}
    for name in names:
        state_file = NETIF / str(indexes.get(name, 0))
        state = dict(line.split("=", 1) for line in _text(state_file).splitlines() if "=" in line)
        file = state.get("NETWORK_FILE", "")
        if not file or state.get("ADMIN_STATE") == "unmanaged":
            continue
        drop_ins = shlex.split(state.get("NETWORK_FILE_DROPINS", "").strip('"'))
        read = [file, *(each for each in drop_ins if not each.endswith(f"/{own_drop_in}"))]
        own = NETWORK_FILES / f"{Path(file).name}.d" / own_drop_in
        # networkd writes its state anew when it has read its files.
        unread = own.exists() != (str(own) in drop_ins) or _written(own) > _written(state_file)
        found[name] = NetworkdLink(file, "\n".join(_text(Path(each)) for each in read), unread)
    return found


def systemd_version() -> int:
    """Return the version of systemd; 0 without it."""
    match = re.match(r"systemd (\d+)", _output("systemctl", "--version"))
    return int(match.group(1)) if match else 0


def radvd_version(binary: str) -> str:
    """Return the version of the radvd that is there; empty without one."""
    match = re.search(r"^Version:\s*(\S+)", _output(binary, "--version"), re.MULTILINE)
    return match.group(1) if match else ""


def candidate(package: str) -> str:
    """Return the version of a package that would be installed; empty where the package manager cannot tell."""
    apt = re.search(r"^\s*Candidate:\s*(\d\S*)", _output("apt-cache", "policy", package), re.MULTILINE)
    apk = re.search(r"^\s+(\d[^\s:]*):", _output("apk", "policy", package), re.MULTILINE)
    portage = re.search(
        rf"^{re.escape(package)}-(\d\S*)", _output("portageq", "best_visible", "/", package), re.MULTILINE
    )
    return next((match.group(1) for match in (apt, apk, portage) if match), "")


def _settings(name: str, arguments: list[str], root: Path) -> str:
    """Return a daemon's config without comments; an option of its command line names it, or else the usual places."""
    given = list(_option_values(arguments, _CONFIG_OPTIONS.get(name, ())))
    directories = list(_option_values(arguments, ("-7", "--conf-dir"))) if name == "dnsmasq" else []
    patterns = [*(given or _CONFIGS[name]), *(f"{each.partition(',')[0]}/*" for each in directories)]
    files = sorted({file for pattern in patterns for file in glob.glob(f"{root}/{pattern.lstrip('/')}")})  # noqa: PTH207
    text = "\n".join(_text(Path(file)) for file in files)
    return re.sub(r"#.*$", "", text, flags=re.MULTILINE)


def _option_values(arguments: list[str], options: tuple[str, ...]) -> list[str]:
    found = []
    for number, argument in enumerate(arguments):
        for option in options:
            if argument == option:
                found += arguments[number + 1 : number + 2]
            elif argument.startswith(f"{option}=") or (len(option) == 2 and argument.startswith(option)):
                found.append(argument[len(option) :].lstrip("="))
    return found


def _namespace(pid: str) -> str:
    try:
        return str((PROC / pid / "ns/net").readlink())
    except OSError:
        return ""


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _output(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the role's words
            command,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
