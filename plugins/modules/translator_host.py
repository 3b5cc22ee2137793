#!/usr/bin/python
# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Look at a host before the translator is set up on it: what stands in the way, and what must be heeded."""

from __future__ import annotations

DOCUMENTATION = r"""
module: translator_host
version_added: 0.2.0
short_description: See what stands in the way of a translator on a host
description:
  - Checks the variables of role P(nat64.gateway.nat64#role), by themselves and against what the host has, and tells
    what the role must heed there.
  - Never changes anything.
author: The nat64 authors (!UNKNOWN)
options:
  device:
    description: The role's variable of that name, as all that follow up to O(log_file).
    type: str
    required: true
  prefix:
    description: As above.
    type: str
    required: true
  pool:
    description: As above.
    type: str
    required: true
  ipv4_addr:
    description: As above.
    type: str
    required: true
  ipv6_addr:
    description: As above.
    type: str
    required: true
  further_prefixes:
    description: As above.
    type: list
    elements: dict
    default: []
  maps:
    description: As above.
    type: list
    elements: dict
    default: []
  tun_addresses:
    description: As above.
    type: list
    elements: str
    default: []
  extra_directives:
    description: As above.
    type: list
    elements: str
    default: []
  ra_uplinks:
    description: As above.
    type: list
    elements: str
    default: []
  rfc6791_pool:
    description: As above.
    type: str
    default: ""
  log_file:
    description: As above.
    type: str
    default: ""
  fast_path:
    description: The role's variable of that name.
    type: str
    choices: [auto, require, "off"]
    default: auto
  manage_packages:
    description: The role's variable of that name.
    type: bool
    default: true
  libbpf_package:
    description: What this distribution calls libbpf.
    type: str
    default: libbpf
  manage_sysctl:
    description: Whether the role makes the kernel's settings; if not, what is missing is told as a warning.
    type: bool
    default: true
  netifrc_hook:
    description: The role's variable of that name.
    type: str
    choices: [auto, preup, tuntap, none]
    default: auto
  ifupdown_hook:
    description: The role's variable of that name.
    type: bool
    default: false
  mktun:
    description: The command that makes the TUN.
    type: str
    default: nat64d --mktun
  sysctl_file:
    description: Where the role keeps the kernel's settings.
    type: path
  before_file:
    description: Where the role keeps what these were before.
    type: path
extends_documentation_fragment: [nat64.gateway.host_look, nat64.gateway.host_look.applied]
"""

EXAMPLES = r"""
- name: See what stands in the way
  nat64.gateway.translator_host:
    device: nat64
    prefix: 64:ff9b::/96
    pool: 192.168.240.0/20
    ipv4_addr: 192.168.240.1
    ipv6_addr: fd00:db8::64
  register: host
"""

RETURN = r"""
findings:
  description: What stands in the way; each line names the variable and the remedy.
  returned: always
  type: list
  elements: str
default_routes:
  description: The default routes that forwarding must leave as they are, one line each.
  returned: always
  type: list
  elements: str
sysctl:
  description:
    - The kernel's settings, C(wanted) in the order they must be made, C(before) what they were before
      the role, C(differs) whether the kernel differs from what is wanted, and C(uplinks) whose
      C(accept_ra) is among them.
  returned: always
  type: dict
tun_module:
  description: Whether the kernel has its TUN driver as a module, which must be loaded at boot.
  returned: always
  type: bool
tun_node:
  description: Whether there is /dev/net/tun.
  returned: always
  type: bool
netifrc:
  description: How the TUN is to be made by netifrc, V(preup), V(tuntap) or V(none).
  returned: always
  type: str
netifrc_preup:
  description: Whether /etc/conf.d/net has a preup() of its owner's.
  returned: always
  type: bool
netifrc_leaving:
  description: The TUN that so far was made in another way than netifrc is to make it, and must be removed before.
  returned: always
  type: list
  elements: str
fast_path_missing:
  description: What the fast path lacks on this host, as far as can be told without it; empty if nothing is known.
  returned: always
  type: str
libbpf:
  description: Whether libbpf 1.0 or later is there.
  returned: always
  type: bool
managers:
  description: What else there is that sets up interfaces, of C(ifupdown), C(networkmanager) and C(dhcpcd).
  returned: always
  type: list
  elements: str
left_over:
  description: Topics of handlers that an earlier run did not come to.
  returned: always
  type: list
  elements: str
"""

