# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Firewalls of other tools that would drop the gateway's packets, and what to do about each. No I/O."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from ansible_collections.nat64.gateway.plugins.module_utils.forward_chains import Probe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ansible_collections.nat64.gateway.plugins.module_utils.forward_chains import Table
    from ansible_collections.nat64.gateway.plugins.module_utils.nat44_settings import Settings

DEALT_WITH = "set nat44_foreign_firewall: ignore where you have dealt with it in another way"
_FAMILIES = {"ip": "IPv4", "ip6": "IPv6"}


def probes(settings: Settings) -> list[Probe]:
    """Return the packets that the gateway has to forward, both ways and for both families."""
    device = settings.device
    lan = tuple(ip_network(text) for text in settings.lan_networks) or None
    # Behind a network stands an interface that we need not know.
    insides = [(name, None) for name in settings.lan_interfaces] + ([(None, lan)] if lan else [])
    found: list[Probe] = []
    for inside, networks in insides:
        found.append(Probe("ip6", inside, device, "new", device, saddr=networks))
        found.append(Probe("ip6", device, inside, "established", device, daddr=networks))
        if settings.port_forwards or settings.public_maps:
            found.append(Probe("ip6", device, inside, "new", device, daddr=networks))
    pools = tuple(ip_network(text) for text in settings.pools)
    for uplink in settings.uplinks:
        found.append(Probe("ip", device, uplink, "new", device, saddr=pools))
        found.append(Probe("ip", uplink, device, "established", device, daddr=pools))
        for forward in settings.port_forwards:
            server = (ip_network(forward["ipv4"]),)
            found.append(Probe("ip", uplink, device, "new", device, daddr=server, dnat=True))
        maps = [(ip_network(public),) for public in settings.public_maps]
        found.extend(Probe("ip", uplink, device, "new", device, daddr=public) for public in maps)
    return found


def refusals(tables: Iterable[Table], settings: Settings) -> list[str]:
    """Return a finding for each firewall that surely drops some of the gateway's packets."""
    dropped: dict[str, list[tuple[Table, str, str]]] = {}
    wanted = probes(settings)
    for table in tables:
        for probe in wanted:
            chain = table.refusing(probe)
            entry = (table, chain or "", probe.family)
            if chain is not None and entry not in dropped.setdefault(_tool(table), []):
                dropped[_tool(table)].append(entry)
    return [
        f"nat44_foreign_firewall: {_who(tool, places)} drops what the gateway has to forward, whatever our table says; "
        f"{_remedy(tool, places, settings.device)}; or {DEALT_WITH}"
        for tool, places in dropped.items()
        if places
    ]


def refusals_of_text(listing: str, settings: Settings) -> list[str]:
    """Do the same where nft knows no JSON: `listing` is what `nft list ruleset` prints.

    Only a chain of the forward hook that drops by its policy, in a table that never names the TUN, is told.
    """
    found = []
    for family, name, body in _tables_of_text(listing):
        if "hook forward" not in body or f'"{settings.device}"' in body:
            continue
        chain = next((chain for chain, text in _blocks(body, "chain") if _drops(text)), None)
        if chain is not None:
            found.append(
                f"nat44_foreign_firewall: the chain {chain} of the nftables table {family} {name} drops what the gateway "
                f"has to forward, whatever our table says; {_two_lines(settings.device)}; or {DEALT_WITH}"
            )
    return found


def _tool(table: Table) -> str:
    if table.name == "firewalld":
        return "firewalld"
    if any(name.startswith(("ufw-", "ufw6-")) for name in table.chains):
        return "ufw"
    if "DOCKER-USER" in table.chains:
        return "Docker"
    if table.iptables or (table.name == "filter" and table.family != "inet" and "FORWARD" in table.chains):
        return "iptables"
    return f"{table.family} {table.name}"


def _who(tool: str, places: list[tuple[Table, str, str]]) -> str:
    families = " and ".join(_FAMILIES[family] for family in _families(places))
    chains = ", ".join(dict.fromkeys(chain for _table, chain, _family in places))
    if tool == "iptables":
        return f"the iptables chain {chains} ({families})"
    if tool in ("firewalld", "ufw", "Docker"):
        return f"{tool}'s chain {chains} ({families})"
    return f"the chain {chains} of the nftables table {tool} ({families})"


def _remedy(tool: str, places: list[tuple[Table, str, str]], device: str) -> str:
    commands = {"ip": "iptables", "ip6": "ip6tables"}
    names = [commands[family] for family in _families(places)]
    if tool == "ufw":
        return f"run: ufw route allow in on {device} && ufw route allow out on {device}"
    if tool == "Docker":
        rules = _each(names, "-I DOCKER-USER", device)
        return (
            f"run: {rules} (at each boot, before Docker starts), or from Docker 28 on write "
            '"ip-forward-no-drop": true to /etc/docker/daemon.json and restart the host'
        )
    if tool == "firewalld":
        permanent = "firewall-cmd --permanent"
        steps = [
            f"{permanent} --new-zone=nat64",
            f"{permanent} --zone=nat64 --add-interface={device}",
            *_policy(permanent, "nat64-in", "ANY", "nat64"),
            *_policy(permanent, "nat64-out", "nat64", "ANY"),
            "firewall-cmd --reload",
        ]
        return f"run: {' && '.join(steps)}"
    if tool == "iptables":
        return f"run: {_each(names, '-I FORWARD', device)}, and save the rules as that firewall does"
    return _two_lines(device)


def _policy(command: str, name: str, ingress: str, egress: str) -> list[str]:
    return [
        f"{command} --new-policy={name}",
        f"{command} --policy={name} --add-ingress-zone={ingress}",
        f"{command} --policy={name} --add-egress-zone={egress}",
        f"{command} --policy={name} --set-target=ACCEPT",
    ]


def _each(commands: list[str], where: str, device: str) -> str:
    return " && ".join(
        f"{command} {where} {way} {device} -j ACCEPT" for command in commands for way in ("-i", "-o")
    )


def _two_lines(device: str) -> str:
    return f'add before its first rule that drops: iifname "{device}" accept; oifname "{device}" accept'


def _families(places: list[tuple[Table, str, str]]) -> list[str]:
    return sorted({family for _table, _chain, family in places})


def _tables_of_text(listing: str) -> Iterator[tuple[str, str, str]]:
    for name, body in _blocks(listing, "table"):
        family, __, table = name.partition(" ")
        if family in ("ip", "ip6", "inet"):
            yield family, table, body


def _blocks(text: str, keyword: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the body of each block that begins with a keyword at the outermost level of a text."""
    name, body = "", ""
    depth = 0
    for line in text.splitlines():
        words = line.strip()
        before, depth = depth, depth + words.count("{") - words.count("}")
        if before == 0 and words.startswith(f"{keyword} "):
            name, body = words[len(keyword) :].rstrip("{").strip(), ""
        elif name and depth == 0:
            yield name, body
            name = ""
        elif name:
            body += f"{line}\n"


def _drops(chain: str) -> bool:
    return "hook forward" in chain and "policy drop" in chain
