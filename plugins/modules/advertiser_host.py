#!/usr/bin/python
# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Look at a host before router advertisements are set up on it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: advertiser_host
short_description: Look at a host before router advertisements are set up on it
version_added: 0.2.0
description:
  - Reads what the role C(router_advertisements) was told, looks at the host, chooses who is to advertise, and says all
    that stands in the way. Changes nothing.
options:
  settings:
    description: The role's variables, without the role's name in front.
    type: dict
    required: true
  backend:
    description: Who is to advertise.
    type: str
    choices: [auto, radvd, networkd, none]
    default: auto
  manage_packages:
    description: Whether the role installs radvd.
    type: bool
    default: true
  package:
    description: What the distribution calls radvd's package.
    type: str
    default: radvd
  known_version:
    description: The version of radvd that this release of the distribution has, where its package manager cannot tell.
    type: str
    default: ""
  binary:
    description: Where radvd is.
    type: path
    default: /usr/sbin/radvd
  config:
    description: The role's own config of radvd.
    type: path
    required: true
  drop_in:
    description: The name of the role's drop-ins for systemd-networkd.
    type: str
    required: true
  option_108:
    description: The DHCP server that the role writes a snippet for.
    type: str
    choices: [kea, dnsmasq, none]
    default: none
  option_108_path:
    description: Where that snippet goes.
    type: path
extends_documentation_fragment: [nat64.gateway.host_look, nat64.gateway.host_look.applied]
author: The nat64 authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Look at the host
  nat64.gateway.advertiser_host:
    settings: "{{ settings }}"
    config: /etc/nat64/radvd.conf
    drop_in: nat64-router-advertisements.conf
  register: host
"""

RETURN = r"""
findings:
  description: What stands in the way, each with the variable and the remedy.
  type: list
  elements: str
  returned: always
backend:
  description: Who is to advertise, C(radvd), C(networkd) or C(none).
  type: str
  returned: always
interfaces:
  description: What each interface advertises.
  type: list
  elements: dict
  returned: always
network_files:
  description: The .network file of each interface that systemd-networkd manages.
  type: dict
  returned: always
networkd_unread:
  description: Whether systemd-networkd has not read what an earlier run wrote for it.
  type: bool
  returned: always
installed:
  description: Whether radvd is there.
  type: bool
  returned: always
dnsmasq:
  description: Where dnsmasq is; empty without it.
  type: str
  returned: always
forwarding:
  description: Whether this host forwards IPv6 on all of the interfaces.
  type: bool
  returned: always
left_over:
  description: Topics of handlers that an earlier run did not come to.
  type: list
  elements: str
  returned: always
"""

import socket
from ipaddress import IPv6Interface
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nat64.gateway.plugins.module_utils import advertising_daemons, rtnetlink
from ansible_collections.nat64.gateway.plugins.module_utils.advertising_backend import Host, choose, foreign
from ansible_collections.nat64.gateway.plugins.module_utils.router_advertisement import (
    OwnAddress,
    Plan,
    check_v6only_wait,
    read_plan,
    with_own_prefixes,
)
from ansible_collections.nat64.gateway.plugins.module_utils.services import APPLIED, left_over


def own_addresses() -> list[OwnAddress]:
    """Return this host's IPv6 addresses."""
    return [
        OwnAddress(
            each.device,
            each.interface.ip,
            not each.dynamic and not each.deprecated,
            each.interface.network.prefixlen,
        )
        for each in rtnetlink.addresses()
        if isinstance(each.interface, IPv6Interface)
    ]


def forwards(names: list[str]) -> bool:
    """Tell whether the kernel forwards IPv6 on all of the interfaces."""
    files = [Path("/proc/sys/net/ipv6/conf") / name / "forwarding" for name in ("all", *names)]
    return all(file.exists() and file.read_text().strip() != "0" for file in files)


def snippet_findings(module: AnsibleModule) -> list[str]:
    """Say what is wrong with the snippet for the DHCP server."""
    if module.params["option_108"] == "none":
        return []
    found = check_v6only_wait(module.params["settings"]["v6only_wait"])
    path = Path(module.params["option_108_path"] or "")
    if not path.is_absolute() or not path.parent.is_dir():
        found.append(
            f"router_advertisements_option_108_path: there is no directory {path.parent} on this host; install "
            f"{module.params['option_108']} first, or name another path"
        )
    return found


def main() -> None:
    """Look, and tell."""
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "required": True},
            "backend": {"type": "str", "choices": ["auto", "radvd", "networkd", "none"], "default": "auto"},
            "manage_packages": {"type": "bool", "default": True},
            "package": {"type": "str", "default": "radvd"},
            "known_version": {"type": "str", "default": ""},
            "binary": {"type": "path", "default": "/usr/sbin/radvd"},
            "config": {"type": "path", "required": True},
            "drop_in": {"type": "str", "required": True},
            "option_108": {"type": "str", "choices": ["kea", "dnsmasq", "none"], "default": "none"},
            "option_108_path": {"type": "path"},
            **APPLIED,
        },
        supports_check_mode=True,
    )
    params = module.params
    installed = Path(params["binary"]).exists()
    dnsmasq = module.get_bin_path("dnsmasq") or ""
    findings = snippet_findings(module)
    plan, backend, own, links = Plan(), "none", [], {}
    if params["backend"] != "none" and params["settings"]["interfaces"]:
        there = {name for __, name in socket.if_nameindex()}
        own = own_addresses()
        plan = read_plan(params["settings"], there, own)
        findings += plan.findings
    names = [each.name for each in plan.interfaces]
    if plan.interfaces and not plan.findings:
        links = advertising_daemons.networkd_links(names, params["drop_in"])
        host = Host(
            radvd=advertising_daemons.radvd_version(params["binary"]) if installed else "",
            radvd_candidate=advertising_daemons.candidate(params["package"]) or params["known_version"],
            manage_packages=params["manage_packages"],
            systemd=advertising_daemons.systemd_version(),
            links=links,
        )
        backend, faults = choose(params["backend"], plan, host)
        others = foreign(
            advertising_daemons.processes(),
            plan,
            params["config"],
            advertising_daemons.radvd_is_enabled(),
            links,
        )
        findings += faults + others
        if backend == "networkd":
            plan = with_own_prefixes(plan, own)
    module.exit_json(
        changed=False,
        findings=findings,
        backend=backend,
        interfaces=plan.as_dicts(),
        network_files={name: link.network_file for name, link in links.items()},
        networkd_unread=any(link.unread for link in links.values()),
        installed=installed,
        dnsmasq=dnsmasq,
        forwarding=forwards(names),
        left_over=left_over(params["applied"]),
    )


if __name__ == "__main__":
    main()
