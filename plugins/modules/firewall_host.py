#!/usr/bin/python
# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Look at a host's firewall for the role nat44."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: firewall_host
short_description: Look at a host's firewall before the NAT64 gateway's table is loaded
version_added: 0.2.0
description:
  - Checks the variables of the role C(nat64.gateway.nat44), resolves its port forwards to the addresses that the
    translator's maps give, and looks for firewalls of other tools that would drop what the gateway forwards.
  - Changes nothing. The role turns what it returns into one list of findings and its table.
options:
  device:
    description: The translator's TUN.
    type: str
    required: true
  lan_interfaces:
    description: The interfaces whose hosts may use the prefix.
    type: list
    elements: str
    default: []
  lan_networks:
    description: The IPv6 networks whose hosts may use the prefix.
    type: list
    elements: str
    default: []
  uplinks:
    description: The interfaces through which the pool is masqueraded.
    type: list
    elements: str
    default: []
  pool:
    description: The private IPv4 network that the translator maps hosts to.
    type: str
    required: true
  further_pools:
    description: Those of the translator's further prefixes.
    type: list
    elements: str
    default: []
  maps:
    description: The translator's fixed pairs of addresses, as C(nat64_maps).
    type: list
    elements: dict
    default: []
  port_forwards:
    description: Ports of the uplinks' IPv4 addresses that lead to an IPv6 server.
    type: list
    elements: dict
    default: []
  source:
    description: The IPv4 address that the pools are masqueraded to; nothing for the uplink's own.
    type: str
    default: ""
  clamp_mss:
    description: V(false), V(true), or the largest TCP segment in octets.
    type: raw
    default: false
  foreign_firewall:
    description: What becomes of a firewall of another tool that drops the gateway's packets.
    type: str
    choices: [refuse, ignore]
    default: refuse
  table:
    description: Family and name of the gateway's own table.
    type: str
    default: inet nat64_nat44
  service_conf:
    description:
      - The conf.d file of the distribution's nftables service, where OpenRC has one. Functions that its owner wrote
        there are not to be written again.
    type: path
  service_hooks:
    description: The functions that the role would define in O(service_conf).
    type: list
    elements: str
    default: []
  service_hook_command:
    description: The command that these functions call.
    type: path
author: The nat64 authors (!UNKNOWN)
notes:
  - Needs to be root, as C(nft) does.
extends_documentation_fragment: [nat64.gateway.host_look]
"""

EXAMPLES = r"""
- name: Look at the firewall
  nat64.gateway.firewall_host:
    device: nat64
    lan_interfaces: [lan0]
    uplinks: [wan0]
    pool: 192.168.240.0/20
  register: firewall

- name: Stop before anything changes
  ansible.builtin.fail:
    msg: "{{ firewall.findings | join('\n') }}"
  when: firewall.findings | length > 0
"""

RETURN = r"""
findings:
  description: What stands in the way, one line each, with the variable and the remedy.
  returned: always
  type: list
  elements: str
rules:
  description: What the gateway's table is made of, with port forwards resolved and networks merged.
  returned: always
  type: dict
nft:
  description: Path of the command C(nft), or nothing where it is not installed.
  returned: always
  type: str
loaded:
  description: The gateway's own table as the kernel has it, or nothing.
  returned: always
  type: str
service_hooks:
  description: Those functions of O(service_hooks) that the file's owner has not written himself.
  returned: always
  type: list
  elements: str
"""

import json
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nat64.gateway.plugins.module_utils.foreign_firewall import refusals, refusals_of_text
from ansible_collections.nat64.gateway.plugins.module_utils.iptables_rules import read_filter
from ansible_collections.nat64.gateway.plugins.module_utils.nat44_settings import read_settings
from ansible_collections.nat64.gateway.plugins.module_utils.nft_ruleset import read_ruleset

if TYPE_CHECKING:
    from ansible_collections.nat64.gateway.plugins.module_utils.forward_chains import Table
    from ansible_collections.nat64.gateway.plugins.module_utils.nat44_settings import Settings

COMMANDS = {"ip": "iptables", "ip6": "ip6tables"}
SBIN = ["/usr/sbin", "/sbin", "/usr/local/sbin"]


class Host:
    """The host's firewalls, asked by their own commands."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.nft: str = module.get_bin_path("nft", opt_dirs=SBIN) or ""

    def printed(self, *command: str) -> str | None:
        """Return what a command prints, or None if it is not there or fails."""
        path = self.module.get_bin_path(command[0], opt_dirs=SBIN)
        if path is None:
            return None
        status, stdout, __ = self.module.run_command([path, *command[1:]])
        return stdout if status == 0 else None

    def iptables_tables(self) -> list[Table]:
        """Read the filter tables that iptables has, in either of its ways into the kernel."""
        found: list[Table] = []
        for family, command in COMMANDS.items():
            names = Path(f"/proc/net/{family}_tables_names")
            legacy = names.exists() and "filter" in names.read_text(encoding="utf-8").split()
            variants = [
                f"{command}-save",
                f"{command}-nft-save",
                *([f"{command}-legacy-save"] if legacy else []),
            ]
            printed = {self.printed(variant) for variant in variants}
            if legacy and printed == {None}:
                self.module.warn(
                    f"the kernel has a legacy {command} table filter that no {command}-save is there to show; "
                    f"see that it lets the gateway's packets through"
                )
            for text in sorted(text for text in printed if text):
                found.extend(read_filter(text, family))
        return found

    def findings(self, settings: Settings, own: str) -> list[str]:
        """Say which firewalls drop the gateway's packets."""
        iptables = self.iptables_tables()
        told = {table.family for table in iptables}
        as_json = self.printed("nft", "--json", "list", "ruleset") if self.nft else None
        if self.nft and as_json is None:
            text = self.printed("nft", "list", "ruleset") or ""
            return refusals(iptables, settings) + refusals_of_text(text, settings)
        nft = read_ruleset(json.loads(as_json)) if as_json else []
        # Rules of iptables are told in full by iptables alone.
        nft = [table for table in nft if not (table.name == "filter" and table.family in told)]
        return refusals(
            [*iptables, *(table for table in nft if f"{table.family} {table.name}" != own)], settings
        )


