#!/usr/bin/python
# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Tell whether a gateway is still what an earlier run left, and write down what this one leaves."""

from __future__ import annotations

DOCUMENTATION = r"""
module: settled
version_added: 0.2.0
short_description: Tell whether a gateway still is what an earlier run left
description:
  - Once a gateway was set up and verified, O(state=recorded) writes down on the host what that was made from and what
    the host is like, as far as the roles of this collection made it so.
  - Later O(state=looked) tells whether both are still the same. A run of the roles would then find nothing to do.
  - What it compares are the files that the roles write, their owners and modes, the links to the program, the services,
    the kernel settings, the addresses that nobody learnt, the default routes, the translator's routes, and the
    firewall's table. What is inside the program's directory it does not look at.
author: The nat64 authors (!UNKNOWN)
options:
  state:
    description: Whether to look only, to write the record, or to remove it.
    type: str
    choices: [looked, recorded, absent]
    default: looked
  source:
    description: What the gateway is made from, in one word, such as a digest of variables and roles. Not for O(state=absent).
    type: str
  services:
    description: The services that run on the gateway, for O(state=recorded).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: It writes nothing then.
  diff_mode:
    support: none
    description: What it writes is of no interest to a reader.
"""

EXAMPLES = r"""
- name: See whether there is anything to do
  nat64.gateway.settled:
    source: "{{ gateway_source }}"
  register: gateway_settled
"""

RETURN = r"""
settled:
  description: Whether a run of the roles would find nothing to do.
  returned: always
  type: bool
source:
  description: What it was given as O(source).
  returned: unless O(state=absent)
  type: str
differs:
  description: What is otherwise than it was.
  returned: always
  type: list
  elements: str
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nat64.gateway.plugins.module_utils.settled_state import (
    RECORD,
    ROOT,
    differences,
    faults,
    state,
)

# Raised when a record of before says too little.
VERSION = 1


def look(source: str) -> list[str]:
    """Name what is otherwise than the record says; nothing if the gateway is what it was."""
    try:
        record = json.loads((ROOT / RECORD).read_text(encoding="utf-8"))
        before, made_from, services = record["state"], record["source"], list(record["state"]["service"])
    except (OSError, ValueError, KeyError, TypeError):
        return ["no record"]
    if record.get("version") != VERSION or made_from != source:
        return ["variables or roles"]
    now = state(services)
    return sorted({*differences(before, now), *faults(now)})


def main() -> None:
    """Answer the playbook."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["looked", "recorded", "absent"], "default": "looked"},
            "source": {"type": "str"},
            "services": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[("state", "looked", ["source"]), ("state", "recorded", ["source"])],
        supports_check_mode=True,
    )
    wanted, source = module.params["state"], module.params["source"]
    differs: list[str] = []
    if wanted == "looked":
        differs = look(source)
    elif not module.check_mode:
        differs = keep(module, source, module.params["services"]) if wanted == "recorded" else forget()
    module.exit_json(
        changed=False, settled=wanted != "absent" and not differs, differs=differs, source=source
    )


def keep(module: AnsibleModule, source: str, services: list[str]) -> list[str]:
    """Write the record; where something is not as a gateway has it, remove it and name that."""
    now: dict[str, Any] = state(services)
    wrong = faults(now)
    if wrong:
        forget()
        return wrong
    text = json.dumps({"version": VERSION, "source": source, "state": now}, indent=1, sort_keys=True)
    part = ROOT / f"{RECORD}.part"
    part.write_text(text + "\n", encoding="utf-8")
    part.chmod(0o600)
    module.atomic_move(str(part), str(ROOT / RECORD))
    return []


def forget() -> list[str]:
    """Remove the record: a run is about to change the host."""
    (ROOT / RECORD).unlink(missing_ok=True)
    return ["no record"]


if __name__ == "__main__":
    main()
