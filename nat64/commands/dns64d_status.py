"""What dns64d tells of its forwarders, views and workers to who asks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from nat64.dns64.views import forwarders_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nat64.config.dns64_config import Dns64Config
    from nat64.control.protocol import Result
    from nat64.dns64.statistics import Statistics
    from nat64.dns64.worker_processes import Worker, WorkerProcesses

MEANINGS = {
    "queries_udp": "queries that came over UDP",
    "queries_tcp": "queries that came over TCP",
    "queries_tls": "queries that came over TLS",
    "cached": "answers from the cache",
    "joined": "queries that waited for an answer already on its way",
    "prefetched": "questions asked anew, for their answers were about to expire",
    "jostled": "questions given up, for others waited and they took long",
    "stale": "answers that had expired, for the forwarders failed",
    "forwarded": "answers as the forwarders gave them",
    "synthesized": "answers with AAAA records made from A records",
    "reverse": "answers to reverse names of synthesized addresses",
    "ipv4only": "answers about ipv4only.arpa, given without asking",
    "failed": "queries that no forwarder answered",
    "refused": "queries of clients that are not answered, or of a kind that is not",
    "malformed": "queries that cannot be read",
    "ignored": "messages that are no queries",
    "not_implemented": "queries with another opcode",
    "bad_edns_version": "queries with an EDNS version that is not spoken",
    "overload": "queries refused because too many are under way",
    "unsent": "responses that could not be sent",
    "tcp_connections_refused": "connections beyond the limits",
    "asked_https": "questions to forwarders over HTTPS",
    "forged": "replies that fit no question, in a forwarder's name",
}
"""What the counters count; one that is not here tells that by its name."""


def forwarder_rows(
    config: Dns64Config, accounts: Sequence[Mapping[str, Any]], time_of_day: float
) -> list[Result]:
    """Return a row for each forwarder, whatever views and domains have it, with what the workers see of it.

    `time_of_day` is the moment of their accounts in seconds since 1970.
    """
    rows: list[Result] = []
    for forwarder in forwarders_of(config):
        left = [each for account in accounts if (each := account["failed"].get(repr(forwarder))) is not None]
        row: Result = {
            "address": str(forwarder.endpoint.address),
            "port": forwarder.endpoint.port,
            "healthy": not left,
        }
        if forwarder.tls_name is not None:
            row["tls"] = forwarder.tls_name
        if forwarder.https_path is not None:
            row["https"] = forwarder.https_path
        if forwarder.validating:
            row["validating"] = True
        if left:
            row["failed_workers"] = len(left)
            row["failed_until"] = round(time_of_day + max(left))
        rows.append(row)
    return rows


def view_rows(config: Dns64Config) -> list[Result]:
    """Return a row for each view of the config."""
    return [
        {
            "name": view.name,
            "networks": [str(network) for network in view.networks],
            "prefixes": [str(each.prefix) for each in view.prefixes],
            "forwarders": [str(forwarder) for forwarder in view.forwarders],
        }
        for view in config.views
    ]


def worker_rows(
    answers: Iterable[tuple[Worker, Mapping[str, Any] | None]], processes: WorkerProcesses
) -> list[Result]:
    """Return a row for each worker that runs."""
    return [
        {
            "pid": worker.pid,
            "started": round(worker.started),
            "restarts": processes.restarts(worker.number),
            "outstanding": account["outstanding"] if account is not None else None,
        }
        for worker, account in answers
    ]


def stats_rows(accounts: Iterable[Mapping[str, Any]], whole: Statistics) -> Result:
    """Return what was counted in the whole, with the meaning; and how long answers took by their outcome.

    The cache is that of the workers with these `accounts`; its bytes are an estimate. Times are microseconds; the
    quantiles are the bounds under which they lie.
    """
    cache = Counter[str]()
    for account in accounts:
        cache.update(account["cache"])
    names = [*MEANINGS, *sorted(whole.counters.keys() - MEANINGS.keys())]
    return {
        "rows": [
            {
                "name": name,
                "count": whole.counters[name],
                "meaning": MEANINGS.get(name, name.replace("_", " ")),
            }
            for name in names
        ],
        "latencies": [
            {
                "outcome": outcome,
                "count": (count := sum(histogram.counts)),
                "mean": round(histogram.seconds / count * 1e6) if count else None,
                "p50": histogram.quantile(0.5),
                "p99": histogram.quantile(0.99),
            }
            for outcome, histogram in sorted(whole.latencies.items())
        ],
        "cache": dict(cache),
    }
