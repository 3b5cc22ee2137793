"""What dns64d answers on its control socket: the accounts of its workers, put together."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from nat64 import __version__
from nat64.commands.dns64d_status import forwarder_rows, stats_rows, view_rows, worker_rows
from nat64.config.domain_names import read_domain_name, shown
from nat64.config.grammar import ConfigError, Refused
from nat64.control.protocol import Access, Command, CommandFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nat64.commands.dns64d_service import Daemon
    from nat64.config.grammar import Mistake
    from nat64.control.protocol import Result
    from nat64.dns64.worker_processes import Worker

    Answers = Sequence[tuple[Worker, dict[str, Any] | None]]


def commands(daemon: Daemon) -> Mapping[str, Command]:
    """Return the commands that the daemon offers."""

    async def status(_: Mapping[str, object]) -> Result:
        return await _status(daemon)

    async def stats(_: Mapping[str, object]) -> Result:
        answers = await daemon.server.ask_workers()
        return stats_rows(_accounts(answers), daemon.server.processes.counted()) | _silent(answers)

    async def flush(arguments: Mapping[str, object]) -> Result:
        answers = await daemon.server.flush(_name(arguments))
        return {"flushed": sum(account["flushed"] for account in _accounts(answers))} | _silent(answers)

    def check_config(_: Mapping[str, object]) -> Result:
        return _check_config(daemon)

    async def reload(_: Mapping[str, object]) -> Result:
        config = await daemon.reload()
        return {"warnings": [str(warning) for warning in config.warnings]}

    async def upgrade(_: Mapping[str, object]) -> Result:
        await daemon.upgrade()
        return {"version": __version__, "upgrades": daemon.upgrades}

    return {
        "status": Command(Access.READ, status),
        "stats": Command(Access.READ, stats),
        "check-config": Command(Access.READ, check_config),
        "reload": Command(Access.CHANGE, reload),
        "flush": Command(Access.CHANGE, flush),
        "upgrade": Command(Access.CHANGE, upgrade),
    }


async def _status(daemon: Daemon) -> Result:
    server = daemon.server
    answers = await server.ask_workers()
    accounts = _accounts(answers)
    return {
        "daemon": "dns64d",
        "version": __version__,
        "pid": os.getpid(),
        "started": round(server.started),
        "upgrades": daemon.upgrades,
        "config": str(daemon.settings.config_path),
        "listening": server.listening,
        "prefixes": [str(each.prefix) for each in server.config.default.prefixes],
        "forwarders": forwarder_rows(server.config, accounts, time.time()),
        "views": view_rows(server.config),
        "allow_query": [str(network) for network in server.allowed],
        "outstanding": sum(account["outstanding"] for account in accounts),
        "workers": worker_rows(answers, server.processes),
        "counters": dict(server.processes.counted().counters),
    } | _silent(answers)


def _accounts(answers: Answers) -> list[dict[str, Any]]:
    return [account for _, account in answers if account is not None]


def _silent(answers: Answers) -> Result:
    """Name the workers that are left out, for they did not answer in time."""
    silent = [worker.pid for worker, account in answers if account is None]
    return {"silent_workers": silent} if silent else {}


def _name(arguments: Mapping[str, object]) -> str | None:
    """Return the name to flush, ``None`` for all names. Raises `CommandFailed`."""
    name = arguments.get("name")
    if name is None:
        return None
    if not isinstance(name, str):
        raise CommandFailed("'name' is not a string; give a domain name, or leave it out to flush all")
    try:
        return shown(read_domain_name(name))
    except Refused as refused:
        raise CommandFailed(f"{refused.problem}; {refused.remedy}") from None


def _check_config(daemon: Daemon) -> Result:
    mistakes: Sequence[Mistake] = ()
    warnings: Sequence[Mistake] = ()
    try:
        warnings = daemon.read_config().warnings
    except ConfigError as error:
        mistakes = error.mistakes
    return {
        "config": str(daemon.settings.config_path),
        "mistakes": [str(mistake) for mistake in mistakes],
        "warnings": [str(warning) for warning in warnings],
    }
