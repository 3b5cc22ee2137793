"""What dns64d tells of its forwarders and views to who asks for its status."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nat64.control.protocol import Result
    from nat64.dns64.service import Service


def forwarder_rows(service: Service, now: float, time_of_day: float) -> list[Result]:
    """Return a row for each forwarder, whatever views and domains have it.

    `now` is the service's clock, `time_of_day` the same moment in seconds since 1970.
    """
    rows: list[Result] = []
    for forwarder in service.forwarders:
        until = service.health.failed_until(forwarder, now)
        row: Result = {
            "address": str(forwarder.endpoint.address),
            "port": forwarder.endpoint.port,
            "healthy": until is None,
        }
        if forwarder.tls_name is not None:
            row["tls"] = forwarder.tls_name
        if forwarder.validating:
            row["validating"] = True
        if until is not None:
            row["failed_until"] = round(time_of_day + until - now)
        rows.append(row)
    return rows


def view_rows(service: Service) -> list[Result]:
    """Return a row for each view of the config."""
    return [
        {
            "name": view.name,
            "networks": [str(network) for network in view.networks],
            "prefixes": [str(each.prefix) for each in view.prefixes],
            "forwarders": [str(forwarder) for forwarder in view.forwarders],
        }
        for view in service.config.views
    ]
