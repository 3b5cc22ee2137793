"""nat64-clat as it runs: what happens on the network is told to what decides, and what that wants is carried out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nat64 import __version__
from nat64.clat import kernel, translator, translator_config
from nat64.clat.decisions import Clat, DetectDuplicate, Resolve, Solicit
from nat64.clat.errors import ClatError
from nat64.clat.forwarding import Forwarding
from nat64.discovery.icmpv6_channel import Icmpv6Channel
from nat64.discovery.resolver_query import resolve
from nat64.process import event_log, readiness
from nat64.process.errors import ProcessError
from nat64.process.forked import expect_children
from nat64.process.network_changes import NetworkChanges

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path
    from typing import Any

    from nat64.addressing.prefix import Pref64
    from nat64.clat.decisions import Action, Wanted
    from nat64.clat.network import HostNetwork
    from nat64.process.privileges import Identity

log = logging.getLogger(__name__)

_TRIES_AGAIN_AFTER: Final = 2.0
"""Seconds until what was refused is tried again; twice as long each time, up to a minute."""
_LONGEST_PAUSE: Final = 60.0
_SECRET_OCTETS: Final = 32


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the command line asked for."""

    uplink: str | None
    device: str
    prefix: Pref64 | None
    resolvers: list[str] | None
    identity: Identity
    user: str | None
    state: Path
    runtime: Path
    debug: bool
    program: Path


def run(invocation: Invocation) -> int:
    """Run until a signal says to end; return the exit status. Raises `ProcessError` while it starts."""
    expect_children()
    event_log.start(logging.DEBUG if invocation.debug else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.INFO)  # its debug messages would drown ours
    secret = own_secret(invocation.state)
    try:
        invocation.runtime.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise ProcessError(f"cannot make {invocation.runtime}: {error.strerror}; start as root") from None
    asyncio.run(_ClatDaemon(invocation, secret).run())
    return 0


def own_secret(directory: Path) -> bytes:
    """Return what this host's addresses are made from, made when it is first asked for. Raises `ProcessError`."""
    path = directory / "secret"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            secret = path.read_bytes()
            if len(secret) == _SECRET_OCTETS:
                return secret
        secret = secrets.token_bytes(_SECRET_OCTETS)
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_bytes(secret)
        new.replace(path)
    except OSError as error:
        raise ProcessError(f"cannot keep a secret in {directory}: {error.strerror}; start as root") from None
    return secret


