#!/usr/bin/python
# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Move a BIND that has a config of its own to another port, by marks in that config, and take them back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: adopted_bind
version_added: 0.2.0
short_description: Mark a BIND's config so that it serves the DNS64 server alone
description:
  - Puts three kinds of marks into the file that holds C(options). An include at its top; comments around each
    C(listen-on) and C(listen-on-v6) that means port 53; and C(localhost) at the head of C(allow-query),
    C(allow-query-cache) and C(allow-recursion).
  - Checks the result with C(named-checkconf), and puts the file back at once if that refuses it.
  - Absent takes the marks back, which leaves the file byte for byte as it was, but for what others changed since.
  - It does not restart BIND. What BIND's service was before the marks came is remembered for the time when they go.
author: The nat64 authors (!UNKNOWN)
options:
  state:
    description: Whether the marks are there.
    type: str
    choices: [present, absent]
    default: present
  config:
    description: BIND's main config. Without it the marks are taken back where O(record) says they are.
    type: path
  include:
    description: The file to include, which says where to listen.
    type: path
    required: true
  checkconf:
    description: The program that checks a config.
    type: path
    required: true
  record:
    description:
      - Where to remember which file has marks, and what BIND's service was before.
      - It stays when the marks go, for the caller to remove when that service is again what it was.
    type: path
    required: true
  service:
    description: BIND's service.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Says what would change, without C(named-checkconf)'s word on it.
  diff_mode:
    support: full
    description: Shows the marks.
"""

EXAMPLES = r"""
- name: Move BIND
  nat64.gateway.adopted_bind:
    config: /etc/bind/named.conf
    include: /etc/bind/nat64-adopted.conf
    checkconf: /usr/bin/named-checkconf
    record: /etc/nat64/resolver.adopted
    service: named
"""

RETURN = r"""
file:
  description: The file with the marks; empty if there is none.
  returned: success
  type: str
backup:
  description: The file as it was before the marks; it is there while they are.
  returned: success
  type: str
ran:
  description: Whether BIND ran before the marks came.
  returned: success
  type: bool
enabled:
  description: Whether BIND was started at boot before the marks came.
  returned: success
  type: bool
"""

import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nat64.gateway.plugins.module_utils.bind_adoption import adopted, options_of, restored
from ansible_collections.nat64.gateway.plugins.module_utils.bind_files import expand, read, read_unmarked
from ansible_collections.nat64.gateway.plugins.module_utils.named_conf import ConfigError, load
from ansible_collections.nat64.gateway.plugins.module_utils.services import is_enabled, is_running

BACKUP = ".before-nat64"


def main() -> None:
    """Do what the role asks."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "config": {"type": "path"},
            "include": {"type": "path", "required": True},
            "checkconf": {"type": "path", "required": True},
            "record": {"type": "path", "required": True},
            "service": {"type": "str", "required": True},
        },
        required_if=[("state", "present", ["config"])],
        supports_check_mode=True,
    )
    try:
        result = _adopt(module) if module.params["state"] == "present" else _release(module)
    except (OSError, ConfigError) as error:
        module.fail_json(msg=f"resolver_mode: {error}; correct it, or set resolver_mode to none")
    module.exit_json(**result)


def _adopt(module: AnsibleModule) -> dict[str, Any]:
    config = module.params["config"]
    whole = load(config, read_unmarked, expand)
    options = options_of(whole)
    file = os.path.realpath(options.file if options else config)
    before = read(file)
    unmarked = restored(before)
    after = adopted(unmarked, options, module.params["include"])
    recorded = {**_recorded(module), "file": file}
    if not module.check_mode:
        if before != after:
            _write(file + BACKUP, unmarked, like=file)
        _write(module.params["record"], json.dumps(recorded) + "\n", like=module.params["include"])
        _write(file, after, like=file)
        code, out, err = module.run_command([module.params["checkconf"], config])
        if code:
            _write(file, before, like=file)
            said = " ".join((out + err).split())
            module.fail_json(
                msg=f"resolver_mode: named-checkconf refuses {config} with the marks of this role: {said};"
                " the file is as it was; set resolver_mode to none, and move BIND by hand"
            )
    return _result(before, after, recorded)


def _release(module: AnsibleModule) -> dict[str, Any]:
    recorded = _recorded(module)
    file = recorded["file"]
    before = read(file) if file and Path(file).exists() else ""
    after = restored(before)
    if not module.check_mode:
        if before != after:
            _write(file, after, like=file)
        if file:
            Path(file + BACKUP).unlink(missing_ok=True)
    return _result(before, after, recorded)


def _recorded(module: AnsibleModule) -> dict[str, Any]:
    """Return what the record says; where there is none yet, what is so now."""
    record = Path(module.params["record"])
    if record.exists():
        return {"ran": True, "enabled": True, **json.loads(record.read_text(encoding="utf-8"))}
    service = module.params["service"]
    return {"file": "", "ran": is_running(service), "enabled": is_enabled(service)}


def _result(before: str, after: str, recorded: dict[str, Any]) -> dict[str, Any]:
    file = recorded["file"]
    return {
        "changed": before != after,
        "file": file,
        "backup": file + BACKUP if file else "",
        "ran": recorded["ran"],
        "enabled": recorded["enabled"],
        "diff": {"before": before, "after": after, "before_header": file, "after_header": file},
    }


def _write(path: str, text: str, like: str) -> None:
    """Replace a file in one step if it differs; mode and owner are those of the file `like`."""
    file = Path(path)
    if file.exists() and read(path) == text:
        return
    status = Path(like).stat()
    temporary = Path(f"{path}.nat64-new")
    temporary.touch(mode=0o600)
    temporary.write_bytes(text.encode("utf-8", "surrogateescape"))
    os.chown(temporary, status.st_uid, status.st_gid)
    temporary.chmod(status.st_mode & 0o7777)
    temporary.replace(file)


if __name__ == "__main__":
    main()
