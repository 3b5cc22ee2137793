"""dns64d once its command line and config are read: the process, its signals, its control commands."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nat64 import __version__
from nat64.commands import dns64d_answers
from nat64.config import totd
from nat64.config.dns64_config import DEFAULT_CONTROL_SOCKET
from nat64.config.grammar import ConfigError
from nat64.control.protocol import CommandFailed
from nat64.control.server import serve
from nat64.dns64.interfaces import InterfacesUnreadableError, connected_networks
from nat64.dns64.listening import Listening, Opened, adopted
from nat64.dns64.server import Server, worker_count
from nat64.dns64.sockets import BindError, Families, bindings
from nat64.dns64.statistics import Statistics
from nat64.process import event_log, privileges, readiness, upgrade
from nat64.process.detach import Detached, detach, log_to_syslog
from nat64.process.errors import ProcessError
from nat64.process.forked import expect_children
from nat64.process.network_changes import NetworkChanges
from nat64.process.pidfile import pidfile

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from nat64.config.dns64_config import Dns64Config
    from nat64.control.server import ControlServer

log = logging.getLogger(__name__)

_OPEN_FILES: Final = 16384
"""Enough for the most queries under way, each with two questions and some forwarders asked at once."""

_ENDS_WITHIN: Final = 0.6
"""Seconds that the workers have at the end for what they have been asked."""
_TELLS_WITHIN: Final = 0.1
"""Seconds from the answer to who asked for an upgrade to that."""


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
    signal.pthread_sigmask(signal.SIG_BLOCK, upgrade.WAITING_SIGNALS)
    expect_children()
    event_log.start(settings.log_level)
    _allow_many_sockets()
    before = upgrade.handed_over()
    program = upgrade.Program()
    identity = privileges.look_up(settings.user, settings.group)
    listening = Listening(identity.user)
    if before is not None:
        listening.add(_adopted(before))
    listening.add(listening.open_missing(bindings(config, settings.families), worker_count(config)))
    path = Path(config.pidfile).absolute() if config.pidfile is not None else None
    detached = None
    if settings.detach and before is None:
        detached = detach()
    elif settings.detach:
        log_to_syslog()
    with pidfile(path, is_there=before is not None):
        asyncio.run(Daemon(settings, identity, program, detached).serve(config, listening, before or {}))


class Daemon:
    """The server with what a daemon has around it."""

    server: Server

    def __init__(
        self,
        settings: Settings,
        identity: privileges.Identity,
        program: upgrade.Program,
        detached: Detached | None,
    ) -> None:
        self.settings = settings
        self._identity = identity
        self._program = program
        self._detached = detached
        self._control: ControlServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        self._ending = False
        self.upgrades = 0
        """How often this process has taken up a new program."""

    async def serve(self, config: Dns64Config, listening: Listening, before: Mapping[str, Any]) -> None:
        """Serve until told to end. `before` is what an earlier program of this process has left."""
        _log_warnings(config)
        loop = asyncio.get_running_loop()
        end = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, end.set)
        loop.add_signal_handler(signal.SIGINT, end.set)
        loop.add_signal_handler(signal.SIGHUP, self._begin, self._reload_by_signal)
        loop.add_signal_handler(signal.SIGUSR2, self._begin, self._upgrade_by_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, upgrade.WAITING_SIGNALS)
        self.upgrades = before.get("upgrades", 0)
        secret = bytes.fromhex(before.get("cookie_secret", ""))
        self.server = Server(self.settings.families, connected_networks, config, listening, secret)
        if "counted" in before:
            self.server.processes.counted_before.add(Statistics.from_json(before["counted"]))
        changes = NetworkChanges()
        async with self._reloading:  # a SIGHUP waits until everything stands
            await self._start(config, before.get("workers", ()))
            readiness.ready()
        if self._detached is not None:
            self._detached.ready()
        following = loop.create_task(changes.follow(self.server.follow_interfaces))
        await end.wait()
        self._ending = True
        readiness.stopping()
        following.cancel()
        changes.close()
        if self._control is not None:
            self._control.close()
        await self.server.end(_ENDS_WITHIN)
        log.info("ended")

    async def _start(self, config: Dns64Config, workers_before: Sequence[Sequence[Any]]) -> None:
        try:
            await self.server.prepare()
        except InterfacesUnreadableError as error:
            raise ProcessError(str(error)) from error
        self._confine()
        if self._detached is not None:
            self._detached.let_go()
        await self.server.start(workers_before)
        await self._open_control(config)
        log.info("serving", extra={"version": __version__, "config": str(self.settings.config_path)})

    def _confine(self) -> None:
        """Give up what is not needed to serve and to reload. Raises `ProcessError`."""
        directory = self.settings.chroot
        if directory is not None:
            try:
                os.chroot(directory)
                os.chdir("/")
            except OSError as error:
                raise ProcessError(
                    f"cannot chroot to {directory}: {error.strerror}; start as root, or leave out -t"
                ) from None
        privileges.become(self._identity, privileges.Capability.NET_BIND_SERVICE)

    def _begin(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload_by_signal(self) -> None:
        try:
            await self.reload()
        except CommandFailed as error:
            log.error("reload refused, the running config stays", extra={"why": str(error)})  # noqa: TRY400 - no fault of the code, so no traceback

    async def reload(self) -> Dns64Config:
        """Read the config again and serve by it. Raises `CommandFailed`, and then nothing has changed."""
        async with self._reloading:
            readiness.reloading()
            try:
                return await self._take_config()
            finally:
                readiness.ready()

    async def _take_config(self) -> Dns64Config:
        before = self.server.config
        try:
            config = self.read_config()
            await self.server.reload(config)
        except (ConfigError, BindError, InterfacesUnreadableError) as error:
            raise CommandFailed(str(error)) from error
        _log_warnings(config)
        for keyword, changed in (
            ("pidfile", config.pidfile != before.pidfile),
            ("control-socket", config.control_socket != before.control_socket),
        ):
            if changed:
                log.warning("a change takes effect with the next start", extra={"directive": keyword})
        log.info("reloaded", extra={"config": str(self.settings.config_path)})
        return config

    def read_config(self) -> Dns64Config:
        """Read the config as it is on disk. Raises `ConfigError` and `CommandFailed`."""
        path = self.settings.config_path
        try:
            return totd.read(path, port=self.settings.port)
        except OSError as error:
            raise CommandFailed(f"{path} cannot be read: {error.strerror}; mend that") from error

    async def _upgrade_by_signal(self) -> None:
        try:
            await self.upgrade()
        except CommandFailed as error:
            log.error("upgrade refused, the running program stays", extra={"why": str(error)})  # noqa: TRY400 - as above

    async def upgrade(self) -> None:
        """See that the program on disk runs, and have it take this one's place soon after.

        Raises `CommandFailed`, and then nothing has changed.
        """
        if self.settings.chroot is not None:
            raise CommandFailed("confined by -t, the program on disk is out of reach; restart dns64d")
        await self._reloading.acquire()
        try:
            await self._program.check("--check")
        except ProcessError as error:
            self._reloading.release()
            raise CommandFailed(f"the program on disk does not start: {error}") from error
        except BaseException:
            self._reloading.release()
            raise
        self._begin(self._run_anew)

    async def _run_anew(self) -> None:
        """Become the program on disk. Its workers begin to serve before those of today leave."""
        await asyncio.sleep(_TELLS_WITHIN)
        if self._ending:  # who ends it does not want it to begin anew
            self._reloading.release()
            return
        readiness.reloading()
        log.info("the program is run anew")
        try:
            with contextlib.suppress(OSError):  # not ours to keep, so it was of no use so far
                privileges.keep_over_exec(privileges.Capability.NET_BIND_SERVICE)
            told = self.server.hand_over() | {"upgrades": self.upgrades + 1}
            self._program.run_anew(self.server.descriptors, told)
        except ProcessError as error:
            log.error("not upgraded, the running program stays", extra={"why": str(error)})  # noqa: TRY400 - as above
            readiness.ready()
        finally:
            self._reloading.release()

    async def _open_control(self, config: Dns64Config) -> None:
        if config.control_socket is None:
            return
        path = Path(config.control_socket)
        try:
            self._control = await serve(path, dns64d_answers.commands(self))
        except OSError as error:
            if config.control_socket != DEFAULT_CONTROL_SOCKET:
                raise ProcessError(
                    f"cannot make the control socket {path}: {error}; mend its directory, or: control-socket none"
                ) from error
            log.warning("no control socket", extra={"path": str(path), "why": str(error)})


def _adopted(before: Mapping[str, Any]) -> Opened:
    try:
        return adopted(before["sockets"])
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ProcessError(f"the sockets handed over cannot be used: {error}; start dns64d again") from error


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
