#!/usr/bin/python
# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Look at a host before a resolver is set up on it, and say what stands in the way."""

from __future__ import annotations

DOCUMENTATION = r"""
module: resolver_host
version_added: 0.2.0
short_description: See what stands in the way of a resolver on a host
description:
  - Checks the variables of role P(nat64.gateway.resolver#role), by themselves and against what the host has.
  - Never changes anything.
author: The nat64 authors (!UNKNOWN)
options:
  mode:
    description: The role's variable of that name.
    type: str
    choices: [managed, adopt]
    required: true
  backend:
    description: The role's variable of that name.
    type: str
    choices: [bind, unbound]
    required: true
  port:
    description: The role's variable of that name, however it was given.
    type: raw
    required: true
  forwarders:
    description: As above.
    type: raw
    required: true
  extra_options:
    description: As above.
    type: raw
    required: true
  binary:
    description: The name server's program.
    type: path
    required: true
  required_files:
    description: What has to be there beside the program.
    type: list
    elements: path
    default: []
  checkconf:
    description: The program that checks its config.
    type: path
    required: true
  service:
    description: The distribution's own service of the name server.
    type: str
    required: true
  manage_packages:
    description: The role's variable of that name.
    type: bool
    default: true
  managed_files:
    description: Files of which each says that the name server is the role's own work.
    type: list
    elements: path
    default: []
  config:
    description: The config of a BIND that does not run; one that runs tells its own.
    type: path
    default: /etc/bind/named.conf
extends_documentation_fragment: [nat64.gateway.host_look, nat64.gateway.host_look.applied]
"""

EXAMPLES = r"""
- name: See what stands in the way
  nat64.gateway.resolver_host:
    mode: managed
    backend: bind
    port: 65053
    forwarders: []
    extra_options: []
    binary: /usr/sbin/named
    checkconf: /usr/bin/named-checkconf
    service: named
  register: host
"""

RETURN = r"""
findings:
  description: What stands in the way; each line names the variable and the remedy.
  returned: always
  type: list
  elements: str
installed:
  description: Whether the name server is there, with all that it requires.
  returned: always
  type: bool
left_over:
  description: Topics of handlers that an earlier run did not come to.
  returned: always
  type: list
  elements: str
moving:
  description: The processes of the BIND that is to leave port 53.
  returned: always
  type: list
  elements: int
config:
  description: The config of the BIND that is there.
  returned: always
  type: str
listening:
  description: Where the name server listens on port 53 and on the resolver's port, each as C(protocol address port).
  returned: always
  type: list
  elements: str
"""

import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nat64.gateway.plugins.module_utils.bind_adoption import obstacles, options_of
from ansible_collections.nat64.gateway.plugins.module_utils.bind_files import expand, read_unmarked
from ansible_collections.nat64.gateway.plugins.module_utils.endpoints import (
    DNS_PORT,
    read_endpoints,
    read_port,
    read_words,
)
from ansible_collections.nat64.gateway.plugins.module_utils.listening import Listener, listeners
from ansible_collections.nat64.gateway.plugins.module_utils.named_conf import ConfigError, load
from ansible_collections.nat64.gateway.plugins.module_utils.services import (
    APPLIED,
    is_enabled,
    is_running,
    left_over,
)

ELSE_NONE = "or set resolver_mode to none and name that server in dns64_forwarders"


def port_findings(port: int, binary: str, listening: list[Listener]) -> list[str]:
    """Say who else holds the resolver's port; the name server itself may."""
    strangers = sorted({each.process for each in listening} - {Path(binary).name, ""})
    if not strangers:
        return []
    taken = f"resolver_port: {port} is taken by {', '.join(strangers)}"
    return [f"{taken}; choose another, and name it in dns64_forwarders, too"]


def managed_findings(service: str, *, backend: str, serves: bool) -> list[str]:
    """Say whether the name server serves with a config that is not the role's, now or after a boot."""
    if not serves:
        return []
    adopt = "to adopt to move it behind DNS64, or " if backend == "bind" else ""
    return [
        (
            f"resolver_mode: {service} runs here with a config of its own, which this role would take from it;"
            f" set resolver_mode {adopt}to none, and name that server in dns64_forwarders"
        )
    ]


def adoption_findings(config: str, arguments: list[str], checked: str) -> list[str]:
    """Say what keeps a BIND from being moved; `checked` is what named-checkconf says of its config."""
    if "-t" in arguments:
        chroot = "BIND runs in a chroot, which this role does not follow; leave the chroot"
        return [f"resolver_mode: {chroot}, {ELSE_NONE}"]
    if checked:
        return [f"resolver_mode: named-checkconf refuses {config}: {checked}; correct it, {ELSE_NONE}"]
    try:
        whole = load(config, read_unmarked, expand)
        options = options_of(whole)
        text = read_unmarked(options.file if options else config)
    except ConfigError as error:
        return [
            f"resolver_mode: {error}, so that this role cannot edit it; rewrite that statement, {ELSE_NONE}"
        ]
    except OSError as error:
        return [
            f"resolver_mode: {error.filename} cannot be read ({error.strerror}); correct {config}, {ELSE_NONE}"
        ]
    return [f"resolver_mode: {found}, {ELSE_NONE}" for found in obstacles(whole, text)]


