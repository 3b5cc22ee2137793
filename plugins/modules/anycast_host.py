#!/usr/bin/python
# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Look at a host for the role anycast."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: anycast_host
short_description: Look at a host before FRR announces its NAT64 gateway
version_added: 0.2.0
description:
  - Checks the variables of the role C(nat64.gateway.anycast) against each other and against the host's networks, and
    whether FRR's config on the host is somebody else's.
  - Changes nothing. The role turns what it returns into one list of findings.
options:
  settings:
    description: The role's variables, as C(__anycast_settings) of the role.
    type: dict
    required: true
  frr_config:
    description: FRR's config.
    type: path
    required: true
  signature:
    description: A line of the configs that the role has written.
    type: str
    required: true
  traces:
    description: Files that the role leaves on a host while it is in use.
    type: list
    elements: path
    default: []
  programs:
    description: The paths of FRR's programs that the role uses.
    type: list
    elements: path
    default: [/usr/bin/vtysh]
  manage_packages:
    description: Whether the role installs FRR.
    type: bool
    default: true
author: The nat64 authors (!UNKNOWN)
extends_documentation_fragment:
  - nat64.gateway.host_look
  - nat64.gateway.host_look.applied
"""

EXAMPLES = r"""
- name: Look at the host
  nat64.gateway.anycast_host:
    settings: "{{ __anycast_settings }}"
    frr_config: /etc/frr/frr.conf
    signature: "! Written by the role nat64.gateway.anycast."
  register: host
"""

RETURN = r"""
findings:
  description: What stands in the way, one line each, with the variable and the remedy.
  returned: always
  type: list
  elements: str
installed:
  description: Whether FRR is there, with all that the role uses.
  returned: always
  type: bool
present:
  description: Whether there is something of the role on the host.
  returned: always
  type: bool
left_over:
  description: The topics of handlers that an earlier run did not come to.
  returned: always
  type: list
  elements: str
"""

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nat64.gateway.plugins.module_utils.anycast_settings import findings
from ansible_collections.nat64.gateway.plugins.module_utils.services import APPLIED, left_over


def foreign(config: Path, signature: str) -> list[str]:
    """Say so where FRR's config routes for somebody else."""
    try:
        text = config.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    routes = re.findall(r"(?m)^(router \S+|ipv?6? route .*|interface .*)$", text)
    if signature in text.splitlines() or not routes:
        return []
    said = (
        f"{config}: FRR already works for somebody else ({routes[0]}), and this role would replace its config;"
        " announce the gateway from that config, or move it away"
    )
    return [said]


def main() -> None:
    """Look, and return what was seen."""
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "required": True, "no_log": False},
            "frr_config": {"type": "path", "required": True},
            "signature": {"type": "str", "required": True},
            "traces": {"type": "list", "elements": "path", "default": []},
            "programs": {"type": "list", "elements": "path", "default": ["/usr/bin/vtysh"]},
            "manage_packages": {"type": "bool", "default": True},
            **APPLIED,
        },
        supports_check_mode=True,
    )
    given = module.params
    _, addresses, _ = module.run_command(["ip", "-6", "-o", "address"])
    missing = [program for program in given["programs"] if not Path(program).exists()]
    found = findings(given["settings"], addresses)
    if given["settings"]["peers"]:
        found += foreign(Path(given["frr_config"]), given["signature"])
        if missing and not given["manage_packages"]:
            found.append(
                f"anycast_manage_packages: FRR lacks {', '.join(missing)}; install it, or let the role do so"
            )
    module.exit_json(
        findings=found,
        installed=not missing,
        present=any(Path(each).exists() for each in given["traces"]),
        left_over=left_over(given["applied"]) if given["settings"]["peers"] else [],
    )


if __name__ == "__main__":
    main()
