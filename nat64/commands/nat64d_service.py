"""nat64d as it runs: config, device, translator, leases, signals and control socket wired together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

from nat64 import __version__
from nat64.addressing.address_map import AddressMap
from nat64.addressing.eamt import Eamt
from nat64.addressing.pool import DynamicPool, Lease
from nat64.commands.nat64d import read_config
from nat64.config import tayga
from nat64.config.grammar import ConfigError
from nat64.control import event_log, readiness
from nat64.control.protocol import Access, Command, CommandFailed, Result
from nat64.control.server import serve
from nat64.device import interface, privileges, tun
from nat64.device.detach import Detached, detach
from nat64.device.errors import DeviceError
from nat64.device.forwarding import Forwarding
from nat64.device.lease_file import LeaseFile
from nat64.device.packet_log import PacketLog
from nat64.device.state_file import StateDirectory
from nat64.siit.settings import Settings, UdpZeroChecksum
from nat64.siit.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nat64.config.tayga import NatConfig
    from nat64.control.server import ControlServer

log = logging.getLogger(__name__)

_MAINTENANCE_EVERY: Final = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the command line asked for."""

    config_path: Path
    foreground: bool
    debug: bool
    identity: privileges.Identity
    chroot: bool
    pidfile: Path | None


def configure_interface(config: NatConfig) -> None:
    """Apply `tun-up`, `tun-ip` and `tun-route` to the device. Raises `DeviceError`."""
    changes = interface.configure(
        config.tun_device, up=config.tun_up, addresses=config.tun_ips, routes=config.tun_routes
    )
    for change in changes:
        log.info("interface changed", extra={"device": config.tun_device, "change": change})


def run(config: NatConfig, invocation: Invocation) -> int:
    """Run the daemon until it is told to end; return its exit status. Raises `DeviceError` while it starts."""
    event_log.start(logging.DEBUG if invocation.debug else logging.INFO)
    for library in ("pyroute2", "asyncio"):  # their debug messages would drown ours
        logging.getLogger(library).setLevel(logging.INFO)
    for warning in config.warnings:
        log.warning(str(warning))
    if invocation.chroot and config.data_dir is None:
        raise DeviceError("--chroot needs a directory; set data-dir in the config")
    directory = StateDirectory(config.data_dir) if config.data_dir is not None else None
    descriptor = tun.open_tun(config.tun_device)
    if config.tun_up or config.tun_ips or config.tun_routes:
        configure_interface(config)
    detached = None if invocation.foreground else detach()
    if invocation.pidfile is not None:
        _write_pidfile(invocation.pidfile)
    try:
        daemon = Nat64d(config, invocation, descriptor, directory, detached)
        asyncio.run(daemon.run())
    finally:
        if invocation.pidfile is not None:
            with contextlib.suppress(OSError):
                invocation.pidfile.unlink()
    return 0