def config_of(arguments: list[str], default: str) -> str:
    """Find the config in the words that BIND was started with."""
    for number, word in enumerate(arguments):
        if word == "-c" and number + 1 < len(arguments):
            default = arguments[number + 1]
        elif word.startswith("-c") and word != "-c":
            default = word[2:]
    return default


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")[1:-1]
    except OSError:
        return []


def _checked(checkconf: str, config: str) -> str:
    """Return the first mistake that named-checkconf sees; empty without one."""
    try:
        done = subprocess.run(  # noqa: S603 - the role's words
            [checkconf, config], check=False, capture_output=True, text=True
        )
    except OSError as error:
        return f"{checkconf}: {error.strerror}"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return (lines[0] if lines else f"status {done.returncode}") if done.returncode else ""


def _adoption(asked: dict[str, Any], bind: list[int]) -> tuple[list[str], str]:
    """Return what keeps the BIND of these processes from being moved, and its config."""
    if asked["backend"] != "bind":
        return ["resolver_backend: only BIND can be adopted; set it to bind, or resolver_mode to managed"], ""
    if _is_managed(asked):
        return [
            "resolver_mode: this role manages that BIND; uninstall it first, or set it back to managed"
        ], ""
    if not Path(asked["binary"]).exists():
        return [
            "resolver_mode: there is no BIND on this host to adopt; set it to managed, and one is installed"
        ], ""
    arguments = _arguments(min(bind)) if bind else []
    config = config_of(arguments, asked["config"])
    return adoption_findings(config, arguments, _checked(asked["checkconf"], config)), config


def _management(asked: dict[str, Any], *, listens: bool) -> list[str]:
    """Return what keeps the role from managing a name server of its own, given whether one is on port 53."""
    missing = _missing(asked)
    if missing and not asked["manage_packages"]:
        return [
            f"resolver_manage_packages: {', '.join(missing)} is not there; install it, or set the variable to true"
        ]
    service = asked["service"]
    serves = listens or is_running(service) or is_enabled(service)
    return managed_findings(service, backend=asked["backend"], serves=serves and not _is_managed(asked))


def _missing(asked: dict[str, Any]) -> list[str]:
    return [file for file in (asked["binary"], *asked["required_files"]) if not Path(file).exists()]


def _is_managed(asked: dict[str, Any]) -> bool:
    return any(Path(file).exists() for file in asked["managed_files"])


def main() -> None:
    """Answer the role."""
    module = AnsibleModule(
        argument_spec={
            "mode": {"type": "str", "choices": ["managed", "adopt"], "required": True},
            "backend": {"type": "str", "choices": ["bind", "unbound"], "required": True},
            "port": {"type": "raw", "required": True},
            "forwarders": {"type": "raw", "required": True},
            "extra_options": {"type": "raw", "required": True},
            "binary": {"type": "path", "required": True},
            "required_files": {"type": "list", "elements": "path", "default": []},
            "checkconf": {"type": "path", "required": True},
            "service": {"type": "str", "required": True},
            "manage_packages": {"type": "bool", "default": True},
            "managed_files": {"type": "list", "elements": "path", "default": []},
            "config": {"type": "path", "default": "/etc/bind/named.conf"},
            **APPLIED,
        },
        supports_check_mode=True,
    )
    asked = module.params
    found: list[str] = []
    port = read_port("resolver_port", asked["port"], found)
    read_endpoints("resolver_forwarders", asked["forwarders"], found)
    read_words("resolver_extra_options", asked["extra_options"], "max-cache-size 64M", found)
    name = Path(asked["binary"]).name
    at = {number: listeners(number) for number in (DNS_PORT, port) if number}
    own = [(number, each) for number, all_there in at.items() for each in all_there if each.process == name]
    found += port_findings(port, asked["binary"], at.get(port, []))
    config = ""
    if asked["mode"] == "adopt":
        stands_in_the_way, config = _adoption(asked, [each.pid for __, each in own])
        found += stands_in_the_way
    else:
        found += _management(asked, listens=any(number == DNS_PORT for number, __ in own))
    module.exit_json(
        findings=found,
        installed=not _missing(asked),
        left_over=left_over(asked["applied"]),
        moving=sorted({each.pid for number, each in own if number == DNS_PORT and config}),
        config=config,
        listening=sorted({f"{each.protocol} {each.address} {number}" for number, each in own}),
    )


if __name__ == "__main__":
    main()
