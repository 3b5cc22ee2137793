"""The prefixes of a translator's config, each with the pool and the maps that belong to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nat64.config.grammar import Placed

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from nat64.addressing.eamt import Eam
    from nat64.addressing.prefix import Pref64
    from nat64.config.grammar import Findings
    from nat64.config.tayga_words import MapWords, PrefixWords


@dataclass(frozen=True, slots=True)
class PrefixConfig:
    """A prefix, the pool for the hosts that use it, and their maps. No prefix: there are only maps and a pool."""

    prefix: Pref64 | None = None
    pool: IPv4Network | None = None
    eams: tuple[Eam, ...] = ()


@dataclass(slots=True)
class GatheredPrefixes:
    """The directives `prefix`, `dynamic-pool` and `map` as they are found."""

    directives: list[Placed[PrefixWords]] = field(default_factory=list)
    dynamic_pool: Placed[IPv4Network] | None = None
    maps: list[Placed[MapWords]] = field(default_factory=list)

    @property
    def first(self) -> Placed[Pref64] | None:
        """The prefix to which all belongs that names none."""
        words = self.directives[0] if self.directives else None
        return Placed(words.value.prefix, words.place) if words is not None else None

    def prefixes(self) -> list[Placed[Pref64]]:
        """Return the prefixes in their order."""
        return [Placed(words.value.prefix, words.place) for words in self.directives]

    def pools(self) -> list[Placed[IPv4Network]]:
        """Return all pools."""
        own = [Placed(each.value.pool, each.place) for each in self.directives if each.value.pool is not None]
        return [*([self.dynamic_pool] if self.dynamic_pool is not None else []), *own]

    def prefix_of(self, words: MapWords) -> Pref64 | None:
        """Return the prefix that a map is for."""
        return words.prefix or (self.directives[0].value.prefix if self.directives else None)

    def configs(self) -> tuple[PrefixConfig, ...]:
        """Return what belongs together, the first prefix first; at least one, which may have no prefix."""
        eams: dict[Pref64 | None, list[Eam]] = {}
        for words in self.maps:
            eams.setdefault(self.prefix_of(words.value), []).append(words.value.eam)
        dynamic_pool = self.dynamic_pool.value if self.dynamic_pool is not None else None
        if not self.directives:
            return (PrefixConfig(None, dynamic_pool, tuple(eams.get(None, ()))),)
        pools = [words.value.pool for words in self.directives]
        pools[0] = pools[0] or dynamic_pool
        return tuple(
            PrefixConfig(prefix.value, pool, tuple(eams.get(prefix.value, ())))
            for prefix, pool in zip(self.prefixes(), pools, strict=True)
        )

    def check(self, findings: Findings) -> None:
        """Record a mistake for two pools of the first prefix, and for each map of a prefix that there is not."""
        if self.dynamic_pool is not None and self.directives and self.directives[0].value.pool is not None:
            findings.refuse(
                self.dynamic_pool.place,
                f"the first prefix has a pool of its own at {self.directives[0].place}",
                "keep one of the two pools",
            )
        known = {prefix.value for prefix in self.prefixes()}
        for words in self.maps:
            prefix = words.value.prefix
            if prefix is not None and prefix not in known:
                findings.refuse(words.place, f"there is no prefix {prefix}", f"add a line: prefix {prefix}")
