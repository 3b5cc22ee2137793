# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""The variables of the role router_advertisements, read into what each interface advertises, or told what is wrong. No I/O.

An interface inherits what it does not set itself. What depends on whether the host is the default router there
(prefixes, route information) is made anew for an interface that says otherwise than the rest.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from ipaddress import IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any

from ansible_collections.nat64.gateway.plugins.module_utils.nat64_prefix import LENGTHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

OWN_PREFIX = "::/64"
"""The prefixes that the interface has itself, whatever they are at the time."""
SELF = "self"
"""This host's own address on the interface."""

# RFC 4861 section 6.2.1.
SHORTEST_INTERVAL, LONGEST_INTERVAL = 4, 1800
LONGEST_ROUTER_LIFETIME = 9000
SMALLEST_MTU, LARGEST_MTU = 1280, 65535
# RFC 8781 section 4: 13 bits that count 8 seconds each.
LONGEST_PREF64_LIFETIME = 65528
LONGEST_LIFETIME = 0xFFFFFFFF
# RFC 8925 section 3.4.
SHORTEST_V6ONLY_WAIT = 300

_UNIQUE_LOCAL = IPv6Network("fc00::/7")
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@+-]{1,15}")
_DOMAIN = re.compile(
    r"(?=.{1,253}$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
)
# What Ansible takes for a truth value.
_TRUE = {"true", "yes", "on", "1", "y", "t"}
_FALSE = {"false", "no", "off", "0", "n", "f"}
_OWN_WORDS = ("prefixes", "default_router", "rdnss", "dnssl", "pref64", "route_information", "mtu")


@dataclass(frozen=True)
class OwnAddress:
    """An address that this host has on an interface."""

    interface: str
    address: IPv6Address
    lasting: bool = True
    """Whether it stays: given by an administrator, and not by a delegation that may change."""
    length: int = 64
    """The length of its network."""


@dataclass(frozen=True)
class Advertised:
    """What one interface advertises. Times are in seconds."""

    name: str
    router_lifetime: int
    preference: str
    min_interval: int
    max_interval: int
    mtu: int
    prefixes: list[str]
    valid_lifetime: int
    preferred_lifetime: int
    rdnss: list[str]
    dnssl: list[str]
    dns_lifetime: int
    pref64: list[str]
    pref64_lifetime: int
    route_information: list[str]
    route_lifetime: int


@dataclass
class Plan:
    """What is advertised. `findings` says what is wrong; with one of them the rest is not to be used."""

    interfaces: list[Advertised] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    @property
    def offers_pref64(self) -> bool:
        """Whether any interface tells the NAT64 prefix."""
        return any(each.pref64 for each in self.interfaces)

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return what the templates need."""
        return [asdict(each) for each in self.interfaces]


def read_plan(given: Mapping[str, Any], there: Iterable[str], own: Sequence[OwnAddress] = ()) -> Plan:
    """Read the variables, which `given` has without the role's name in front.

    `there` are the host's interfaces, `own` its IPv6 addresses.
    """
    plan = Plan()
    interval = _number(plan, "interval", given["interval"], SHORTEST_INTERVAL, LONGEST_INTERVAL)
    times = _lifetimes(plan, given, interval)
    if given["preference"] not in ("low", "medium", "high"):
        plan.findings.append(f"{_variable('preference')}: {given['preference']}: write low, medium or high")
    names: set[str] = set()
    for number, entry in enumerate(_entries(plan, given["interfaces"]), 1):
        name = str(entry.get("name", ""))
        place = (
            _variable("interfaces")
            if _INTERFACE.fullmatch(name)
            else f"{_variable('interfaces')}: entry {number}"
        )
        if not _INTERFACE.fullmatch(name):
            plan.findings.append(
                f"{place}: {name!r}: no name of an interface; write it as `ip link` shows it"
            )
        elif name in names:
            plan.findings.append(f"{place}: {name} is named twice; leave one of the two out")
        elif name not in there:
            plan.findings.append(
                f"{place}: this host has no interface {name}; name one of {', '.join(sorted(there))}, or have it set up first"
            )
        names.add(name)
        plan.interfaces.append(
            _interface(plan, name, _settings(given, entry), times, own if name in there else None)
        )
    plan.findings = list(dict.fromkeys(plan.findings))
    return plan


def check_v6only_wait(value: object) -> list[str]:
    """Say what is wrong with the seconds of DHCP option 108."""
    plan = Plan()
    _number(plan, "v6only_wait", value, SHORTEST_V6ONLY_WAIT, LONGEST_LIFETIME)
    return plan.findings


def _entries(plan: Plan, interfaces: object) -> list[dict[str, Any]]:
    """Return the interfaces as dictionaries; a name alone is one without anything of its own."""
    found: list[dict[str, Any]] = []
    for number, entry in enumerate(interfaces if isinstance(interfaces, list) else [interfaces], 1):
        if isinstance(entry, str):
            found.append({"name": entry})
            continue
        if not isinstance(entry, dict) or "name" not in entry:
            plan.findings.append(
                f"{_variable('interfaces')}: entry {number} has no name; write it as lan0, or as {{name: lan0, …}}"
            )
            continue
        strange = sorted(set(entry) - {"name", *_OWN_WORDS})
        if strange:
            plan.findings.append(
                f"{_variable('interfaces')}: {entry['name']}: no such word: {', '.join(strange)}; there are "
                f"{', '.join(_OWN_WORDS)}"
            )
        if str(entry.get("default_router", True)).strip().lower() not in _TRUE | _FALSE:
            plan.findings.append(
                f"{_variable('interfaces')}: {entry['name']}: default_router: {entry['default_router']} is neither true "
                "nor false; write one of them"
            )
        found.append(entry)
    return found


def _settings(given: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what holds for one interface."""
    settings = {word: entry.get(word, given[word]) for word in _OWN_WORDS}
    router = _truth(settings["default_router"])
    if router != _truth(given["default_router"]):
        settings["prefixes"] = entry.get("prefixes", [OWN_PREFIX] if router else [])
    if router != _truth(given["default_router"]) or "pref64" in entry:
        settings["route_information"] = entry.get("route_information", [] if router else settings["pref64"])
    return settings | {"default_router": router, "preference": given["preference"]}


