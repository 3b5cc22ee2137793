# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""The forward chains in what ``nft --json list ruleset`` prints (libnftables-json(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.nat64.gateway.plugins.module_utils.forward_chains import Chain, Rule, Table, Term

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FAMILIES = ("ip", "ip6", "inet")
# What stands for the word of an empty statement.
_NOTHING: tuple[str, Any] = ("", {})
_META = {
    "iifname": "iif",
    "iif": "iif",
    "oifname": "oif",
    "oif": "oif",
    "nfproto": "family",
    "protocol": "family",
}
_FAMILY_NAMES = {"ipv4": "ip", "ipv6": "ip6", "ip": "ip", "ip6": "ip6"}
_VERDICTS = {"accept": "accept", "drop": "drop", "reject": "drop", "return": "return", "queue": "accept"}
# What a rule may do on the way without choosing its packets.
_HARMLESS = frozenset(
    {"counter", "log", "mangle", "ct helper", "notrack", "flow", "set", "map", "secmark", "tproxy"}
)

Sets = dict[tuple[str, str, str], list[Any]]


def read_ruleset(ruleset: Mapping[str, Any]) -> list[Table]:
    """Read the ruleset that JSON holds; tables of bridges and devices are left out."""
    entries = [entry for entry in ruleset.get("nftables", []) if isinstance(entry, dict)]
    tables: dict[tuple[str, str], Table] = {}
    sets: Sets = {}
    for entry in entries:
        (kind, what) = next(iter(entry.items()))
        if kind == "table" and what["family"] in FAMILIES:
            tables[what["family"], what["name"]] = Table(what["family"], what["name"])
        elif kind == "chain" and (what["family"], what["table"]) in tables:
            forwards = what.get("hook") == "forward" and what.get("type") == "filter"
            policy = what.get("policy", "accept") if forwards else None
            tables[what["family"], what["table"]].chains[what["name"]] = Chain(policy=policy)
        elif kind in ("set", "map"):
            sets[what["family"], what["table"], what["name"]] = what.get("elem", [])
    for entry in entries:
        rule = entry.get("rule")
        if rule is not None and (rule["family"], rule["table"]) in tables:
            table = tables[rule["family"], rule["table"]]
            table.chains[rule["chain"]].rules.extend(_Reader(table, sets).rules(rule.get("expr", [])))
    return list(tables.values())


class _Reader:
    """Reads the rules of one table, which may speak of its sets."""

    def __init__(self, table: Table, sets: Sets) -> None:
        self.table = table
        self.sets = sets

    def rules(self, statements: Iterable[Mapping[str, Any]]) -> Iterator[Rule]:
        """Read one rule; a verdict map makes several."""
        terms: list[Term] = []
        for statement in statements:
            (kind, what) = next(iter(statement.items()), _NOTHING)
            if kind == "match":
                terms.extend(self._match(what))
            elif kind in _VERDICTS:
                yield Rule(tuple(terms), _VERDICTS[kind])
            elif kind in ("jump", "goto"):
                yield Rule(tuple(terms), kind, what["target"])
            elif kind == "vmap":
                yield from self._verdict_map(terms, what)
            elif kind not in _HARMLESS:
                # `xt` is a match or target of iptables that nft has no words for, `limit` may match or not.
                terms.append(Term("unknown"))

    def _verdict_map(self, terms: list[Term], what: Mapping[str, Any]) -> Iterator[Rule]:
        for element in self._elements(what["data"]):
            if not isinstance(element, list):
                continue
            (key, verdict) = element
            (kind, then) = next(iter(verdict.items()), _NOTHING)
            more = [
                term
                for left, right in _parts(what["key"], key)
                for term in self._match({"left": left, "right": right})
            ]
            target = then["target"] if isinstance(then, dict) and "target" in then else ""
            yield Rule((*terms, *more), _VERDICTS.get(kind, kind), target)

    def _match(self, what: Mapping[str, Any]) -> Iterator[Term]:
        left, op = what["left"], what.get("op", "==")
        (kind, of) = next(iter(left.items() if isinstance(left, dict) else ()), _NOTHING)
        key = of.get("key", "") if isinstance(of, dict) else ""
        if op not in ("==", "!=", "in"):
            yield Term("unknown")
        elif kind == "meta" and key in _META:
            values = self._texts(what["right"])
            if _META[key] == "family":
                values = tuple(_FAMILY_NAMES.get(value, value) for value in values)
            yield Term(_META[key], values, negated=op == "!=")
        elif kind == "ct" and key == "state":
            yield Term("state", self._texts(what["right"]), negated=op == "!=")
        elif kind == "ct" and key == "status" and self._texts(what["right"]) == ("dnat",):
            yield Term("dnat", negated=op == "!=")
        elif kind == "payload" and isinstance(of, dict) and of.get("protocol") in ("ip", "ip6"):
            yield Term("family", (of["protocol"],))
            if of.get("field") in ("saddr", "daddr"):
                yield Term(of["field"], self._texts(what["right"]), negated=op == "!=")
            else:
                yield Term("unknown")
        else:
            yield Term("unknown")

    def _elements(self, right: object) -> list[Any]:
        if isinstance(right, str) and right.startswith("@"):
            return self.sets.get((self.table.family, self.table.name, right[1:]), [])
        if isinstance(right, dict) and "set" in right:
            found: list[Any] = right["set"]
            return found
        return right if isinstance(right, list) else [right]

    def _texts(self, right: object) -> tuple[str, ...]:
        """Return the values that a condition allows, networks as ADDRESS/LENGTH."""
        return tuple(_text(element) for element in self._elements(right))


def _parts(left: object, right: object) -> list[tuple[object, object]]:
    """Take a concatenation such as `iifname . oifname` apart."""
    if isinstance(left, dict) and "concat" in left and isinstance(right, dict) and "concat" in right:
        return list(zip(left["concat"], right["concat"]))  # Python 3.9 has no strict=
    return [(left, right)]


def _text(element: object) -> str:
    if isinstance(element, dict):
        (kind, what) = next(iter(element.items()))
        if kind == "prefix":
            return f"{what['addr']}/{what['len']}"
        if kind == "elem":
            return _text(what["val"])
    return str(element)
