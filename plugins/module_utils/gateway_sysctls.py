# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""The kernel settings of a gateway, and the default routes that forwarding must leave as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.nat64.gateway.plugins.module_utils.rtnetlink import Route


def default_routes(routes: Iterable[Route]) -> list[str]:
    """Return the default routes, each as a line of what must stay: family, gateway, device, metric."""
    found: list[str] = []
    for route in routes:
        if not route.is_default:
            continue
        words = [f"family ipv{route.destination.version}"]
        words += [f"gateway {route.gateway}"] if route.gateway else []
        words += [f"dev {route.device}"] if route.device else []
        words += [f"metric {route.metric}"] if route.metric else []
        found.append(" ".join(words))
    return sorted(found)


def ra_uplinks(routes: Iterable[Route], accept_ra: Mapping[str, str]) -> list[str]:
    """Name the devices whose default route the kernel learnt from a router advertisement.

    Turning forwarding on takes that route away unless ``accept_ra`` is 2 there. Where it is 0, a daemon such as
    systemd-networkd reads the advertisements, keeps the route itself, and must not be joined by the kernel.
    """
    return sorted(
        {
            route.device
            for route in routes
            if route.is_default
            and route.destination.version == 6
            and route.protocol == "ra"
            and accept_ra.get(route.device, "0") != "0"
        }
    )


def sysctls(uplinks: Iterable[str]) -> dict[str, str]:
    """Return the kernel settings of a gateway, in the order they must be made: accept_ra, then forwarding.

    Names are paths below /proc/sys, so that a device may have a dot in its name.
    """
    return {
        **{f"net/ipv6/conf/{uplink}/accept_ra": "2" for uplink in uplinks},
        "net/ipv6/conf/all/forwarding": "1",
        "net/ipv4/conf/all/forwarding": "1",
        "net/ipv4/conf/all/send_redirects": "0",
    }


def recorded(text: str) -> dict[str, str]:
    """Read the settings of a sysctl.d file."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith(("#", ";")))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}