import os
import re
import stat
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nat64.gateway.plugins.module_utils import fast_path_host, netifrc, rtnetlink
from ansible_collections.nat64.gateway.plugins.module_utils.gateway_sysctls import (
    default_routes,
    ra_uplinks,
    recorded,
    sysctls,
)
from ansible_collections.nat64.gateway.plugins.module_utils.services import APPLIED, is_running, left_over
from ansible_collections.nat64.gateway.plugins.module_utils.translator_settings import (
    Network,
    Wanted,
    findings,
)

TUN = Path("/dev/net/tun")
MODULES = Path("/lib/modules")
SYSCTLS = Path("/proc/sys")
CONF_D_NET = Path("/etc/conf.d/net")
NET_LO = Path("/etc/init.d/net.lo")
RUNLEVELS = Path("/etc/runlevels")
MANAGERS = {
    "ifupdown": Path("/etc/network/if-up.d"),
    "networkmanager": Path("/etc/NetworkManager/conf.d"),
    "dhcpcd": Path("/etc/dhcpcd.conf"),
}


def live(keys: list[str]) -> dict[str, str]:
    """Read the settings that the kernel has; those of a device that is not there are left out."""
    return {key: (SYSCTLS / key).read_text().strip() for key in keys if (SYSCTLS / key).exists()}


def tun_node() -> bool:
    """Tell whether there is the device that TUNs are made by."""
    return TUN.exists() and stat.S_ISCHR(TUN.stat().st_mode)


def tun_module() -> bool:
    """Tell whether the running kernel has a module for TUNs; one that is built in needs no loading."""
    dependencies = _text(MODULES / os.uname().release / "modules.dep")
    return bool(re.search(r"/tun\.ko[.\w]*:", dependencies))


def netifrc_hook(chosen: str, device: str) -> str:
    """Return how netifrc is to make the TUN; it is left out where it sets up no interface."""
    if chosen != "auto":
        return chosen
    services = [path.name for path in RUNLEVELS.glob("*/net.*")]
    return "preup" if NET_LO.exists() and netifrc.in_use(services, device) else "none"


def kernel_settings(asked: dict[str, Any], routes: list[rtnetlink.Route]) -> dict[str, Any]:
    """Put together what the kernel's settings must be, were and are."""
    accept_ra = {
        path.parent.name: path.read_text().strip() for path in SYSCTLS.glob("net/ipv6/conf/*/accept_ra")
    }
    kept = recorded(_text(asked["sysctl_file"]))
    uplinks = {key.split("/")[3] for key in kept if key.endswith("/accept_ra")}
    uplinks |= {*asked["ra_uplinks"], *ra_uplinks(routes, accept_ra)}
    wanted = sysctls(sorted(uplinks))
    now = live(list(wanted))
    return {
        "wanted": wanted,
        "before": {**now, **recorded(_text(asked["before_file"]))},
        "differs": any(wanted[key] != value for key, value in now.items()),
        "missing": [f"{key.replace('/', '.')}={wanted[key]}" for key in now if wanted[key] != now[key]],
        "uplinks": sorted(uplinks),
    }


def _text(path: Path | str | None) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace") if path else ""
    except OSError:
        return ""


def netifrc_findings(hook: str, text: str, asked: dict[str, Any]) -> list[str]:
    """Say what keeps netifrc from making the TUN."""
    if hook == "none":
        return []
    if not NET_LO.exists():
        return [f"nat64_netifrc_hook: this host has no {NET_LO}; install net-misc/netifrc, or set it to none"]
    told = netifrc.finding(text, asked["device"], hook, asked["mktun"])
    return [told] if told else []


