"""Leases between gateways: `lease_feed` over TCP, in the requests and replies of the control protocol.

Each gateway listens, and follows each of its peers. Whoever is no peer, by its address, is hung up on; nobody is
authenticated beyond that, so the link between gateways is theirs alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from nat64.control import protocol
from nat64.control.lease_feed import COMMAND, LeaseFeed, read_told
from nat64.control.protocol import Access, Command, CommandFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nat64.addressing.lease import Lease
    from nat64.addressing.lease_agreement import ToldLease
    from nat64.config.dns64_config import Endpoint

log = logging.getLogger(__name__)

_IP_FREEBIND: Final = 15  # <linux/in.h>; for IPv6 sockets, too
_LONGEST_LINE: Final = 256 * 1024
_QUIET_SECONDS: Final = 5.0
"""After which a line without leases says that all is well."""
_PATIENCE_SECONDS: Final = 20.0
_PAUSE: Final = 0.01
"""Seconds between two lines: a million leases take twenty seconds, and packets go between them."""
_OFFERED: Final = {COMMAND: Command(Access.READ, lambda _: {})}
_FIRST_RETRY: Final = 1.0
_LAST_RETRY: Final = 30.0
_NOT_YET: Final = "not reached yet"


@dataclass(slots=True)
class Peer:
    """Another gateway that is followed: whether it answers, else why not, and how many leases it has told."""

    endpoint: Endpoint
    problem: str | None = _NOT_YET
    told: int = 0


class LeaseLink:
    """This gateway's end. `leases` yields all of its leases, `take` is given those that a peer tells; `clock` is theirs.

    What `take` does must be quick, for packets wait meanwhile.
    """

    def __init__(
        self,
        listen: Endpoint | None,
        peers: Sequence[Endpoint],
        leases: Callable[[], Iterable[Lease]],
        take: Callable[[Sequence[ToldLease]], None],
        clock: Callable[[], float],
    ) -> None:
        self.peers = [Peer(endpoint) for endpoint in peers]
        self._listen = listen
        self._leases = leases
        self._take = take
        self._clock = clock
        self._feeds: dict[LeaseFeed, asyncio.Event] = {}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen, and begin to follow the peers. Raises `OSError` when the place to listen is taken."""
        if self._listen is not None:
            family = socket.AF_INET6 if self._listen.address.version == 6 else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)  # the link may come up later
            try:
                listener.bind((str(self._listen.address), self._listen.port))
                self._server = await asyncio.start_server(self._accept, sock=listener, limit=_LONGEST_LINE)
            except OSError:
                listener.close()
                raise
        for peer in self.peers:
            self._tasks.add(asyncio.create_task(self._follow(peer)))

    def close(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()

    def observe(self, event: str, lease: Lease) -> None:
        """Tell the followers of a lease that was assigned; an observer of pools."""
        if event != "assigned":
            return
        for feed, there_is_more in self._feeds.items():
            feed.made(lease)
            there_is_more.set()

    # The side that tells

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or not self._is_peer(writer) or len(self._feeds) >= 2 * len(self.peers):
            writer.close()
            return
        self._tasks.add(task)
        try:
            await self._tell(reader, writer)
        except (TimeoutError, OSError, ValueError, asyncio.CancelledError):
            pass  # it went away, stalls, or asks for nothing that there is; it will come again
        finally:
            self._tasks.discard(task)
            writer.close()

    def _is_peer(self, writer: asyncio.StreamWriter) -> bool:
        address = ip_address(writer.get_extra_info("peername")[0].partition("%")[0])
        return any(peer.endpoint.address == address for peer in self.peers)

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            line = await reader.readline()
        try:
            protocol.choose(protocol.parse_request(line), _OFFERED, may_change=False)
        except CommandFailed as error:
            writer.write(protocol.render_error(error))
            return
        feed, there_is_more = LeaseFeed(self._leases), asyncio.Event()
        self._feeds[feed] = there_is_more
        try:
            while True:
                there_is_more.clear()
                rows = feed.next_rows(self._clock())
                writer.write(protocol.render_result({"rows": rows}, 0))
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await writer.drain()
                if rows:
                    await asyncio.sleep(_PAUSE)
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_QUIET_SECONDS):
                        await there_is_more.wait()
        finally:
            del self._feeds[feed]

    # The side that follows

    async def _follow(self, peer: Peer) -> None:
        retry = _FIRST_RETRY
        while True:
            try:
                await self._hear(peer)
            except (TimeoutError, OSError, CommandFailed) as error:
                retry = _FIRST_RETRY if peer.problem is None else min(2 * retry, _LAST_RETRY)
                if peer.problem in {None, _NOT_YET}:
                    log.warning(
                        "a peer tells no leases",
                        extra={"peer": str(peer.endpoint), "problem": str(error) or "silence"},
                    )
                peer.problem = str(error) or f"no answer in {_PATIENCE_SECONDS:.0f} s"
            await asyncio.sleep(retry)

    async def _hear(self, peer: Peer) -> None:
        """Take what a peer tells until it ends. Raises what can go wrong with a connection, or with what is said."""
        own = (str(self._listen.address), 0) if self._listen is not None else None
        async with asyncio.timeout(_PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(
                str(peer.endpoint.address), peer.endpoint.port, limit=_LONGEST_LINE, local_addr=own
            )
        try:
            writer.write(protocol.render_request(COMMAND, {}))
            while True:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    line = await reader.readuntil()
                told = read_told(line)
                self._take(told)
                if peer.problem is not None:
                    log.info("a peer tells its leases", extra={"peer": str(peer.endpoint)})
                    peer.problem = None
                peer.told += len(told)
        except asyncio.LimitOverrunError:
            raise CommandFailed(f"a line of more than {_LONGEST_LINE} octets") from None
        except asyncio.IncompleteReadError:
            raise CommandFailed("it hung up; it may not know this gateway as its lease-peer") from None
        finally:
            writer.close()
