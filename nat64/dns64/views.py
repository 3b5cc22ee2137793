"""What holds for a client: its view, by the longest network that its address is in. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nat64.config.dns64_config import Synthesis
from nat64.dns64 import ipv4only
from nat64.dns64.domains import Domains
from nat64.dns64.forwarders import Forwarders, Health
from nat64.dns64.longest_match import LongestMatch
from nat64.dns64.prefix_choice import PrefixChoice

if TYPE_CHECKING:
    from collections.abc import Callable

    from dnslib import DNSLabel

    from nat64.addressing.prefix import Pref64
    from nat64.config.dns64_config import Dns64Config, Forwarder, IPAddress, View
    from nat64.dns64.message import Question


class Surroundings:
    """What all resolutions for the clients of one view share."""

    def __init__(
        self,
        view: View,
        health: Health,
        random_id: Callable[[], int],
        number: int = 0,
        *,
        randomize_case: bool = False,
    ) -> None:
        self.view = view
        self.number = number
        """Tells the views of a config apart."""
        self.key = number.to_bytes(2, "big")
        """The same, in a key of the cache."""
        self.randomize_case = randomize_case
        self.random_id = random_id
        """Returns an ID from 0 to 65535 that nobody can foresee."""
        self.prefixes: tuple[Pref64, ...] = tuple(each.prefix for each in view.prefixes)
        """All prefixes that addresses may be in."""
        self.choice = PrefixChoice(view)
        self.domains = Domains(view.domains)
        self.has_domains = bool(view.domains)
        self._health = health
        self._forwarders = Forwarders(view.forwarders, health)
        self.patience = health.patience
        """Return how many seconds to wait for a forwarder before the next one is asked."""
        self.answered = health.answered
        """Record that a forwarder answered."""

    def is_never(self, name: DNSLabel) -> bool:
        """Tell whether the config keeps a name from synthesis, and from whatever else is answered here."""
        return self.domains.synthesis(name) is Synthesis.NEVER

    def knows(self, question: Question) -> bool:
        """Tell whether a question is for what is answered here: ipv4only.arpa and its reverse names."""
        return ipv4only.is_local(question, self.prefixes) and not self.is_never(question.name)

    def forwarders(self, name: DNSLabel) -> Forwarders:
        """Return whom to ask for a name."""
        others = self.domains.forwarders(name)
        return self._forwarders if others is None else Forwarders(others, self._health)

    def plain_forwarder(self, now: float) -> Forwarder | None:
        """Return whom to ask first, if that one is healthy and asked in clear."""
        first = self._forwarders.in_order(now)[0]
        if first.is_encrypted or self._health.failed_until(first, now) is not None:
            return None
        return first


class Views:
    """The views of a config. The health of the forwarders is one for all of them."""

    def __init__(self, config: Dns64Config, health: Health, random_id: Callable[[], int]) -> None:
        self.all = [
            Surroundings(view, health, random_id, number, randomize_case=config.randomize_case)
            for number, view in enumerate((config.default, *config.views))
        ]
        self._default, *others = self.all
        self._others = LongestMatch(
            (network, around) for around in others for network in around.view.networks
        )

    def of(self, client: IPAddress) -> Surroundings:
        """Return what holds for a client."""
        return self._others.find(client) or self._default


def forwarders_of(config: Dns64Config) -> tuple[Forwarder, ...]:
    """Return each forwarder of the config once, those of the clients in no view first."""
    found: dict[Forwarder, None] = {}
    for view in (config.default, *config.views):
        found.update(dict.fromkeys(view.forwarders))
        for domain in view.domains:
            found.update(dict.fromkeys(domain.forwarders))
    return tuple(found)