def foreign_functions(text: str, names: list[str]) -> dict[str, str]:
    """Return those of the functions that a shell file defines outside our block, with their bodies."""
    own = re.compile(r"^# BEGIN nat64-nat44$.*?^# END nat64-nat44$", re.MULTILINE | re.DOTALL)
    text = own.sub("", text)
    found = {}
    for name in names:
        match = re.search(
            rf"^[ \t]*(?:function[ \t]+)?{name}[ \t]*\(\)(.*?)^\}}", text, re.MULTILINE | re.DOTALL
        )
        if match is not None:
            found[name] = match.group(1)
    return found


def service_hooks(module: AnsibleModule) -> tuple[list[str], list[str]]:
    """Return the functions that are ours to write, and findings on those that are not."""
    conf, wanted, command = (module.params[f"service_{name}"] for name in ("conf", "hooks", "hook_command"))
    if not conf or not Path(conf).exists():
        return wanted, []
    taken = foreign_functions(Path(conf).read_text(encoding="utf-8", errors="replace"), wanted)
    without = sorted(name for name, body in taken.items() if command not in body)
    findings = (
        [
            f"{conf}: {', '.join(without)}: the shell keeps one function of a name; add there the line: {command}"
        ]
        if without
        else []
    )
    return [name for name in wanted if name not in taken], findings


def main() -> None:
    """Look, and tell."""
    module = AnsibleModule(
        argument_spec={
            "device": {"type": "str", "required": True},
            "lan_interfaces": {"type": "list", "elements": "str", "default": []},
            "lan_networks": {"type": "list", "elements": "str", "default": []},
            "uplinks": {"type": "list", "elements": "str", "default": []},
            "pool": {"type": "str", "required": True},
            "further_pools": {"type": "list", "elements": "str", "default": []},
            "maps": {"type": "list", "elements": "dict", "default": []},
            "port_forwards": {"type": "list", "elements": "dict", "default": []},
            "source": {"type": "str", "default": ""},
            "clamp_mss": {"type": "raw", "default": False},
            "foreign_firewall": {"type": "str", "choices": ["refuse", "ignore"], "default": "refuse"},
            "table": {"type": "str", "default": "inet nat64_nat44"},
            "service_conf": {"type": "path"},
            "service_hooks": {"type": "list", "elements": "str", "default": []},
            "service_hook_command": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    names = (
        "device",
        "lan_interfaces",
        "lan_networks",
        "uplinks",
        "pool",
        "further_pools",
        "maps",
        "source",
        "clamp_mss",
        "port_forwards",
    )
    settings = read_settings(**{name: params[name] for name in names})
    there = {name for __, name in socket.if_nameindex()}
    for variable in ("lan_interfaces", "uplinks"):
        missing = [name for name in getattr(settings, variable) if name not in there]
        if missing and not settings.findings:
            module.warn(
                f"nat44_{variable}: this host has no {', '.join(missing)} at present; is the name right?"
            )
    host = Host(module)
    hooks, findings = service_hooks(module)
    findings = settings.findings + findings
    if not settings.findings and params["foreign_firewall"] == "refuse":
        findings = findings + host.findings(settings, params["table"])
    loaded = host.printed("nft", "list", "table", *params["table"].split()) if host.nft else None
    module.exit_json(
        changed=False,
        findings=findings,
        rules=settings.rules(),
        nft=host.nft,
        loaded=loaded or "",
        service_hooks=hooks,
    )


if __name__ == "__main__":
    main()
