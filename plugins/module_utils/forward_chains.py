# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""What the forward chains of a host's firewalls do with a packet of the gateway: a model of their rules, without I/O.

A rule's conditions are judged in three values: it matches, it does not, or nobody can tell (`None`), for a condition on
ports, marks or anything else that this model does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

MOST_JUMPS = 32


@dataclass(frozen=True)
class Probe:
    """A packet that the gateway has to forward. An interface or network that is None may be any."""

    family: str
    """`ip` or `ip6`."""
    iif: str | None
    oif: str | None
    state: str
    """What conntrack calls it: `new` or `established`."""
    device: str
    """The translator's TUN."""
    saddr: tuple[IPv4Network | IPv6Network, ...] | None = None
    daddr: tuple[IPv4Network | IPv6Network, ...] | None = None
    dnat: bool = False


@dataclass(frozen=True)
class Term:
    """One condition of a rule: a `field` of Probe that has one of `values`; of another field nobody can tell."""

    field: str
    values: tuple[str, ...] = ()
    negated: bool = False

    def judge(self, probe: Probe) -> bool | None:
        """Say whether the condition holds for a packet."""
        found = self._judge(probe)
        return found if found is None else found != self.negated

    def names(self, probe: Probe) -> bool:
        """Whether the condition speaks of the TUN by its name."""
        named = self.field in ("iif", "oif") and not self.negated and probe.device in self.values
        return named and getattr(probe, self.field) == probe.device

    def _judge(self, probe: Probe) -> bool | None:
        if self.field in ("iif", "oif"):
            name = getattr(probe, self.field)
            if name is None:
                # It may be any but the TUN.
                return False if set(self.values) == {probe.device} else None
            return any(_is_interface(name, value) for value in self.values)
        if self.field in ("family", "state"):
            return getattr(probe, self.field) in self.values
        if self.field == "dnat":
            return probe.dnat
        if self.field in ("saddr", "daddr"):
            return _lies_in(getattr(probe, self.field), self.values, probe.family)
        return None


@dataclass(frozen=True)
class Rule:
    """Conditions, and what becomes of a packet that meets all: accept, drop, return, jump or goto (a `target`)."""

    terms: tuple[Term, ...]
    verdict: str
    target: str = ""


@dataclass
class Chain:
    """Rules of one name in one table; `policy` (accept or drop) only where it hangs in the forward hook."""

    rules: list[Rule] = field(default_factory=list)
    policy: str | None = None


@dataclass
class Table:
    """The chains that one tool may have put into the kernel. `family` is ip, ip6 or inet."""

    family: str
    name: str
    chains: dict[str, Chain] = field(default_factory=dict)
    iptables: bool = False
    """Whether it is to be changed by the iptables commands."""

    def refusing(self, probe: Probe) -> str | None:
        """Return the name of the chain in the forward hook that surely drops a packet, if there is one."""
        if self.family not in ("inet", probe.family):
            return None
        for name, chain in self.chains.items():
            if chain.policy is not None and self._walk(chain, probe, 0) in (
                "drop",
                None if chain.policy == "drop" else "drop",
            ):
                return name
        return None

    def _walk(self, chain: Chain, probe: Probe, depth: int) -> str | None:
        """Return accept or drop where a chain surely decides, else None.

        A rule that lets through only a part, by its port perhaps, and names the TUN is somebody's decision about the
        translator's traffic: it counts as letting it through.
        """
        if depth > MOST_JUMPS:
            return None
        for rule in chain.rules:
            judged = [term.judge(probe) for term in rule.terms]
            if False in judged:
                continue
            sure = None not in judged
            named = any(term.names(probe) for term in rule.terms)
            verdict = rule.verdict
            if verdict in ("jump", "goto"):
                verdict = self._walk(self.chains.get(rule.target, Chain()), probe, depth + 1) or (
                    "return" if rule.verdict == "goto" else "continue"
                )
            if verdict == "return" and sure:
                return None
            if verdict == "accept" and (sure or named):
                return "accept"
            if verdict == "drop" and sure:
                return "drop"
        return None


def _is_interface(name: str, wanted: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted


def _lies_in(
    ours: Sequence[IPv4Network | IPv6Network] | None, theirs: Sequence[str], family: str
) -> bool | None:
    """Whether all of our networks lie in one of theirs: None for a part of them."""
    version = 6 if family == "ip6" else 4
    try:
        networks = [ip_network(text, strict=False) for text in theirs]
    except ValueError:
        return None
    networks = [network for network in networks if network.version == version]
    if not networks:
        return False
    if any(network.prefixlen == 0 for network in networks):
        return True
    if ours is None:
        return None
    inside = [any(one.subnet_of(network) for network in networks) for one in ours]  # type: ignore[arg-type]
    if all(inside):
        return True
    touching = any(one.overlaps(network) for one in ours for network in networks)
    return None if touching else False
