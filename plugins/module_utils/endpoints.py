# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Lists, ports, and servers with a port, as people give them in variables: read, with what is wrong told.

The check of a role's arguments lets pass what could be turned into the right type, and nothing (null) as well.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import Any

DNS_PORT = 53
DNS_OVER_TLS_PORT = 853
DNS_OVER_HTTPS_PORT = 443


@dataclass(frozen=True)
class Endpoint:
    """Where a server is asked or listens."""

    address: str
    port: int | None
    """None where none is given."""


def read_words(variable: str, given: Any, example: str, found: list[str]) -> list[str]:  # noqa: ANN401 - from YAML
    """Return a list of words; what is wrong is added to `found`."""
    if not isinstance(given, list):
        found.append(f"{variable}: {_shown(given)} is not a list; write it as [{example}]")
        return []
    words = [each for each in given if isinstance(each, str) and each.strip()]
    others = [each for each in given if each not in words]
    found += [f"{variable}: {_shown(each)} is not a word; write it as {example}" for each in others]
    return words


def read_port(variable: str, given: Any, found: list[str]) -> int:  # noqa: ANN401 - from YAML
    """Return a port, which a command line gives as a word; what is wrong is added to `found`."""
    number = int(given) if isinstance(given, str) and given.isascii() and given.isdigit() else given
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= 65535:
        return number
    shown = given if isinstance(given, (str, int)) and not isinstance(given, bool) else _shown(given)
    found.append(f"{variable}: there is no port {shown}; choose one from 1 to 65535")
    return 0


def read_endpoints(variable: str, given: Any, found: list[str]) -> list[Endpoint]:  # noqa: ANN401 - from YAML
    """Return a list of addresses with their ports; what is wrong is added to `found`."""
    example = "{address: 192.0.2.53, port: 53}"
    if not isinstance(given, list):
        found.append(f"{variable}: {_shown(given)} is not a list; write it as [{example}]")
        return []
    read: list[Endpoint] = []
    for each in given:
        if not isinstance(each, dict) or "address" not in each:
            found.append(f"{variable}: {_shown(each)} has no address; write it as {example}")
            continue
        wrong = len(found)
        try:
            address = str(ipaddress.ip_address(str(each["address"])))
        except ValueError:
            found.append(
                f"{variable}: '{each['address']}' is not an IP address; write it as 192.0.2.53 or 2001:db8::53"
            )
            continue
        port = read_port(variable, each["port"], found) if each.get("port") or each.get("port") == 0 else None
        if len(found) == wrong:
            read.append(Endpoint(address, port))
    return read


def named_findings(variable: str, given: Any, example: str) -> list[str]:  # noqa: ANN401 - from YAML
    """Say what is wrong with a list of dictionaries that have a name each."""
    if not isinstance(given, list):
        return [f"{variable}: {_shown(given)} is not a list; write it as [{example}]"]
    others = [each for each in given if not isinstance(each, dict) or not each.get("name")]
    return [f"{variable}: {_shown(each)} has no name; write it as {example}" for each in others]


def _shown(given: Any) -> str:  # noqa: ANN401 - from YAML
    return json.dumps(given, default=str)
