"""The running DNS64 server: its sockets, their config, and what a reload changes of both."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING, Final

from nat64.config.dns64_config import ClientLimits
from nat64.dns64.service import Service
from nat64.dns64.sockets import BindError, Binding, Families, ListeningPair, bindings, open_pair
from nat64.dns64.tcp_listeners import Accepting, Tasks, TcpListeners
from nat64.dns64.udp_listener import UdpListener
from nat64.dns64.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from nat64.config.dns64_config import Dns64Config, Interfaces, IPNetwork

log = logging.getLogger(__name__)

INTERFACES_SECONDS: Final = 5.0
"""How often the interfaces are looked at anew, so that what comes late, or again, is served too."""


def open_all(wanted: Iterable[Binding]) -> dict[Binding, ListeningPair]:
    """Open the sockets of all bindings. Raises `BindError`, and then leaves nothing open."""
    opened: dict[Binding, ListeningPair] = {}
    try:
        for binding in wanted:
            opened[binding] = open_pair(binding)
    except BindError:
        for pair in opened.values():
            pair.close()
        raise
    return opened


class Server:
    """Serves DNS64 on an asyncio loop until `close`."""

    def __init__(
        self,
        families: Families,
        networks_of: Callable[[Interfaces], Awaitable[Sequence[IPNetwork]]],
    ) -> None:
        self.service = Service(random_id=lambda: secrets.randbelow(1 << 16))
        self.started = time.time()
        self._families = families
        self._networks_of = networks_of
        self._upstream = Upstream()
        self._tasks = Tasks()
        self._tcp = TcpListeners(self.service, self._begin, ClientLimits())
        self._open: dict[Binding, tuple[UdpListener, Accepting]] = {}
        self._changing_sockets = asyncio.Lock()

    async def start(self, config: Dns64Config, opened: Mapping[Binding, ListeningPair]) -> None:
        """Serve on sockets that are open already, perhaps from before privileges were dropped."""
        networks = await self._networks(config)
        self.service.configure(config)
        self._tcp.configure(config.limits)
        self._upstream.prepare(config)
        self._allow(networks)
        await self._serve(opened)
        self._tasks.start(self._follow_interfaces())

    async def reload(self, config: Dns64Config) -> None:
        """Serve by another config. Sockets that both configs name stay open.

        Raises `BindError` when another one cannot be opened, and what `networks_of` raises; then everything
        stays as it was.
        """
        wanted = bindings(config, self._families)
        networks = await self._networks(config)
        async with self._changing_sockets:
            missing = [binding for binding in wanted if binding not in self._open]
            opened = await self._open_beside(missing, wanted)
            self.service.configure(config)
            self._tcp.configure(config.limits)
            self._allow(networks)
            await self._serve(opened)
            for binding in set(self._open) - set(wanted):
                self._close(binding)

    async def _open_beside(
        self, missing: Sequence[Binding], wanted: Sequence[Binding]
    ) -> dict[Binding, ListeningPair]:
        """Open what is missing; where a socket that is no longer wanted is in its way, close that first."""
        try:
            return open_all(missing)
        except BindError as error:
            leaving = [binding for binding in self._open if binding not in wanted]
            if not (error.taken and leaving):
                raise
        for binding in leaving:
            self._close(binding)
        try:
            return open_all(missing)
        except BindError:
            await self._serve(open_all(leaving))
            raise

    def close(self) -> None:
        """Stop at once; clients ask again."""
        self._tasks.cancel()
        self._upstream.close()
        for binding in list(self._open):
            self._close(binding)
        self._tcp.close()

    def _begin(self) -> None:
        """Pursue what clients have asked."""
        for flight in self.service.flights_to_begin():
            self._upstream.begin(flight)

    @property
    def listening(self) -> list[str]:
        """Where the server listens, as text."""
        return [str(binding) for binding in self._open]

    async def _serve(self, pairs: Mapping[Binding, ListeningPair]) -> None:
        for binding, pair in pairs.items():
            udp = UdpListener(pair.udp, self.service, self._begin, asked_for=binding.address.is_unspecified)
            self._open[binding] = (udp, self._tcp.serve(pair.tcp))
            log.info("listening", extra={"at": str(binding)})

    def _close(self, binding: Binding) -> None:
        udp, tcp = self._open.pop(binding)
        udp.close()
        tcp.close()
        log.info("no longer listening", extra={"at": str(binding)})

    async def _networks(self, config: Dns64Config) -> Sequence[IPNetwork]:
        """Return the networks to answer: those of `allow-query`, and those connected to `interfaces`."""
        connected = await self._networks_of(config.interfaces) if config.interfaces is not None else ()
        return (*config.allow_query, *connected)

    async def _follow_interfaces(self) -> None:
        while True:
            await asyncio.sleep(INTERFACES_SECONDS)
            try:
                await self._reopen_stranded()
                await self._follow_networks()
            except Exception:
                log.exception("the interfaces cannot be followed, everything stays as it was")

    async def _reopen_stranded(self) -> None:
        """Open the sockets of an interface anew that was removed and has come back."""
        async with self._changing_sockets:
            for binding in [binding for binding, (udp, _) in self._open.items() if udp.is_stranded]:
                try:
                    pair = open_pair(binding)
                except BindError as error:
                    log.debug("not yet listening again", extra={"why": str(error)})
                    continue
                self._close(binding)
                await self._serve({binding: pair})

    async def _follow_networks(self) -> None:
        config = self.service.config
        networks = await self._networks(config)
        if config is self.service.config:
            self._allow(networks)

    def _allow(self, networks: Sequence[IPNetwork]) -> None:
        before = self.service.allowed
        self.service.allow(networks)
        if self.service.allowed != before:
            log.info("answering", extra={"networks": " ".join(map(str, self.service.allowed))})
