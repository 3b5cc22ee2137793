# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""What a NAT64 prefix can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ipaddress import IPv6Network

LENGTHS: Final = (32, 40, 48, 56, 64, 96)
"""The lengths of a prefix (RFC 6052 section 2.2)."""


def length_findings(variable: str, prefix: IPv6Network) -> list[str]:
    """Say what is wrong with the length of a prefix that `variable` gives."""
    if prefix.prefixlen in LENGTHS:
        return []
    lengths = ", ".join(f"/{length}" for length in LENGTHS)
    return [f"{variable}: {prefix} has a length that RFC 6052 does not know; give one of {lengths}"]
