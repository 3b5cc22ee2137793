"""What holds for a domain name: each property by the longest `domain` that the name is at or below."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dnslib import DNSLabel

    from nat64.config.dns64_config import Domain, Forwarder, Labels, Synthesis

Value = TypeVar("Value")


class Domains:
    """A view's domains. A longer name that leaves a property open has that of the next shorter one."""

    def __init__(self, domains: Iterable[Domain]) -> None:
        self._synthesis: dict[Labels, Synthesis] = {}
        self._forwarders: dict[Labels, tuple[Forwarder, ...]] = {}
        for domain in domains:
            if domain.synthesis is not None:
                self._synthesis[domain.labels] = domain.synthesis
            if domain.forwarders:
                self._forwarders[domain.labels] = domain.forwarders

    def synthesis(self, name: DNSLabel) -> Synthesis | None:
        """Return whether there is always or never synthesis for a name; ``None``: by the answers."""
        return _longest(self._synthesis, name)

    def forwarders(self, name: DNSLabel) -> tuple[Forwarder, ...] | None:
        """Return whom to ask for a name, in order of preference; ``None``: whom the view names."""
        return _longest(self._forwarders, name)


def _longest(table: Mapping[Labels, Value], name: DNSLabel) -> Value | None:
    if not table:
        return None
    labels: Labels = tuple(label.lower() for label in name.label)
    for start in range(len(labels) + 1):
        value = table.get(labels[start:])
        if value is not None:
            return value
    return None
