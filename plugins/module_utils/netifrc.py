# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Gentoo's /etc/conf.d/net beside a block of ours: who uses it, and whose ``preup()`` stands in it.

The file is a shell script, and a shell has one function of a name: a second ``preup()`` would replace the first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BEGIN = "# BEGIN nat64"
END = "# END nat64"
_FUNCTION = re.compile(r"^[ \t]*(?:function[ \t]+preup\b|preup[ \t]*\([ \t]*\))", re.MULTILINE)
_MAKES_TUN = re.compile(r"^[^#\n]*nat64d[^#\n]*--mktun", re.MULTILINE)
_OF_DEVICE = re.compile(r"^# TUN of the NAT64 translator: (\S+)\. ", re.MULTILINE)


def outside(text: str) -> str:
    """Return what stands outside our block."""
    return re.sub(rf"^{BEGIN}$.*?^{END}$\n?", "", text, flags=re.MULTILINE | re.DOTALL)


def device(text: str) -> str:
    """Return the device of our block; empty without a block."""
    found = _OF_DEVICE.search(_inside(text))
    return found[1] if found else ""


def leaving(text: str, wanted: str, hook: str, *, stale: bool) -> list[str]:
    """Return the device that is to be made in another way than so far, and must go before.

    `stale` tells that the wanted one is there without netifrc's doing, which would not make it again.
    """
    inside = _inside(text)
    former = device(text)
    former_hook = "tuntap" if re.search(r"^tuntap_", inside, re.MULTILINE) else "preup"
    if former and (former, former_hook) != (wanted, hook):
        return [former]
    return [wanted] if hook == "tuntap" and stale else []


def _inside(text: str) -> str:
    found = re.search(rf"^{BEGIN}$(.*?)^{END}$", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def has_preup(text: str) -> bool:
    """Tell whether a ``preup()`` stands outside our block."""
    return bool(_FUNCTION.search(outside(text)))


def finding(text: str, device: str, hook: str, command: str) -> str:
    """Say what to change by hand in a ``preup()`` that stands outside our block; empty where nothing is to be changed."""
    calls = bool(has_preup(text) and _MAKES_TUN.search(outside(text)))
    if hook == "preup" and has_preup(text) and not calls:
        return (
            "nat64_netifrc_hook: /etc/conf.d/net has a preup() already, and there can be one; add to it by hand:"
            f' case "${{IFACE}}" in {device}) {command} ;; esac'
            "; or set nat64_netifrc_hook to tuntap, or to none"
        )
    if hook == "tuntap" and calls:
        return (
            "nat64_netifrc_hook: the preup() in /etc/conf.d/net makes the TUN already, and netifrc cannot make it again;"
            f" take nat64d --mktun out of its arm for {device} by hand, or set nat64_netifrc_hook to preup"
        )
    return ""


def in_use(services: Iterable[str], device: str) -> bool:
    """Tell whether netifrc has set up any interface but the loopback and ours, from the names in the runlevels."""
    return any(name.startswith("net.") and name not in {"net.lo", f"net.{device}"} for name in services)