def _interface(
    plan: Plan,
    name: str,
    settings: Mapping[str, Any],
    times: Mapping[str, int],
    own: Sequence[OwnAddress] | None,
) -> Advertised:
    interval = times["interval"]
    mtu = settings["mtu"]
    if str(mtu) != "0":
        mtu = _number(plan, "mtu", mtu, SMALLEST_MTU, LARGEST_MTU, or_else="0 for none")
    domains = _words(plan, "dnssl", settings["dnssl"])
    plan.findings += [
        f"{_variable('dnssl')}: {domain}: no domain; write it as example.com"
        for domain in domains
        if not _DOMAIN.fullmatch(domain.rstrip("."))
    ]
    lifetime = min(3 * interval, LONGEST_ROUTER_LIFETIME)
    return Advertised(
        name=name,
        router_lifetime=lifetime if settings["default_router"] else 0,
        preference=settings["preference"],
        # RFC 4861 section 6.2.1: a third, at least 3 seconds, at most three quarters.
        min_interval=max(3, interval // 3),
        max_interval=interval,
        mtu=int(mtu),
        prefixes=_networks(plan, "prefixes", settings["prefixes"], _slaac_fault),
        rdnss=_servers(plan, name, settings["rdnss"], own),
        dnssl=[domain.rstrip(".") for domain in domains],
        pref64=_networks(plan, "pref64", settings["pref64"], _pref64_fault),
        route_information=_networks(plan, "route_information", settings["route_information"], lambda __: ""),
        route_lifetime=3 * interval,
        **{
            word: times[word]
            for word in ("valid_lifetime", "preferred_lifetime", "dns_lifetime", "pref64_lifetime")
        },
    )


def _lifetimes(plan: Plan, given: Mapping[str, Any], interval: int) -> dict[str, int]:
    """Read the times; what is told at an interval must outlast the loss of two advertisements.

    An interval of 0 was wrong, and told: nothing can be said of what is made from it.
    """
    found = {"interval": interval}
    if not interval:
        plan = Plan()
    for word, most in (
        ("pref64_lifetime", LONGEST_PREF64_LIFETIME),
        ("dns_lifetime", LONGEST_LIFETIME),
        ("preferred_lifetime", LONGEST_LIFETIME),
        ("valid_lifetime", LONGEST_LIFETIME),
    ):
        found[word] = _number(
            plan,
            word,
            given[word],
            min(3 * interval, most),
            most,
            f"; with an interval of {interval} seconds",
        )
    lifetime = found["pref64_lifetime"]
    if lifetime % 8:
        above = min(lifetime + 8 - lifetime % 8, LONGEST_PREF64_LIFETIME)
        plan.findings.append(
            f"{_variable('pref64_lifetime')}: {lifetime} is no multiple of 8, in which RFC 8781 counts; write {above}"
        )
    if 0 < found["valid_lifetime"] < found["preferred_lifetime"]:
        plan.findings.append(
            f"{_variable('preferred_lifetime')}: {found['preferred_lifetime']} is longer than "
            f"{_variable('valid_lifetime')}, {found['valid_lifetime']}; write the shorter one here"
        )
    return found


def _servers(plan: Plan, name: str, given: object, own: Sequence[OwnAddress] | None) -> list[str]:
    """Read the name servers; `own` is None where the interface itself is missing, which was told."""
    found = []
    for word in _words(plan, "rdnss", given):
        if word == SELF:
            address = own_address(name, own or ())
            if address is None and own is not None:
                plan.findings.append(
                    f"{_variable('rdnss')}: {name} has no IPv6 address to name as self; give it one, or write the name "
                    "server's address"
                )
            elif address is not None:
                found.append(str(address))
            continue
        try:
            server = IPv6Address(word)
        except ValueError:
            plan.findings.append(
                f"{_variable('rdnss')}: {word}: not an IPv6 address; write it as 2001:db8::53, or self for this host"
            )
            continue
        if server.scope_id or server.is_loopback or server.is_unspecified or server.is_multicast:
            plan.findings.append(
                f"{_variable('rdnss')}: {word} is no address under which hosts of the LAN reach a name server; write self "
                "for this host"
            )
        found.append(str(server))
    return list(dict.fromkeys(found))


def own_address(name: str, own: Sequence[OwnAddress]) -> IPv6Address | None:
    """Return the address under which this host can be named for long: one that lasts, or the link-local one."""
    here = [each for each in own if each.interface == name and (each.lasting or each.address.is_link_local)]
    ranked = sorted(
        here, key=lambda each: (each.address.is_link_local, each.address not in _UNIQUE_LOCAL, each.address)
    )
    return ranked[0].address if ranked else None


def with_own_prefixes(plan: Plan, own: Sequence[OwnAddress]) -> Plan:
    """Return the plan with the interfaces' lasting prefixes named, for who cannot look for them."""
    interfaces = []
    for each in plan.interfaces:
        here = [
            str(IPv6Network((address.address, 64), strict=False))
            for address in own
            if address.interface == each.name
            and address.lasting
            and address.length == 64
            and not address.address.is_link_local
        ]
        named = [prefix for prefix in each.prefixes if prefix != OWN_PREFIX]
        prefixes = [*here, *named] if OWN_PREFIX in each.prefixes else named
        interfaces.append(replace(each, prefixes=list(dict.fromkeys(prefixes))))
    return Plan(interfaces, plan.findings)


def _networks(plan: Plan, word: str, given: object, fault: Callable[[IPv6Network], str]) -> list[str]:
    found = []
    for text in _words(plan, word, given):
        try:
            network = IPv6Network(text)
        except ValueError as error:
            plan.findings.append(f"{_variable(word)}: {text}: {error}; write it as 2001:db8:1::/64")
            continue
        said = fault(network) if "/" in text else "has no length; write it as 2001:db8:1::/64"
        if "%" in text:
            said = "names an interface, which networks have not; leave out what follows the %"
        if said:
            plan.findings.append(f"{_variable(word)}: {text} {said}")
        found.append(str(network))
    return list(dict.fromkeys(found))


def _slaac_fault(network: IPv6Network) -> str:
    return "" if network.prefixlen == 64 else "cannot give hosts addresses (RFC 4862); write a /64"


def _pref64_fault(network: IPv6Network) -> str:
    if network.prefixlen in LENGTHS:
        return ""
    return f"cannot be a NAT64 prefix; RFC 6052 allows the lengths {', '.join(map(str, LENGTHS))}"


def _words(plan: Plan, word: str, given: object) -> list[str]:
    if not isinstance(given, list) or any(not isinstance(each, str) for each in given):
        plan.findings.append(
            f"{_variable(word)}: {given!r} is not a list of words; write it as [one, another] or []"
        )
        return []
    return list(given)


def _number(  # noqa: PLR0913, PLR0917 - a number has two ends
    plan: Plan, word: str, given: object, least: int, most: int, why: str = "", *, or_else: str = ""
) -> int:
    """Return a number, or 0 where there is none within the bounds."""
    text = str(given).strip()
    if re.fullmatch(r"[0-9]{1,10}", text) and least <= int(text) <= most:
        return int(text)
    other = f", or {or_else}" if or_else else ""
    plan.findings.append(
        f"{_variable(word)}: {given} is not from {least} to {most}{why}; choose one of these{other}"
    )
    return 0


def _truth(given: object) -> bool:
    return str(given).strip().lower() in _TRUE


def _variable(word: str) -> str:
    return f"router_advertisements_{word}"
