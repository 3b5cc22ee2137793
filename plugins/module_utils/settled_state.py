# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""What a gateway is like, as far as these roles made it so: by it a later run sees that nothing is to be done.

A state is plain JSON: topic, thing, what it is like. Two states that are the same mean that whatever the roles wrote,
started or loaded is still so, and that the host's own network is what their preflight looked at.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from pathlib import Path
from typing import Any, Final

from ansible_collections.nat64.gateway.plugins.module_utils import rtnetlink
from ansible_collections.nat64.gateway.plugins.module_utils.gateway_sysctls import default_routes, recorded
from ansible_collections.nat64.gateway.plugins.module_utils.services import is_enabled, is_running

ROOT = Path("/")
SYSCTL_FILE: Final = "etc/sysctl.d/60-nat64.conf"
RECORD: Final = "etc/nat64/settled.json"
# Every place that a role writes to, below the root; a test compares them with the roles. What is somebody else's file
# with a part of ours is looked at whole.
PLACES: Final = (
    "etc/nat64/*",
    *(
        f"etc/{directory}/{named}"
        for directory in (
            *("bind", "conf.d", "dnsmasq.d", "init.d", "kea", "logrotate.d", "modules-load.d"),
            *("network/if-up.d", "NetworkManager/conf.d", "runlevels/*", "sysctl.d", "systemd/network"),
            *("systemd/network/*.d", "systemd/system", "systemd/system/*.d", "tmpfiles.d", "unbound"),
            *("systemd/system/*.wants",),
        )
        for named in ("*nat64*", "*dns64*")
    ),
    *("etc/bind/named.conf*", "etc/frr/daemons", "etc/frr/frr.conf"),
    *("etc/conf.d/net", "etc/conf.d/nftables", "etc/dhcpcd.conf"),
    *(
        "etc/network/interfaces",
        "usr/bin/nat64ctl",
        "usr/lib/nat64/current",
        "usr/sbin/dns64d",
        "usr/sbin/nat64d",
    ),
)
TABLE: Final = ("nft", "list", "table", "inet", "nat64_nat44")
_PATIENCE: Final = 30  # seconds for an answer of nft
_TRANSLATORS: Final = "64"  # the protocol number of routes that nat64d made


def state(services: list[str]) -> dict[str, dict[str, Any]]:
    """Look at the host; `services` are those that shall run. Raises OSError if the kernel does not answer."""
    return {
        "file": _files(),
        "service": {name: _service(name) for name in services},
        "kernel setting": _settings(),
        "network": _network(),
        "firewall": {"table inet nat64_nat44": _table()},
    }


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Name what is otherwise than it was: ``file /etc/nat64/nat64.conf``."""
    found = []
    for topic in sorted({*before, *now}):
        was, is_now = before.get(topic, {}), now.get(topic, {})
        found += [
            f"{topic} {thing}" for thing in sorted({*was, *is_now}) if was.get(thing) != is_now.get(thing)
        ]
    return found


def faults(now: dict[str, Any]) -> list[str]:
    """Name what no gateway is recorded with: a service that does not run, or a kernel setting that was not made."""
    settings = now["kernel setting"]
    return [f"service {name}" for name, how in now["service"].items() if how != "runs, at boot too"] + [
        f"kernel setting {key}" for key, how in settings.items() if how != "made"
    ]


def _files() -> dict[str, str]:
    found = {}
    for place in PLACES:
        for path in ROOT.glob(place):
            if not path.is_dir() or path.is_symlink():
                name = "/" + str(path.relative_to(ROOT))
                if name != f"/{RECORD}":
                    found[name] = _likeness(path)
    return found


def _likeness(path: Path) -> str:
    try:
        entry = os.lstat(path)
        if stat.S_ISLNK(entry.st_mode):
            return f"-> {path.readlink()}"
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(entry.st_mode) else "special"
    except OSError:  # gone meanwhile
        return "unreadable"
    return f"{entry.st_mode:o} {entry.st_uid}:{entry.st_gid} {digest}"


def _service(name: str) -> str:
    runs = "runs" if is_running(name) else "does not run"
    return f"{runs}, at boot too" if is_enabled(name) else runs


def _settings() -> dict[str, str]:
    """Compare the kernel's settings with the role's file; those of a device that is not there count as made."""
    try:
        wanted = recorded((ROOT / SYSCTL_FILE).read_text(encoding="utf-8"))
    except OSError:
        return {}
    made = {}
    for key, value in wanted.items():
        file = ROOT / "proc/sys" / key.lstrip("-")
        made[key] = (
            "made" if not file.exists() or file.read_text(encoding="ascii").strip() == value else "not made"
        )
    return made


def _network() -> dict[str, Any]:
    """Tell what the preflight looks at and what stays by itself: no learnt address, no route of a routing daemon."""
    routes = rtnetlink.routes()
    return {
        "addresses": sorted(
            f"{address.device} {address.interface}"
            for address in rtnetlink.addresses()
            if not address.dynamic and address.scope == "global"
        ),
        "default routes": default_routes(routes),
        "translator's routes": sorted(
            f"{route.destination} {route.device}" for route in routes if route.protocol == _TRANSLATORS
        ),
    }


def _table() -> str:
    """Digest the table of role nat44 as the kernel has it; empty where there is none."""
    try:
        listed = subprocess.run(  # noqa: S603 - always the same words
            TABLE, check=False, capture_output=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return hashlib.sha256(listed.stdout).hexdigest() if listed.returncode == 0 else ""