def ifupdown_findings(*, hook: bool, managers: list[str]) -> list[str]:
    """Say what keeps ifupdown from making the TUN."""
    if not hook or "ifupdown" in managers:
        return []
    return [
        (
            f"nat64_ifupdown_hook: this host has no ifupdown ({MANAGERS['ifupdown']} is missing);"
            " install ifupdown or ifupdown-ng, or set it to false"
        )
    ]


def main() -> None:
    """Answer the role."""
    words: dict[str, Any] = {
        name: {"type": "str", "required": True}
        for name in ("device", "prefix", "pool", "ipv4_addr", "ipv6_addr")
    }
    lists: dict[str, Any] = {
        name: {"type": "list", "elements": "str", "default": []}
        for name in ("tun_addresses", "extra_directives", "ra_uplinks")
    }
    module = AnsibleModule(
        argument_spec={
            **words,
            **lists,
            "further_prefixes": {"type": "list", "elements": "dict", "default": []},
            "maps": {"type": "list", "elements": "dict", "default": []},
            "rfc6791_pool": {"type": "str", "default": ""},
            "log_file": {"type": "str", "default": ""},
            "fast_path": {"type": "str", "choices": ["auto", "require", "off"], "default": "auto"},
            "manage_packages": {"type": "bool", "default": True},
            "libbpf_package": {"type": "str", "default": "libbpf"},
            "manage_sysctl": {"type": "bool", "default": True},
            "netifrc_hook": {
                "type": "str",
                "choices": ["auto", "preup", "tuntap", "none"],
                "default": "auto",
            },
            "ifupdown_hook": {"type": "bool", "default": False},
            "mktun": {"type": "str", "default": "nat64d --mktun"},
            "sysctl_file": {"type": "path"},
            "before_file": {"type": "path"},
            **APPLIED,
        },
        supports_check_mode=True,
    )
    asked = module.params
    routes = rtnetlink.routes()
    wanted = Wanted(**{name: asked[name] for name in Wanted.__dataclass_fields__})
    links = rtnetlink.links()
    others = frozenset(link.name for link in links if link.kind != "tun")
    found = findings(wanted, Network(rtnetlink.addresses(), routes, others))
    if not tun_node() and not tun_module():
        found.insert(
            0,
            f"{TUN} is missing; load the kernel module (modprobe tun), or give the device to this container",
        )
    hook = netifrc_hook(asked["netifrc_hook"], asked["device"])
    conf_d_net = _text(CONF_D_NET)
    found += netifrc_findings(hook, conf_d_net, asked)
    managers = sorted(name for name, sign in MANAGERS.items() if sign.exists())
    found += ifupdown_findings(hook=asked["ifupdown_hook"], managers=managers)
    libbpf, host = fast_path_host.has_libbpf(), fast_path_host.look()
    found += fast_path_host.findings(
        asked["fast_path"],
        host,
        package=asked["libbpf_package"],
        libbpf=libbpf,
        manage_packages=asked["manage_packages"],
    )
    there = any(link.name == asked["device"] for link in links)
    stale = there and not is_running(f"net.{asked['device']}")
    sysctl = kernel_settings(asked, routes)
    if sysctl["missing"] and not asked["manage_sysctl"]:
        module.warn(f"nat64_manage_sysctl is false, and a gateway needs {', '.join(sysctl['missing'])}")
    module.exit_json(
        findings=found,
        default_routes=default_routes(routes),
        sysctl=sysctl,
        tun_module=tun_module(),
        tun_node=tun_node(),
        netifrc=hook,
        netifrc_preup=netifrc.has_preup(conf_d_net),
        netifrc_leaving=netifrc.leaving(conf_d_net, asked["device"], hook, stale=stale),
        fast_path_missing=fast_path_host.missing(host),
        libbpf=libbpf,
        managers=managers,
        left_over=left_over(asked["applied"]),
    )


if __name__ == "__main__":
    main()
