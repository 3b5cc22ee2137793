"""The reasons why an address cannot be translated."""

from __future__ import annotations

from enum import Enum


class Unmappable(Enum):
    """Why an address has no counterpart."""

    NEVER_TRANSLATED = "multicast, loopback, link-local or otherwise not for translation"
    NOT_GLOBAL = "a non-global IPv4 address through 64:ff9b::/96 (RFC 6052 section 3.1)"
    NO_MAPPING = "no prefix, map or lease covers the address"
    POOL_EXHAUSTED = "every address of the dynamic pool is in use"
    PREFIX_EXHAUSTED = "the host's network holds all the leases that max-hosts-per-prefix allows"


class UnmappableError(Exception):
    """An address cannot be translated; `reason` says why."""

    def __init__(self, reason: Unmappable) -> None:
        super().__init__(reason.value)
        self.reason = reason
