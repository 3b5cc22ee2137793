# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""The forward chains in what ``iptables-save`` prints (iptables(8), iptables-extensions(8))."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ansible_collections.nat64.gateway.plugins.module_utils.forward_chains import Chain, Rule, Table, Term

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERDICTS = {
    "ACCEPT": "accept",
    "DROP": "drop",
    "REJECT": "drop",
    "RETURN": "return",
    "QUEUE": "accept",
    "NFQUEUE": "accept",
}
_FIELDS = {
    "-i": "iif",
    "--in-interface": "iif",
    "-o": "oif",
    "--out-interface": "oif",
    "-s": "saddr",
    "--source": "saddr",
    "-d": "daddr",
    "--destination": "daddr",
    "--ctstate": "state",
    "--state": "state",
}
# Words with one argument that choose no packets.
_SILENT = frozenset({"-m", "--match", "--comment", "-c", "--reject-with"})


def read_filter(saved: str, family: str) -> list[Table]:
    """Read the table `filter` of a family (ip or ip6); the others decide nothing."""
    table = Table(family, "filter", iptables=True)
    inside = False
    for line in saved.splitlines():
        if line.startswith("*"):
            inside = line.strip() == "*filter"
        elif inside and line.startswith(":"):
            name, policy = line[1:].split()[:2]
            hooked = policy.lower() if name == "FORWARD" else None
            table.chains[name] = Chain(policy=hooked)
        elif inside and line.startswith("-A "):
            words = shlex.split(line)
            table.chains.setdefault(words[1], Chain()).rules.append(_rule(words[2:], table))
    return [table] if table.chains else []


def _rule(words: list[str], table: Table) -> Rule:
    terms: list[Term] = []
    verdict, target = "continue", ""
    for word, argument, negated in _options(words):
        if word in ("-j", "--jump", "-g", "--goto"):
            verdict = _VERDICTS.get(argument, "continue")
            if argument in table.chains:
                verdict, target = ("goto" if word in ("-g", "--goto") else "jump"), argument
        elif word in _FIELDS:
            terms.append(_term(_FIELDS[word], argument, negated))
        elif word not in _SILENT:
            terms.append(Term("unknown"))
    return Rule(tuple(terms), verdict, target)


def _term(field: str, argument: str, negated: bool) -> Term:
    values = argument.split(",")
    if field in ("iif", "oif"):
        values = [f"{argument[:-1]}*" if argument.endswith("+") else argument]
    elif field == "state":
        values = [value.lower() for value in values]
        if values == ["dnat"]:
            return Term("dnat", negated=negated)
    return Term(field, tuple(values), negated)


def _options(words: list[str]) -> Iterator[tuple[str, str, bool]]:
    """Yield each option with its argument, and whether a `!` stands before it."""
    negated = False
    at = 0
    while at < len(words):
        if words[at] == "!":
            negated = True
            at += 1
            continue
        argument = words[at + 1] if at + 1 < len(words) and not words[at + 1].startswith("-") else ""
        argument = "" if argument == "!" else argument
        yield words[at], argument, negated
        at += 2 if argument else 1
        negated = False
