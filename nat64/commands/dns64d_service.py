"""dns64d once its command line and config are read: the process, its signals, its control commands."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nat64 import __version__
from nat64.commands.dns64d_status import forwarder_rows, view_rows
from nat64.config import totd
from nat64.config.dns64_config import DEFAULT_CONTROL_SOCKET
from nat64.config.grammar import ConfigError
from nat64.control.protocol import Access, Command, CommandFailed
from nat64.control.server import ControlServer, serve
from nat64.dns64.interfaces import InterfacesUnreadableError, connected_networks
from nat64.dns64.server import Server, open_all
from nat64.dns64.sockets import BindError, Binding, Families, ListeningPair, bindings
from nat64.process import event_log, privileges, readiness
from nat64.process.detach import Detached, detach
from nat64.process.errors import ProcessError
from nat64.process.pidfile import pidfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nat64.config.dns64_config import Dns64Config
    from nat64.config.grammar import Mistake
    from nat64.control.protocol import Result

log = logging.getLogger(__name__)

_OPEN_FILES: Final = 16384
"""Enough for the most queries under way, each with two questions and some forwarders asked at once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says."""

    config_path: Path
    families: Families
    port: int | None = None
    """Where to listen whatever the config's `port` says."""
    user: str | None = None
    group: str | None = None
    chroot: str | None = None
    detach: bool = True
    quiet: bool = False
    verbose: bool = False

    @property
    def log_level(self) -> int:
        """The logging level that `quiet` and `verbose` ask for."""
        if self.verbose:
            return logging.DEBUG
        return logging.WARNING if self.quiet else logging.INFO


def run(settings: Settings, config: Dns64Config) -> None:
    """Serve until SIGTERM or SIGINT. Raises `BindError` or `ProcessError` when there is no starting."""
    event_log.start(settings.log_level)
    _allow_many_sockets()
    identity = privileges.look_up(settings.user, settings.group)
    opened = open_all(bindings(config, settings.families))
    path = Path(config.pidfile).absolute() if config.pidfile is not None else None
    detached = detach() if settings.detach else None
    with pidfile(path):
        asyncio.run(_Daemon(settings, identity, detached).serve(config, opened))


