#!/usr/bin/python
# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Look at a host before the DNS64 server is set up on it, and say what stands in the way."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns64_host
version_added: 0.2.0
short_description: See what stands in the way of a DNS64 server on a host
description:
  - Checks the variables of role P(nat64.gateway.dns64#role), by themselves and against what the host has.
  - Never changes anything.
author: The nat64 authors (!UNKNOWN)
options:
  interfaces:
    description: The role's variable of that name, as all that follow, however it was given.
    type: raw
    required: true
  allow_query:
    description: As above.
    type: raw
    required: true
  listen:
    description: As above.
    type: raw
    required: true
  listen_tls:
    description: As above.
    type: raw
    required: true
  port:
    description: As above.
    type: raw
    required: true
  prefixes:
    description: As above.
    type: raw
    required: true
  forwarders:
    description: As above.
    type: raw
    required: true
  domains:
    description: As above.
    type: raw
    required: true
  exclude:
    description: As above.
    type: raw
    required: true
  mapped:
    description: As above.
    type: raw
    required: true
  unmapped:
    description: As above.
    type: raw
    required: true
  views:
    description: As above.
    type: raw
    required: true
  query_log:
    description: As above.
    type: raw
    required: true
  extra_directives:
    description: As above.
    type: raw
    required: true
  leaving:
    description: Processes that may hold the port, because they leave it before the DNS64 server is started.
    type: list
    elements: int
    default: []
extends_documentation_fragment: [nat64.gateway.host_look, nat64.gateway.host_look.applied]
"""

EXAMPLES = r"""
- name: See what stands in the way
  nat64.gateway.dns64_host:
    interfaces: [lan0]
    allow_query: []
    listen: []
    listen_tls: []
    port: 53
    prefixes: ["64:ff9b::/96"]
    forwarders: [{address: 127.0.0.1, port: 65053}]
    domains: []
    exclude: []
    mapped: []
    unmapped: []
    views: []
    query_log: ""
    extra_directives: []
  register: host
"""

RETURN = r"""
findings:
  description: What stands in the way; each line names the variable and the remedy.
  returned: always
  type: list
  elements: str
left_over:
  description: Topics of handlers that an earlier run did not come to.
  returned: always
  type: list
  elements: str
"""

import ipaddress
import socket
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nat64.gateway.plugins.module_utils.dns64_files import (
    file_findings,
    read_query_log,
    read_tls_files,
)
from ansible_collections.nat64.gateway.plugins.module_utils.endpoints import (
    DNS_OVER_HTTPS_PORT,
    DNS_OVER_TLS_PORT,
    DNS_PORT,
    Endpoint,
    named_findings,
    read_endpoints,
    read_port,
    read_words,
)
from ansible_collections.nat64.gateway.plugins.module_utils.listening import ANY, Listener, listeners
from ansible_collections.nat64.gateway.plugins.module_utils.nat64_prefix import length_findings
from ansible_collections.nat64.gateway.plugins.module_utils.services import APPLIED, is_running, left_over

ALL_INTERFACES = frozenset({"*", "all"})
DAEMON = "dns64d"
KEYWORDS_OF_VARIABLES = {
    "interfaces": "dns64_interfaces",
    "allow-query": "dns64_allow_query",
    "listen": "dns64_listen",
    "listen-tls": "dns64_listen_tls",
    "port": "dns64_port",
    "prefix": "dns64_prefixes",
    "forwarder": "dns64_forwarders",
    "domain": "dns64_domains",
    "exclude": "dns64_exclude",
    "mapped": "dns64_mapped",
    "unmapped": "dns64_unmapped",
    "on-aaaa-failure": "dns64_on_aaaa_failure",
    "stf": "dns64_stf",
    "view": "dns64_views",
    "workers": "dns64_workers",
    "cache-size": "dns64_cache_size",
    "prefetch": "dns64_prefetch",
    "serve-stale": "dns64_serve_stale",
    "forwarder-order": "dns64_forwarder_order",
    "randomize-case": "dns64_randomize_case",
    "cookies": "dns64_cookies",
    "cookie-secret": "dns64_cookie_secret",
    "rate-limit": "dns64_rate_limit",
    "tcp-connections": "dns64_tcp_connections",
    "tcp-idle": "dns64_tcp_idle",
    "query-log": "dns64_query_log",
}
VARIABLES = (
    "interfaces",
    "allow_query",
    "listen",
    "listen_tls",
    "port",
    "prefixes",
    "forwarders",
    "domains",
    "exclude",
    "mapped",
    "unmapped",
    "views",
    "query_log",
    "extra_directives",
)


@dataclass
class Wanted:
    """What the role's variables ask for, and what is wrong with them by themselves."""

    interfaces: list[str]
    allow_query: list[str]
    listen: list[Endpoint]
    tls: list[Endpoint]
    tls_files: list[str]
    """The certificates and keys of `tls`."""
    query_log: str
    """Empty: none."""
    port: int
    prefixes: list[str]
    forwarders: list[Endpoint]
    findings: list[str] = field(default_factory=list)


def read(given: dict[str, Any]) -> Wanted:
    """Read the variables, and check each by itself."""
    found: list[str] = []
    wanted = Wanted(
        interfaces=read_words("dns64_interfaces", given["interfaces"], "eth1", found),
        allow_query=read_words("dns64_allow_query", given["allow_query"], "'2001:db8::/64'", found),
        listen=read_endpoints("dns64_listen", given["listen"], found),
        tls=read_endpoints("dns64_listen_tls", given["listen_tls"], found),
        tls_files=read_tls_files(given["listen_tls"], found),
        query_log=read_query_log(given["query_log"], found),
        port=read_port("dns64_port", given["port"], found),
        prefixes=read_words("dns64_prefixes", _without_for(given["prefixes"]), "'64:ff9b::/96'", found),
        forwarders=read_endpoints("dns64_forwarders", _with_their_ports(given["forwarders"]), found),
        findings=found,
    )
    found += named_findings("dns64_domains", given["domains"], "{name: corp.example, synthesis: never}")
    for variable, example in (
        ("exclude", "'2001:db8::/32'"),
        ("mapped", "192.0.2.0/24"),
        ("unmapped", "192.0.2.0/24"),
    ):
        read_words(f"dns64_{variable}", given[variable], example, found)
    found += named_findings("dns64_views", given["views"], "{name: guests, networks: ['2001:db8:2::/48']}")
    for directive in read_words("dns64_extra_directives", given["extra_directives"], "retry 60", found):
        found += _directive_findings(directive)
    if found:
        return wanted
    if not wanted.interfaces and not wanted.allow_query:
        found.append(
            "dns64_interfaces: no LAN is named, so that no client would be answered; name the LAN's interfaces"
            " here, or the clients' networks in dns64_allow_query"
        )
    for network in wanted.allow_query:
        found += _network_findings(network)
    if not wanted.prefixes:
        found.append("dns64_prefixes: no prefix is given; give the translator's, such as 64:ff9b::/96")
    for prefix in wanted.prefixes:
        found += _prefix_findings(prefix)
    found += _forwarder_findings(wanted)
    return wanted


def findings(wanted: Wanted, interfaces: list[str], listening: dict[int, list[Listener]]) -> list[str]:
    """Say everything that is wrong on this host, given its interfaces and who else listens on which port.

    What is wrong with its files is told by `file_findings`.
    """
    found = wanted.findings + [
        f"dns64_interfaces: there is no interface '{name}'; this host has {', '.join(interfaces)}"
        for name in wanted.interfaces
        if name not in interfaces and name not in ALL_INTERFACES
    ]
    return found or (
        _port_findings("dns64_port", sockets(wanted), listening, " and name that in dns64_forwarders")
        + _port_findings("dns64_listen_tls", tls_sockets(wanted), listening, "")
    )


def sockets(wanted: Wanted) -> list[tuple[int, Listener]]:
    """Return where dns64d will listen with the config that the role writes: ports and addresses."""
    if wanted.listen:
        return [(endpoint.port or wanted.port, Listener("", endpoint.address)) for endpoint in wanted.listen]
    if not wanted.interfaces or ALL_INTERFACES & set(wanted.interfaces):
        own = [Listener("", wildcard) for wildcard in ANY]
    else:
        own = [Listener("", wildcard, name) for name in wanted.interfaces for wildcard in ANY]
        own += [Listener("", local, "lo") for local in ("127.0.0.1", "::1")]
    return [(wanted.port, each) for each in own]


def tls_sockets(wanted: Wanted) -> list[tuple[int, Listener]]:
    """Return where dns64d will serve over TLS: ports and addresses."""
    return [(each.port or DNS_OVER_TLS_PORT, Listener("tcp", each.address)) for each in wanted.tls]


def _without_for(prefixes: Any) -> Any:  # noqa: ANN401 - from YAML
    """Return the prefixes alone, where some are dictionaries that say for which IPv4 networks they are."""
    if not isinstance(prefixes, list):
        return prefixes
    return [each.get("prefix") if isinstance(each, dict) else each for each in prefixes]


def _with_their_ports(forwarders: Any) -> Any:  # noqa: ANN401 - from YAML
    """Return the forwarders, where those asked over TLS or HTTPS have their port if none is given."""
    if not isinstance(forwarders, list):
        return forwarders
    return [
        {**each, "port": _own_port(each)} if isinstance(each, dict) and each.get("port") is None else each
        for each in forwarders
    ]


def _own_port(forwarder: dict[str, Any]) -> int | None:
    if forwarder.get("https"):
        return DNS_OVER_HTTPS_PORT
    return DNS_OVER_TLS_PORT if forwarder.get("tls") or forwarder.get("tls_pins") else None


def _directive_findings(directive: str) -> list[str]:
    if "\n" in directive.strip():
        return [f"dns64_extra_directives: {directive!r} is not one directive; give one line an entry"]
    variable = KEYWORDS_OF_VARIABLES.get(directive.split(maxsplit=1)[0].lower())
    if variable:
        return [f"dns64_extra_directives: '{directive}' has a variable of its own; use {variable}"]
    return []


def _network_findings(word: str) -> list[str]:
    try:
        ipaddress.ip_network(word)
    except ValueError as reason:
        return [f"dns64_allow_query: '{word}' is not a network ({reason}); write it as 2001:db8::/64"]
    return []


def _prefix_findings(word: str) -> list[str]:
    try:
        prefix = ipaddress.IPv6Network(word)
    except ValueError as reason:
        return [f"dns64_prefixes: '{word}' is not an IPv6 prefix ({reason}); write it as 64:ff9b::/96"]
    return length_findings("dns64_prefixes", prefix)


def _forwarder_findings(wanted: Wanted) -> list[str]:
    if not wanted.forwarders:
        return ["dns64_forwarders: there is no name server to ask; give one, or leave the variable unset"]
    own = sockets(wanted) + tls_sockets(wanted)
    found: list[str] = []
    for forwarder in wanted.forwarders:
        asked = Listener("", forwarder.address, "lo")
        port = forwarder.port or DNS_PORT
        local = ipaddress.ip_address(forwarder.address).is_loopback
        if local and any(port == own_port and each.keeps_out(asked) for own_port, each in own):
            found.append(
                f"dns64_forwarders: {asked.address} port {port} is this server itself; name the server behind it"
            )
    return found


def _port_findings(
    variable: str, own: list[tuple[int, Listener]], listening: dict[int, list[Listener]], besides: str
) -> list[str]:
    clashes = {
        (port, other.process): other
        for port, others in listening.items()
        for other in others
        if any(
            port == own_port and other.keeps_out(each) and each.protocol in {"", other.protocol}
            for own_port, each in own
        )
    }
    return [
        f"{variable}: port {port} is taken by {process or 'a process'} on {other}; stop and disable it, move it to"
        f" another port{besides}, or choose addresses that are free in"
        f" {'dns64_listen' if variable == 'dns64_port' else variable}"
        for (port, process), other in clashes.items()
    ]


def main() -> None:
    """Answer the role."""
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "raw", "required": True} for name in VARIABLES},
            "leaving": {"type": "list", "elements": "int", "default": []},
            **APPLIED,
        },
        supports_check_mode=True,
    )
    wanted = read(module.params)
    own = {DAEMON} if is_running(DAEMON) else set()
    leaving = module.params["leaving"]
    listening = {
        port: [each for each in listeners(port) if each.process not in own and each.pid not in leaving]
        for port in {port for port, __ in sockets(wanted) + tls_sockets(wanted)}
    }
    interfaces = [name for __, name in socket.if_nameindex()]
    module.exit_json(
        findings=findings(wanted, interfaces, listening) + file_findings(wanted.tls_files, wanted.query_log),
        left_over=left_over(module.params["applied"]),
    )


if __name__ == "__main__":
    main()
