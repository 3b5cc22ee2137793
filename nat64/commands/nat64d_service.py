"""nat64d as it runs: config, device, translator, leases, signals and control socket wired together."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401 - asyncio loads it when first used, which after a chroot is too late
import contextlib
import gc
import logging
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nat64 import __version__
from nat64.addressing.lease_agreement import Agreement, agree
from nat64.commands import nat64d_addresses, nat64d_answers
from nat64.commands.nat64d_config import read_config, unreadable
from nat64.commands.nat64d_fast_path import OwnFastPath
from nat64.config import nat_config
from nat64.config.grammar import ConfigError
from nat64.control.lease_link import LeaseLink
from nat64.control.protocol import CommandFailed
from nat64.control.server import serve
from nat64.device import interface, tun
from nat64.device.errors import DeviceError
from nat64.device.forwarding import Forwarding
from nat64.device.lease_file import LeaseFile
from nat64.device.packet_log import PacketLog
from nat64.device.state_file import StateDirectory
from nat64.device.workers import Workers
from nat64.process import event_log, privileges, readiness
from nat64.process.detach import Detached, detach
from nat64.process.errors import ProcessError
from nat64.process.forked import expect_children
from nat64.process.pidfile import pidfile
from nat64.siit.settings import Settings, UdpZeroChecksum
from nat64.siit.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nat64.addressing.eamt import Eamt
    from nat64.addressing.lease import Lease
    from nat64.addressing.lease_agreement import ToldLease
    from nat64.addressing.pool import DynamicPool
    from nat64.config.nat_config import NatConfig
    from nat64.control.server import ControlServer

log = logging.getLogger(__name__)

_MAINTENANCE_EVERY: Final = 1.0  # seconds
_RARELY: Final = 1_000_000


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
    """Run the daemon until it is told to end; return its exit status. Raises `ProcessError` while it starts."""
    if invocation.chroot and config.data_dir is None:
        raise ProcessError("--chroot needs a directory; set data-dir in the config")
    expect_children()
    event_log.start(logging.DEBUG if invocation.debug else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.INFO)  # its debug messages would drown ours
    for warning in config.warnings:
        log.warning(str(warning))
    directory = StateDirectory(config.data_dir) if config.data_dir is not None else None
    queues = tun.open_tun(config.tun_device, offloads=config.offload, queues=config.workers)
    if len(queues) < config.workers:
        log.warning(
            "%s was made for one worker, which serves it; to have more, remove it and make it anew (--rmtun, --mktun)",
            config.tun_device,
        )
    if config.offload and not queues[0].offloads:
        log.warning("this kernel has no offloads for TUN devices; every packet is handled by itself")
    interface.send_no_redirects(config.tun_device)
    if config.tun_up or config.tun_ips or config.tun_routes:
        configure_interface(config)
    detached = None if invocation.foreground else detach()
    with pidfile(invocation.pidfile):
        daemon = Nat64d(config, invocation, queues, directory, detached)
        asyncio.run(daemon.run())
    return 0


class Nat64d:
    """The running translator. `started` is in Unix seconds; `config` is the one in use.

    `offloads` says that packets come from the device with what is left to do.
    """

    def __init__(
        self,
        config: NatConfig,
        invocation: Invocation,
        queues: Sequence[tun.OpenTun],
        directory: StateDirectory | None,
        detached: Detached | None,
    ) -> None:
        self.config = config
        self.invocation = invocation
        self.device = config.tun_device
        (self._descriptor, self.offloads), *self._more_queues = queues
        self._detached = detached
        self.started = time.time()
        self._ending = asyncio.Event()
        self._failure: DeviceError | None = None
        self._control: ControlServer | None = None
        self._saving: asyncio.Task[None] | None = None
        self._reloading = asyncio.Lock()
        self._signalled: asyncio.Task[None] | None = None  # held, for the event loop does not
        self._leases = LeaseFile(directory) if directory is not None else None
        self._packet_log = PacketLog(config.log, time.monotonic)
        self.fast_path = OwnFastPath(config, invocation.identity)
        kept = self.fast_path.kept_leases()
        address_map = nat64d_addresses.at_start(config, self._leases, kept, time.monotonic())
        settings = _settings(config, self.device)
        self.translator = Translator(settings, address_map, self._packet_log.observe)
        self.fast_path.begin(config, settings, address_map)
        self.forwarding = Forwarding(queues[0], self.translator, time.monotonic)
        self.workers = Workers(self.forwarding, self.translator, self._serve_queue)
        self.lease_link = LeaseLink(
            config.lease_listen, config.lease_peers, self._all_leases, self._take_leases, time.monotonic
        )
        self._announce_leases()

    async def run(self) -> None:
        """Serve until a signal says to end. Raises `DeviceError` when the device goes away."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._ending.set)
        loop.add_signal_handler(signal.SIGINT, self._ending.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        async with self._reloading:  # a SIGHUP waits until everything stands
            await self._open_control()
            await self._open_lease_link()
            self._confine()
            _spare_packets_the_collector()
            if self._detached is not None:
                self._detached.let_go()
            self.workers.start(self._more_queues, loop)
            self._serve_queue(self._descriptor)
            maintenance = asyncio.create_task(self._maintain())
            log.info("translating", extra={"device": self.device, "version": __version__})
            readiness.ready()
        if self._detached is not None:
            self._detached.ready()
        await self._ending.wait()
        readiness.stopping()
        loop.remove_reader(self._descriptor)
        self.workers.end(loop)
        maintenance.cancel()
        self.lease_link.close()
        if self._saving is not None:
            await self._saving
        self._save_now()
        self.fast_path.leave(is_persistent=tun.is_persistent(self._descriptor))
        if self._control is not None:
            with contextlib.suppress(OSError):  # the user we became may not remove the socket
                self._control.close()
        tun.give_back_offloads(self._descriptor)
        os.close(self._descriptor)
        log.info("ended")
        if self._failure is not None:
            raise self._failure

    def _confine(self) -> None:
        """Give up what is not needed to translate and to reload. Raises `ProcessError`."""
        if self.invocation.chroot and self.config.data_dir is not None:
            os.chroot(self.config.data_dir)
            os.chdir("/")
        for_kernel = () if self.config.fast_path == "off" else (privileges.Capability.BPF,)
        privileges.become(self.invocation.identity, keep_if_there=for_kernel)

    def _serve_queue(self, descriptor: int) -> None:
        asyncio.get_running_loop().add_reader(descriptor, self._forward, descriptor)

    def _forward(self, descriptor: int) -> None:
        try:
            self.forwarding.forward_burst(descriptor)
        except DeviceError as error:
            self._failure = error
            self._ending.set()

    # Leases

    async def _maintain(self) -> None:
        """Once a second: let the fast path go on, follow the device's MTU, forget old leases, save what changed."""
        while True:
            await asyncio.sleep(_MAINTENANCE_EVERY)
            self.fast_path.beat()
            self._follow_mtu()
            pools = self.translator.address_map.pools
            now = time.monotonic()
            if not pools:
                continue
            for pool in pools:
                pool.forget(now)
            if self._leases is not None and self._saving is None and self._leases.is_due(pools, now):
                self._saving = asyncio.create_task(self._save(self._leases, pools))

    async def _save(self, leases: LeaseFile, pools: tuple[DynamicPool, ...]) -> None:
        """Save the leases in a thread, so that packets do not wait for the disk."""
        now = time.monotonic()
        held = leases.begin(pools, now)
        try:
            await asyncio.to_thread(leases.save, held, self.config.prefix, now)
        finally:
            self._saving = None

    def _save_now(self) -> None:
        pools = self.translator.address_map.pools
        if self._leases is not None and pools:
            now = time.monotonic()
            self._leases.save(self._leases.begin(pools, now), self.config.prefix, now)

    def _all_leases(self) -> Iterator[Lease]:
        for pool in self.translator.address_map.pools:
            yield from pool

    def _announce_leases(self) -> None:
        if self.config.lease_listen is not None:
            for pool in self.translator.address_map.pools:
                pool.observers.append(self.lease_link.observe)

    def _take_leases(self, told: Sequence[ToldLease]) -> None:
        """Come to the same leases as the gateway that tells of some."""
        pools = {of.prefix: of.pool for of in self.translator.address_map.prefixes}
        now = time.monotonic()
        if Agreement.REPLACED in [agree(pools, lease, now) for lease in told]:
            self.workers.reset()  # they may know pairs with an address that another host has now

    def _follow_mtu(self) -> None:
        with contextlib.suppress(DeviceError):  # the reader tells when the device is gone
            settings = _settings(self.config, self.device)
            if settings != self.translator.settings:
                address_map = self.translator.address_map
                self.translator.reconfigure(settings, address_map, self._packet_log.observe)
                self.workers.reset()
                self.fast_path.follow(self.config, settings, address_map)
                log.info("the device's MTU changed", extra={"mtu": settings.mtu})

    # Config

    def _reload_on_signal(self) -> None:
        self._signalled = asyncio.create_task(self._reload_and_log())

    async def _reload_and_log(self) -> None:
        try:
            await self.reload()
        except CommandFailed as failed:
            log.error("the config was not reloaded, the old one stays", extra={"problem": str(failed)})  # noqa: TRY400 - the reason is in the line, a traceback adds nothing

    async def reload(self) -> list[str]:
        """Take the config on disk, and return its warnings. Raises `CommandFailed`, and then the old one stays."""
        async with self._reloading:
            readiness.reloading()
            try:
                # In a thread, because packets do not wait for some thousands of maps.
                config = await asyncio.to_thread(read_config, self.invocation.config_path)
                eamts = await asyncio.to_thread(nat64d_addresses.eamts, config)
                settings = _settings(config, self.device)
                if config.tun_device == self.device:
                    # In a thread, because pyroute2 runs an event loop of its own.
                    await asyncio.to_thread(configure_interface, config)
                return self._take(config, settings, eamts)
            except (ConfigError, DeviceError) as error:
                raise CommandFailed(str(error)) from None
            except OSError as error:
                raise CommandFailed(unreadable(self.invocation.config_path, error)) from None
            finally:
                readiness.ready()

    def _take(self, config: NatConfig, settings: Settings, eamts: list[Eamt]) -> list[str]:
        """Translate by another config from the next packet on, and return its warnings."""
        warnings = [*map(str, config.warnings), *self._needs_restart(config)]
        address_map = nat64d_addresses.after_reload(
            self.translator.address_map, self.config, config, eamts, self._leases, time.monotonic()
        )
        self._packet_log = PacketLog(config.log, time.monotonic)
        self.translator.reconfigure(settings, address_map, self._packet_log.observe)
        self.workers.reset()
        self.fast_path.follow(config, settings, address_map)
        self.config = config
        self._announce_leases()
        for warning in warnings:
            log.warning(warning)
        log.info("config reloaded", extra={"config": str(self.invocation.config_path)})
        return warnings

    def _needs_restart(self, config: NatConfig) -> list[str]:
        old = self.config
        changed = {
            "tun-device": config.tun_device != self.device,
            "workers": config.workers != old.workers,
            "offload": config.offload != old.offload,
            "data-dir": config.data_dir != old.data_dir,
            "control-socket": config.control_socket != old.control_socket,
            "lease-listen": config.lease_listen != old.lease_listen,
            "lease-peer": config.lease_peers != old.lease_peers,
            "bpffs": config.bpffs != old.bpffs,
        }
        return [
            f"{keyword} changed; restart nat64d to use it" for keyword, it_did in changed.items() if it_did
        ]

    # Control

    async def _open_control(self) -> None:
        path = self.config.control_socket
        if path is None:
            return
        try:
            self._control = await serve(path, nat64d_answers.commands(self))
        except OSError as error:
            problem = f"cannot make the control socket {path}: {error.strerror or error}"
            remedy = "create its directory, or set control-socket"
            if path != nat_config.DEFAULT_CONTROL_SOCKET:
                raise ProcessError(f"{problem}; {remedy}") from None
            log.warning("%s; %s", problem, remedy)

    async def _open_lease_link(self) -> None:
        try:
            await self.lease_link.start()
        except OSError as error:
            raise ProcessError(
                f"cannot listen for other gateways on {self.config.lease_listen}: {error.strerror or error};"
                " give lease-listen an address and a port that are free here"
            ) from None


def _spare_packets_the_collector() -> None:
    """Make full garbage collections rare: among 300,000 leases one holds up the packets for half a second.

    Packets, pairs and leases form no cycles, so what is left to collect is young: an answer on the control socket, a
    config that was replaced.
    """
    gc.collect()
    gc.freeze()
    often, less_often, _ = gc.get_threshold()
    gc.set_threshold(often, less_often, _RARELY)


def _settings(config: NatConfig, device: str) -> Settings:
    """Return the translator's settings; the MTU is that of `device`. Raises `DeviceError`."""
    return Settings(
        ipv4_addr=config.ipv4_addr.packed,
        ipv6_addr=config.ipv6_addr.packed,
        mtu=tun.mtu(device),
        offlink_mtu=config.offlink_mtu,
        tos_to_ipv4=config.tos.to_ipv4,
        tos_to_ipv6=config.tos.to_ipv6,
        udp_zero_checksum=UdpZeroChecksum(config.udp_cksum_mode),
        error_rate=config.icmp_rate.per_second,
        error_burst=config.icmp_rate.burst,
        rfc6791_pool=config.rfc6791_pool,
        rfc5837=config.rfc5837,
    )