class Nat64d:
    """The running translator."""

    def __init__(
        self,
        config: NatConfig,
        invocation: Invocation,
        descriptor: int,
        directory: StateDirectory | None,
        detached: Detached | None,
    ) -> None:
        self._config = config
        self._invocation = invocation
        self._device = config.tun_device
        self._descriptor = descriptor
        self._directory = directory
        self._detached = detached
        self._started = time.time()
        self._ending = asyncio.Event()
        self._failure: DeviceError | None = None
        self._control: ControlServer | None = None
        self._saving: asyncio.Task[None] | None = None
        self._leases = LeaseFile(directory) if directory is not None else None
        self._packet_log = PacketLog(config.log, time.monotonic)
        pool = self._new_pool(config)
        if self._leases is not None and pool is not None:
            self._leases.load(pool, (config.prefix,) if config.prefix else (), time.monotonic())
        self._translator = Translator(
            _settings(config, self._device), self._address_map(config, pool), self._packet_log.observe
        )
        self._forwarding = Forwarding(descriptor, self._translator, time.monotonic)

    async def run(self) -> None:
        """Serve until a signal says to end. Raises `DeviceError` when the device goes away."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._ending.set)
        loop.add_signal_handler(signal.SIGINT, self._ending.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_by_signal)
        await self._open_control()
        if self._invocation.chroot and self._config.data_dir is not None:
            os.chroot(self._config.data_dir)
            os.chdir("/")
        privileges.become(self._invocation.identity)
        loop.add_reader(self._descriptor, self._forward)
        maintenance = asyncio.create_task(self._maintain())
        log.info("translating", extra={"device": self._device, "version": __version__})
        readiness.ready()
        if self._detached is not None:
            self._detached.ready()
        await self._ending.wait()
        readiness.stopping()
        loop.remove_reader(self._descriptor)
        maintenance.cancel()
        if self._control is not None:
            self._control.close()
        if self._saving is not None:
            await self._saving
        self._save_now()
        os.close(self._descriptor)
        log.info("ended")
        if self._failure is not None:
            raise self._failure

    def _forward(self) -> None:
        try:
            self._forwarding.forward_burst()
        except DeviceError as error:
            self._failure = error
            self._ending.set()

    # Leases

    async def _maintain(self) -> None:
        """Once a second: follow the device's MTU, forget old leases, save what changed."""
        while True:
            await asyncio.sleep(_MAINTENANCE_EVERY)
            self._follow_mtu()
            pool = self._translator.address_map.pool
            now = time.monotonic()
            if pool is None:
                continue
            pool.forget(now)
            if self._leases is not None and self._saving is None and self._leases.is_due(pool, now):
                self._saving = asyncio.create_task(self._save(self._leases, pool))

    async def _save(self, leases: LeaseFile, pool: DynamicPool) -> None:
        """Save the leases in a thread, so that packets do not wait for the disk."""
        now = time.monotonic()
        held = leases.begin(pool, now)
        try:
            await asyncio.to_thread(leases.save, held, self._config.prefix, now)
        finally:
            self._saving = None

    def _save_now(self) -> None:
        pool = self._translator.address_map.pool
        if self._leases is not None and pool is not None:
            now = time.monotonic()
            self._leases.save(self._leases.begin(pool, now), self._config.prefix, now)

    def _follow_mtu(self) -> None:
        with contextlib.suppress(DeviceError):  # the reader tells when the device is gone
            settings = _settings(self._config, self._device)
            if settings != self._translator.settings:
                self._translator.reconfigure(settings, self._translator.address_map, self._packet_log.observe)
                log.info("the device's MTU changed", extra={"mtu": settings.mtu})

    # Config

    def _new_pool(self, config: NatConfig) -> DynamicPool | None:
        if config.dynamic_pool is None:
            return None
        pool = DynamicPool(config.dynamic_pool, config.reserved_in_pool())
        if "dyn" in config.log:
            pool.observe = _log_lease
        return pool

    @staticmethod
    def _address_map(config: NatConfig, pool: DynamicPool | None) -> AddressMap:
        return AddressMap(config.prefix, Eamt(config.eams), pool, wkpf_strict=config.wkpf_strict)

    def _reload_by_signal(self) -> None:
        readiness.reloading()
        try:
            self._reload()
        except CommandFailed as failed:
            log.error("the config was not reloaded, the old one stays", extra={"problem": str(failed)})  # noqa: TRY400 - the reason is in the line, a traceback adds nothing
        readiness.ready()

    def _reload(self) -> list[str]:
        """Take the config on disk, and return its warnings. Raises `CommandFailed`, and then the old one stays."""
        try:
            config = read_config(self._invocation.config_path)
        except ConfigError as error:
            raise CommandFailed(str(error)) from None
        except OSError as error:
            raise CommandFailed(f"{self._invocation.config_path}: cannot be read: {error.strerror}") from None
        old = self._config
        warnings = [
            *map(str, config.warnings),
            *(
                f"{keyword} changed; restart nat64d to use it"
                for keyword, is_same in (
                    ("tun-device", config.tun_device == self._device),
                    ("data-dir", config.data_dir == old.data_dir),
                    ("control-socket", config.control_socket == old.control_socket),
                )
                if not is_same
            ),
        ]
        if config.tun_device == self._device and (
            (config.tun_up, config.tun_ips, config.tun_routes) != (old.tun_up, old.tun_ips, old.tun_routes)
        ):
            try:
                configure_interface(config)
            except DeviceError as error:
                raise CommandFailed(str(error)) from None
        self._packet_log = PacketLog(config.log, time.monotonic)
        pool = self._pool_after(config)
        self._config = config
        self._translator.reconfigure(
            _settings(config, device=old.tun_device),
            self._address_map(config, pool),
            self._packet_log.observe,
        )
        for warning in warnings:
            log.warning(warning)
        log.info("config reloaded", extra={"config": str(self._invocation.config_path)})
        return warnings

    def _pool_after(self, config: NatConfig) -> DynamicPool | None:
        """Return the pool for a config: the one there is if it serves, else another one with the leases that fit."""
        old = self._translator.address_map.pool
        same = ("dynamic_pool", "prefix", "log")
        if (
            all(getattr(config, name) == getattr(self._config, name) for name in same)
            and config.reserved_in_pool() == self._config.reserved_in_pool()
        ):
            return old
        pool = self._new_pool(config)
        if pool is None or old is None:
            return pool
        lost = 0
        for lease in old:
            fits = lease.prefix == config.prefix
            if not fits or pool.restore(lease.host, lease.prefix, lease.address, lease.last_use):
                lost += 1
        log.info("the pool changed", extra={"leases_kept": len(pool), "leases_lost": lost})
        return pool

    # Control

    async def _open_control(self) -> None:
        path = self._config.control_socket
        if path is None:
            return
        commands = {
            "status": Command(Access.READ, self._answer_status),
            "hosts": Command(Access.READ, self._answer_hosts),
            "check-config": Command(Access.READ, self._answer_check_config),
            "reload": Command(Access.CHANGE, self._answer_reload),
        }
        try:
            self._control = await serve(path, commands)
        except OSError as error:
            problem = f"cannot make the control socket {path}: {error.strerror or error}"
            remedy = "create its directory, or set control-socket"
            if path != tayga.DEFAULT_CONTROL_SOCKET:
                raise DeviceError(f"{problem}; {remedy}") from None
            log.warning("%s; %s", problem, remedy)

    def _answer_status(self, _: Mapping[str, object]) -> Result:
        config = self._config
        settings = self._translator.settings
        pool = self._translator.address_map.pool
        return {
            "daemon": "nat64d",
            "version": __version__,
            "pid": os.getpid(),
            "started": self._started,
            "config": str(self._invocation.config_path),
            "device": self._device,
            "mtu": settings.mtu,
            "ipv4_addr": str(config.ipv4_addr),
            "ipv6_addr": str(config.ipv6_addr),
            "prefixes": [str(config.prefix)] if config.prefix else [],
            "pool": {"network": str(pool.network), "size": pool.size, "leased": len(pool)}
            if pool is not None
            else None,
            "maps": len(config.eams),
            "counters": {**self._translator.counts, **self._forwarding.counts},
        }

    def _answer_hosts(self, _: Mapping[str, object]) -> Result:
        return {"rows": self._hosts()}

    def _hosts(self) -> Iterator[dict[str, object]]:
        for eam in self._config.eams:
            host = eam.ipv6.network_address if eam.ipv6.prefixlen == 128 else eam.ipv6
            address = eam.ipv4.network_address if eam.ipv4.prefixlen == 32 else eam.ipv4
            yield {"host": str(host), "address": str(address), "kind": "static", "last_used": None}
        now = time.monotonic()
        unix_now = time.time()
        for lease in self._translator.address_map.pool or ():
            yield {
                "host": str(IPv6Address(lease.host)),
                "address": str(IPv4Address(lease.address)),
                "kind": "dynamic",
                "last_used": unix_now - (now - lease.last_use),
            }

    def _answer_check_config(self, _: Mapping[str, object]) -> Result:
        path = str(self._invocation.config_path)
        try:
            config = read_config(self._invocation.config_path)
        except ConfigError as error:
            return {"config": path, "warnings": [], "mistakes": [str(mistake) for mistake in error.mistakes]}
        except OSError as error:
            raise CommandFailed(f"{path}: cannot be read: {error.strerror}; see its owner and mode") from None
        return {"config": path, "warnings": [str(warning) for warning in config.warnings], "mistakes": []}

    def _answer_reload(self, _: Mapping[str, object]) -> Result:
        readiness.reloading()
        try:
            return {"warnings": self._reload()}
        finally:
            readiness.ready()


def _settings(config: NatConfig, device: str) -> Settings:
    """Return the translator's settings; the MTU is that of `device`. Raises `DeviceError`."""
    return Settings(
        ipv4_addr=config.ipv4_addr.packed,
        ipv6_addr=config.ipv6_addr.packed,
        mtu=tun.mtu(device),
        offlink_mtu=config.offlink_mtu,
        udp_zero_checksum=UdpZeroChecksum(config.udp_cksum_mode),
    )


def _log_lease(event: str, lease: Lease) -> None:
    log.info(
        f"lease {event}",  # noqa: G004 - three fixed events, each its own message
        extra={"host": str(IPv6Address(lease.host)), "address": str(IPv4Address(lease.address))},
    )


def _write_pidfile(path: Path) -> None:
    try:
        path.write_text(f"{os.getpid()}\n", encoding="ascii")
    except OSError as error:
        raise DeviceError(
            f"cannot write the pidfile {path}: {error.strerror}; give -p another path"
        ) from None