class _Daemon:
    """The server with what a daemon has around it."""

    def __init__(self, settings: Settings, identity: privileges.Identity, detached: Detached | None) -> None:
        self._settings = settings
        self._identity = identity
        self._detached = detached
        self._server = Server(settings.families, connected_networks)
        self._control: ControlServer | None = None
        self._reloads: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()

    async def serve(self, config: Dns64Config, opened: Mapping[Binding, ListeningPair]) -> None:
        _log_warnings(config)
        loop = asyncio.get_running_loop()
        end = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, end.set)
        loop.add_signal_handler(signal.SIGINT, end.set)
        loop.add_signal_handler(signal.SIGHUP, self._hangup)
        async with self._reloading:  # a SIGHUP waits until everything stands
            await self._start(config, opened)
            readiness.ready()
        if self._detached is not None:
            self._detached.ready()
        await end.wait()
        readiness.stopping()
        self._server.close()
        if self._control is not None:
            self._control.close()
        log.info("ended")

    async def _start(self, config: Dns64Config, opened: Mapping[Binding, ListeningPair]) -> None:
        try:
            await self._server.start(config, opened)
        except InterfacesUnreadableError as error:
            raise ProcessError(str(error)) from error
        self._confine()
        await self._open_control(config)
        log.info("serving", extra={"version": __version__, "config": str(self._settings.config_path)})

    def _confine(self) -> None:
        """Give up what is not needed to serve and to reload. Raises `ProcessError`."""
        directory = self._settings.chroot
        if directory is not None:
            try:
                os.chroot(directory)
                os.chdir("/")
            except OSError as error:
                raise ProcessError(
                    f"cannot chroot to {directory}: {error.strerror}; start as root, or leave out -t"
                ) from None
        privileges.become(self._identity, privileges.Capability.NET_BIND_SERVICE)

    def _hangup(self) -> None:
        task = asyncio.get_running_loop().create_task(self._reload_by_signal())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload_by_signal(self) -> None:
        try:
            await self._reload()
        except CommandFailed as error:
            log.error("reload refused, the running config stays", extra={"why": str(error)})  # noqa: TRY400 - no fault of the code, so no traceback

    async def _reload(self) -> Dns64Config:
        """Read the config again and serve by it. Raises `CommandFailed`, and then nothing has changed."""
        async with self._reloading:
            readiness.reloading()
            try:
                return await self._take_config()
            finally:
                readiness.ready()

    async def _take_config(self) -> Dns64Config:
        path = self._settings.config_path
        before = self._server.service.config
        try:
            config = self._read_config()
            await self._server.reload(config)
        except (ConfigError, BindError, InterfacesUnreadableError) as error:
            raise CommandFailed(str(error)) from error
        _log_warnings(config)
        for keyword, changed in (
            ("pidfile", config.pidfile != before.pidfile),
            ("control-socket", config.control_socket != before.control_socket),
        ):
            if changed:
                log.warning("a change takes effect with the next start", extra={"directive": keyword})
        log.info("reloaded", extra={"config": str(path)})
        return config

    async def _open_control(self, config: Dns64Config) -> None:
        if config.control_socket is None:
            return
        path = Path(config.control_socket)
        commands = {
            "status": Command(Access.READ, self._status),
            "check-config": Command(Access.READ, self._check_config),
            "reload": Command(Access.CHANGE, self._reload_by_command),
        }
        try:
            self._control = await serve(path, commands)
        except OSError as error:
            if config.control_socket != DEFAULT_CONTROL_SOCKET:
                raise ProcessError(
                    f"cannot make the control socket {path}: {error}; mend its directory, or: control-socket none"
                ) from error
            log.warning("no control socket", extra={"path": str(path), "why": str(error)})

    async def _reload_by_command(self, _arguments: Mapping[str, object]) -> Result:
        config = await self._reload()
        return {"warnings": [str(warning) for warning in config.warnings]}

    def _check_config(self, _arguments: Mapping[str, object]) -> Result:
        mistakes: Sequence[Mistake] = ()
        warnings: Sequence[Mistake] = ()
        try:
            warnings = self._read_config().warnings
        except ConfigError as error:
            mistakes = error.mistakes
        return {
            "config": str(self._settings.config_path),
            "mistakes": [str(mistake) for mistake in mistakes],
            "warnings": [str(warning) for warning in warnings],
        }

    def _read_config(self) -> Dns64Config:
        """Read the config as it is on disk. Raises `ConfigError` and `CommandFailed`."""
        path = self._settings.config_path
        try:
            return totd.read(path, port=self._settings.port)
        except OSError as error:
            raise CommandFailed(f"{path} cannot be read: {error.strerror}; mend that") from error

    def _status(self, _arguments: Mapping[str, object]) -> Result:
        service = self._server.service
        now = asyncio.get_running_loop().time()
        return {
            "daemon": "dns64d",
            "version": __version__,
            "pid": os.getpid(),
            "started": round(self._server.started),
            "config": str(self._settings.config_path),
            "listening": self._server.listening,
            "prefixes": [str(each.prefix) for each in service.config.default.prefixes],
            "forwarders": forwarder_rows(service, now, time.time()),
            "views": view_rows(service),
            "allow_query": [str(network) for network in service.allowed],
            "outstanding": service.outstanding,
            "counters": dict(service.counters),
        }


def _log_warnings(config: Dns64Config) -> None:
    for warning in config.warnings:
        log.warning(
            warning.problem,
            extra={"place": str(warning.place), "remedy": warning.remedy},
        )


def _allow_many_sockets() -> None:
    """Raise the limit of open files where that is allowed: a query under way holds some sockets."""
    with contextlib.suppress(OSError, ValueError):  # a service manager's filter; its own limit holds then
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
