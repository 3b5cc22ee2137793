"""Carries a resolution's questions to the forwarders and the replies back: the asyncio adapter.

Each ask over UDP or TCP has a socket of its own, connected to its forwarder: its source port is the kernel's
random choice, datagrams from elsewhere never reach it, and a closed port tells itself at once. Forwarders with a
`tls_name` are asked over TLS only.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from functools import partial
from typing import TYPE_CHECKING, Final

from nat64.dns64.tls import OUR_SHORTAGES, TlsError, TlsForwarders
from nat64.dns64.views import forwarders_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nat64.config.dns64_config import Dns64Config
    from nat64.dns64.exchange import Ask
    from nat64.dns64.flight import Flight

_LONGEST_DATAGRAM: Final = 65535
_MOST_FORGERIES: Final = 100
"""Datagrams that do not fit before an ask is given up for lost."""


class Upstream:
    """The way to the forwarders."""

    def __init__(self) -> None:
        self._tls = TlsForwarders()
        self._tasks: set[asyncio.Task[None]] = set()

    def prepare(self, config: Dns64Config) -> None:
        """Read what the forwarders of `config` need, while all files can be reached."""
        if any(forwarder.is_encrypted for forwarder in forwarders_of(config)):
            self._tls.prepare()

    def close(self) -> None:
        """Close the connections that were kept."""
        self._tls.close()

    def begin(self, pursuit: Flight) -> None:
        """Pursue what clients ask until it is done."""
        task = asyncio.get_running_loop().create_task(self.pursue(pursuit))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def pursue(self, resolution: Flight) -> None:
        """Lead a started resolution to its answer."""
        loop = asyncio.get_running_loop()
        news = asyncio.Event()
        channels: list[_UdpChannel | _StreamChannel] = []
        try:
            while not resolution.done:
                channels.extend(
                    self._open_channel(ask, resolution, news) for ask in resolution.asks_to_send()
                )
                if resolution.done:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(resolution.timer):
                        await news.wait()
                news.clear()
                resolution.handle_timer(loop.time())
        finally:
            for channel in channels:
                channel.close()

    def _open_channel(
        self, ask: Ask, resolution: Flight, news: asyncio.Event
    ) -> _UdpChannel | _StreamChannel:
        if ask.forwarder.is_encrypted:
            return _StreamChannel(ask, resolution, news, partial(self._tls.ask, ask.forwarder, ask.data))
        if ask.tcp:
            return _StreamChannel(ask, resolution, news, partial(_ask_by_tcp, ask))
        return _UdpChannel(ask, resolution, news)


class _UdpChannel:
    """One question over UDP."""

    def __init__(self, ask: Ask, resolution: Flight, news: asyncio.Event) -> None:
        self._ask = ask
        self._resolution = resolution
        self._news = news
        self._loop = asyncio.get_running_loop()
        self._forgeries = 0
        self._socket: socket.socket | None = None
        try:
            self._open()
        except OSError as error:
            self._fail(by_us=error.errno in OUR_SHORTAGES)

    def _open(self) -> None:
        endpoint = self._ask.forwarder.endpoint
        family = socket.AF_INET6 if endpoint.address.version == 6 else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect((str(endpoint.address), endpoint.port))
        # By number: asyncio would write out the socket's description with each call otherwise.
        self._loop.add_reader(self._socket.fileno(), self._readable, self._socket)
        self._socket.send(self._ask.data)

    def _readable(self, source: socket.socket) -> None:
        try:
            data = source.recv(_LONGEST_DATAGRAM)
        except BlockingIOError:
            return
        except OSError:
            self._fail()
            return
        if self._resolution.reply_received(self._ask, data, self._loop.time()):
            self._news.set()
            return
        self._forgeries += 1
        if self._forgeries >= _MOST_FORGERIES:
            self._fail()

    def _fail(self, *, by_us: bool = False) -> None:
        self.close()
        self._resolution.ask_failed(self._ask, self._loop.time(), by_us=by_us)
        self._news.set()

    def close(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None


class _StreamChannel:
    """One question that `conversation` puts over a stream."""

    def __init__(
        self,
        ask: Ask,
        resolution: Flight,
        news: asyncio.Event,
        conversation: Callable[[], Awaitable[bytes]],
    ) -> None:
        self._ask = ask
        self._resolution = resolution
        self._news = news
        self._task = asyncio.get_running_loop().create_task(self._run(conversation))

    async def _run(self, conversation: Callable[[], Awaitable[bytes]]) -> None:
        now = asyncio.get_running_loop().time
        try:
            data = await conversation()
        except TlsError as error:
            self._resolution.ask_failed(self._ask, now(), why=str(error))
        except (OSError, EOFError) as error:
            by_us = isinstance(error, OSError) and error.errno in OUR_SHORTAGES
            self._resolution.ask_failed(self._ask, now(), by_us=by_us)
        else:
            if not self._resolution.reply_received(self._ask, data, now()):
                self._resolution.ask_failed(self._ask, now())
        self._news.set()

    def close(self) -> None:
        self._task.cancel()


async def _ask_by_tcp(ask: Ask) -> bytes:
    """Put a question over a TCP connection of its own (RFC 7766). Raises `OSError` and `EOFError`."""
    endpoint = ask.forwarder.endpoint
    reader, writer = await asyncio.open_connection(str(endpoint.address), endpoint.port)
    try:
        data = ask.data
        writer.write(len(data).to_bytes(2, "big") + data)
        size = int.from_bytes(await reader.readexactly(2), "big")
        return await reader.readexactly(size)
    finally:
        writer.close()
