"""The sections of a totd.conf: what stands above the first `view`, and each view with what it changes of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from nat64.addressing.special_purpose import is_nowhere_global
from nat64.config import totd_words
from nat64.config.dns64_config import IPV4_MAPPED, Domain, Forwarder, SynthesisPrefix, View
from nat64.config.domain_names import shown
from nat64.config.grammar import Placed, Refused
from nat64.config.totd_forwarders import GatheredForwarders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from ipaddress import IPv4Network, IPv6Network

    from nat64.addressing.prefix import Pref64
    from nat64.config.dns64_config import Labels, Synthesis
    from nat64.config.grammar import Directive, Findings

_OUTSIDE: Final = View(())
_BESIDE_NONE: Final = ("'prefix none' stands beside a prefix", "remove one of the two")
_ONCE: Final = frozenset({"on-aaaa-failure", "stf"})


@dataclass(slots=True)
class _GatheredDomain:
    """What directives say of one domain."""

    forwarders: GatheredForwarders
    synthesis: Placed[Synthesis] | None = None

    def domain(self, labels: Labels) -> Domain:
        synthesis = self.synthesis.value if self.synthesis is not None else None
        return Domain(labels, synthesis, self.forwarders.values())


@dataclass(slots=True)
class Section:
    """The directives that may stand in a view, of one view or of all that stands above the first one."""

    findings: Findings
    words: totd_words.ViewWords | None = None
    """Name and networks; None outside of views."""
    given: set[str] = field(default_factory=set)
    """The keywords that stand here, be they read or refused."""
    forwarders: GatheredForwarders = field(init=False)
    prefixes: dict[Pref64, dict[IPv4Network, None]] = field(default_factory=dict)
    """Each with the IPv4 networks that it alone serves."""
    alone: dict[IPv4Network, Pref64] = field(default_factory=dict)
    """Who alone serves an IPv4 network."""
    no_prefix: bool = False
    exclude: dict[IPv6Network, None] = field(default_factory=lambda: {IPV4_MAPPED: None})
    mapped: dict[IPv4Network, None] = field(default_factory=dict)
    unmapped: dict[IPv4Network, None] = field(default_factory=dict)
    domains: dict[Labels, _GatheredDomain] = field(default_factory=dict)
    synthesize_on_failure: bool = True

    def __post_init__(self) -> None:
        self.forwarders = GatheredForwarders(self.findings)

    def readers(self) -> Mapping[str, Callable[[Directive], None]]:
        """Return the keywords that may stand in a view. Each reader raises `Refused`."""
        return {
            "forwarder": self._read_forwarder,
            "prefix": self._read_prefix,
            "exclude": self._read_exclude,
            "mapped": self._read_mapped,
            "unmapped": self._read_unmapped,
            "domain": self._read_domain,
            "on-aaaa-failure": self._read_on_aaaa_failure,
            "stf": self._read_stf,
        }

    def read(self, directive: Directive) -> None:
        """Read a directive whose keyword is among `readers`. Raises `Refused`."""
        again = directive.keyword in self.given
        self.given.add(directive.keyword)
        self.readers()[directive.keyword](directive)
        if again and directive.keyword in _ONCE:
            self.findings.warn_that_the_last_counts(directive)

    def view(self, outside: View = _OUTSIDE) -> View:
        """Return what holds here, where a kind of directive that is not given is as `outside`."""
        given = self.given
        name, networks = self.words or ("", ())
        return View(
            name=name,
            networks=tuple(dict.fromkeys(networks)),
            forwarders=self.forwarders.values() if "forwarder" in given else outside.forwarders,
            prefixes=self._synthesis_prefixes() if "prefix" in given else outside.prefixes,
            exclude=tuple(self.exclude) if "exclude" in given else outside.exclude,
            mapped=tuple(self.mapped) if "mapped" in given else outside.mapped,
            unmapped=tuple(self.unmapped) if "unmapped" in given else outside.unmapped,
            domains=self._domains() if "domain" in given else outside.domains,
            synthesize_on_failure=(
                self.synthesize_on_failure if "on-aaaa-failure" in given else outside.synthesize_on_failure
            ),
            stf="stf" in given or outside.stf,
        )

    def all_forwarders(self) -> Iterator[GatheredForwarders]:
        """Give those of the section and those of its domains."""
        yield self.forwarders
        for domain in self.domains.values():
            yield domain.forwarders

    def _synthesis_prefixes(self) -> tuple[SynthesisPrefix, ...]:
        return tuple(SynthesisPrefix(prefix, tuple(ipv4)) for prefix, ipv4 in self.prefixes.items())

    def _domains(self) -> tuple[Domain, ...]:
        return tuple(gathered.domain(labels) for labels, gathered in self.domains.items())

    def _read_forwarder(self, directive: Directive) -> None:
        self.forwarders.add(totd_words.read_forwarder(directive), directive.place)

    def _read_prefix(self, directive: Directive) -> None:
        prefix, ipv4 = totd_words.read_prefix(directive)
        if prefix is None:
            self._read_no_prefix(directive)
            return
        if self.no_prefix:
            raise Refused(*_BESIDE_NONE)
        self._warn_of_its_bits(directive, prefix)
        for network in ipv4:
            self._check_alone(directive, prefix, network)
        before = self.prefixes.get(prefix)
        if before is not None:
            if bool(before) != bool(ipv4):
                raise Refused(
                    f"prefix {prefix} stands here once with 'for' and once without",
                    "keep one of the two",
                )
            if before.keys() >= set(ipv4):
                self.findings.warn_of_repetition(directive.place, f"prefix {prefix}")
        self.prefixes.setdefault(prefix, {}).update(dict.fromkeys(ipv4))
        self.alone.update(dict.fromkeys(ipv4, prefix))

    def _warn_of_its_bits(self, directive: Directive, prefix: Pref64) -> None:
        word = directive.words[0]
        if "/" not in word and prefix.network.network_address != ip_address(word):
            self.findings.warn(
                directive.place, f"only the first 96 bits of '{word}' count", f"write: prefix {prefix}"
            )
        if not prefix.has_u_octet_zero:
            self.findings.warn(
                directive.place,
                f"bits 64 to 71 of {prefix} are not zero",
                "RFC 6052 section 2.2 asks for a prefix where they are",
            )

    def _check_alone(self, directive: Directive, prefix: Pref64, network: IPv4Network) -> None:
        """Refuse a network that another prefix serves alone, and warn of one that this prefix never carries."""
        other = self.alone.get(network, prefix)
        if other != prefix:
            raise Refused(f"prefix {other} alone serves {network}", "name it behind one of the two")
        if prefix.is_well_known and is_nowhere_global(network):
            self.findings.warn(
                directive.place,
                f"{prefix} never carries {network}, which is not global (RFC 6052 section 3.1),"
                " so that nothing is synthesized from it",
                "give these addresses a prefix of your own",
            )

    def _read_no_prefix(self, directive: Directive) -> None:
        if self.words is None:
            raise Refused(
                "'prefix none' stands outside of a view",
                "remove it, or move it into the view whose clients shall get nothing synthesized",
            )
        if self.prefixes:
            raise Refused(*_BESIDE_NONE)
        if self.no_prefix:
            self.findings.warn_of_repetition(directive.place, "prefix none")
        self.no_prefix = True

    def _read_exclude(self, directive: Directive) -> None:
        self.exclude.update(dict.fromkeys(totd_words.read_exclude(directive)))

    def _read_mapped(self, directive: Directive) -> None:
        self.mapped.update(dict.fromkeys(totd_words.read_mapped(directive)))

    def _read_unmapped(self, directive: Directive) -> None:
        self.unmapped.update(dict.fromkeys(totd_words.read_mapped(directive)))

    def _read_domain(self, directive: Directive) -> None:
        labels, what = totd_words.read_domain(directive)
        name = shown(labels)
        gathered = self.domains.get(labels)
        if gathered is None:
            forwarders = GatheredForwarders(self.findings, f"domain {name} forward")
            gathered = self.domains[labels] = _GatheredDomain(forwarders)
        if isinstance(what, Forwarder):
            gathered.forwarders.add(what, directive.place)
        elif gathered.synthesis is None:
            gathered.synthesis = Placed(what, directive.place)
        elif gathered.synthesis.value == what:
            self.findings.warn_of_repetition(directive.place, f"domain {name} {what.value}")
        else:
            before = gathered.synthesis
            raise Refused(
                f"domain {name} is '{before.value.value}' at line {before.place.line}, and '{what.value}' here",
                "remove one of the two",
            )

    def _read_on_aaaa_failure(self, directive: Directive) -> None:
        self.synthesize_on_failure = totd_words.read_on_aaaa_failure(directive)

    def _read_stf(self, directive: Directive) -> None:
        directive.count(0, 0, "stf")