class _ClatDaemon:
    """The running daemon."""

    def __init__(self, invocation: Invocation, secret: bytes) -> None:
        self._of = invocation
        self._clat = Clat(secret, invocation.prefix)
        self._forwarding = Forwarding(invocation.runtime / "settings.json")
        self._translator = translator.Translator(
            translator.Invocation(
                program=invocation.program,
                device=invocation.device,
                directory=invocation.runtime,
                identity=invocation.identity,
                user=invocation.user,
            ),
            ended=self._wake_up,
        )
        self._ending = False
        self._wake = asyncio.Event()
        self._channel: Icmpv6Channel | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reason = ""
        self._running: Wanted | None = None
        self._has_anything = True  # an earlier one that was killed may have left something
        self._refusals = 0

    async def run(self) -> None:
        """Serve until a signal says to end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._wake_up)
        changes = NetworkChanges(routes=True)
        following = asyncio.create_task(changes.follow(self._look_again))
        log.info("looking", extra={"version": __version__})
        try:
            await self._withdraw()
            while not self._ending:
                self._wake.clear()
                pause = await self._step()
                readiness.ready()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
        finally:
            readiness.stopping()
            following.cancel()
            changes.close()
            for task in self._tasks:
                task.cancel()
            self._listen_on(None)
            await self._withdraw()
        log.info("ended")

    async def _look_again(self) -> None:
        self._wake_up()

    def _wake_up(self) -> None:
        self._wake.set()

    def _end(self) -> None:
        self._ending = True
        self._wake.set()

    async def _step(self) -> float | None:
        """Look, decide and act once; return the seconds until that is to be done again."""
        try:
            network = await asyncio.to_thread(kernel.look, self._of.device, self._of.uplink)
            self._clat.observe(network, time.monotonic())
            self._listen(network)
            for action in self._clat.act(time.monotonic()):
                self._do(action)
            await self._become(self._clat.wanted(time.monotonic()))
        except ProcessError as error:
            log.error("%s", error)  # noqa: TRY400 - the reason is in the line, a traceback adds nothing
            await self._withdraw()
            self._refusals += 1
            pause: float = min(_TRIES_AGAIN_AFTER * 2.0 ** (self._refusals - 1), _LONGEST_PAUSE)
            return pause
        self._refusals = 0
        self._tell()
        now = time.monotonic()
        timer = self._clat.next_timer(now)
        return None if timer is None else timer - now

    # Discovery

    def _listen(self, network: HostNetwork) -> None:
        wanted = network.uplink.device if network.uplink is not None and self._of.prefix is None else None
        if (self._channel.device if self._channel is not None else None) != wanted:
            self._listen_on(wanted)

    def _listen_on(self, device: str | None) -> None:
        loop = asyncio.get_running_loop()
        if self._channel is not None:
            loop.remove_reader(self._channel)
            self._channel.close()
            self._channel = None
        if device is None:
            return
        try:
            self._channel = Icmpv6Channel(device)
        except OSError as error:
            raise ClatError(
                f"cannot hear router advertisements on {device}: {error.strerror}; run as root or with CAP_NET_RAW"
            ) from None
        loop.add_reader(self._channel, self._hear)

    def _hear(self) -> None:
        if self._channel is None:
            return
        try:
            for advertisement in self._channel.advertisements():
                self._clat.advertised(advertisement, time.monotonic())
        except OSError:  # the interface is gone, which the next look shows
            self._listen_on(None)
        self._wake_up()

    def _do(self, action: Action) -> None:
        match action:
            case Solicit():
                if self._channel is not None:
                    with contextlib.suppress(OSError):  # there is no address yet; it is tried again
                        self._channel.solicit()
            case Resolve():
                self._begin(self._resolve())
            case DetectDuplicate():
                self._begin(self._check(action))

    def _begin(self, task: Coroutine[Any, Any, None]) -> None:
        begun = asyncio.create_task(task)
        self._tasks.add(begun)
        begun.add_done_callback(self._tasks.discard)

    async def _resolve(self) -> None:
        answer = await resolve(self._of.resolvers)
        prefixes, lifetime = answer if answer is not None else ((), 0.0)
        self._clat.resolved(prefixes, lifetime, time.monotonic())
        self._wake_up()

    async def _check(self, action: DetectDuplicate) -> None:
        try:
            is_unique = await asyncio.to_thread(kernel.is_unique, action.index, action.address)
        except ClatError as error:
            log.error("%s", error)  # noqa: TRY400 - the reason is in the line
            is_unique = False
        else:
            if not is_unique:
                log.warning("another host has the address", extra={"address": action.address})
        self._clat.checked(action.address, time.monotonic(), is_unique=is_unique)
        self._wake_up()

    # What runs

    async def _become(self, wanted: Wanted | None) -> None:
        if wanted is None:
            if self._has_anything:
                await self._withdraw()
            return
        self._has_anything = True
        for change in await asyncio.to_thread(self._forwarding.turn_on):
            log.info("setting changed", extra={"setting": f"net/ipv6/conf/{change}"})
        text = translator_config.text(
            wanted,
            device=self._of.device,
            control_socket=self._of.runtime / "control.sock",
        )
        self._translator.have_device()
        await asyncio.to_thread(kernel.prepare_device, self._of.device, wanted.mtu)
        await self._translator.run(text)
        await asyncio.to_thread(kernel.attach, wanted, self._of.device)
        if wanted != self._running:
            log.info(
                "translating",
                extra={
                    "prefix": wanted.prefix,
                    "address": wanted.address,
                    "uplink": wanted.uplink,
                    "mtu": wanted.mtu,
                },
            )
        self._running = wanted

    async def _withdraw(self) -> None:
        """Leave nothing behind: routes, neighbour proxies, device, settings."""
        self._running = None
        await self._translator.end()
        try:
            await asyncio.to_thread(kernel.withdraw, self._of.device)
            await asyncio.to_thread(self._forwarding.turn_back)
        except ClatError as error:
            log.error("%s", error)  # noqa: TRY400 - the reason is in the line
            return
        self._has_anything = False

    def _tell(self) -> None:
        """Say in the log, and to systemd, what has become of it."""
        reason = self._clat.reason(time.monotonic())
        if reason == self._reason:
            return
        self._reason = reason
        log.info("running" if self._running is not None else "waiting", extra={"reason": reason})
        readiness.notify(f"STATUS={reason}")
