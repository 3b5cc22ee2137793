"""Asks forwarders over HTTPS (RFC 8484), by httpx: HTTP/2 where they speak it, HTTP/1.1 else.

Loaded only where the config has such a forwarder: it costs some tenths of a second.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

import httpx

from nat64.config.dns64_config import DNS_OVER_HTTPS_PORT
from nat64.dns64.asker import OUR_SHORTAGES, ForwarderError
from nat64.dns64.failure_pace import FailurePace
from nat64.dns64.query_padding import padded
from nat64.dns64.tls import explain

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine

    from nat64.config.dns64_config import Forwarder
    from nat64.dns64.asker import Asker
    from nat64.dns64.exchange import Ask
    from nat64.dns64.tls import TlsContexts

CONNECT_SECONDS: Final = 4.0
REPLY_SECONDS: Final = 6.0
"""How long a question may take in all. It is not broken off before, even if nobody waits any more: with HTTP/2
others share its connection."""
IDLE_SECONDS: Final = 30.0
MOST_CONNECTIONS: Final = 8
"""Connections to one forwarder; with HTTP/2 one of them is enough."""
MOST_WAITING: Final = 500
"""Questions to one forwarder at a time."""
LONGEST_REPLY: Final = 65535
MEDIA_TYPE: Final = "application/dns-message"
_NO_ID: Final = b"\0\0"
"""RFC 8484 section 4.1: queries differ by what they ask alone."""
# httpx loads these when it first connects, which in a chroot would be too late.
_LOADED_LATE: Final = (
    "anyio._backends._asyncio",
    "httpcore._backends.anyio",
    "httpcore._async.http2",
    "encodings.idna",
)

log = logging.getLogger(__name__)
for _module in _LOADED_LATE:
    import_module(_module)


@dataclass(slots=True, eq=False)
class HttpsWaiting:
    """A question that is on its way over HTTPS."""

    ask: Ask
    asker: Asker
    is_given_up: bool = False

    def give_up(self) -> None:
        """Want no reply any more."""
        self.is_given_up = True


class HttpsForwarders:
    """The connections to all forwarders over HTTPS. Their replies and failures go to the askers."""

    def __init__(self, contexts: TlsContexts) -> None:
        self._contexts = contexts
        self._routes: dict[Forwarder, _Route] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, ask: Ask, asker: Asker) -> HttpsWaiting:
        """Put a question to its forwarder.

        Raises `ForwarderError` when that cannot be asked now, and `OSError` for a shortage of ours.
        """
        forwarder = ask.forwarder
        route = self._routes.get(forwarder)
        if route is None:
            route = self._routes[forwarder] = _Route(forwarder, self._contexts.of(forwarder))
        route.check()
        waiting = HttpsWaiting(ask, asker)
        self._start(route.put(waiting))
        return waiting

    def renew(self) -> None:
        """Make other connections from here on, by what was read anew."""
        routes, self._routes = self._routes, {}
        for route in routes.values():
            self._start(route.close_later())

    def close(self) -> None:
        """Close all connections; nobody hears of it."""
        for task in self._tasks:
            task.cancel()
        routes, self._routes = self._routes, {}
        for route in routes.values():
            self._start(route.transport.aclose())

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Route:
    """The connections to one forwarder."""

    def __init__(self, forwarder: Forwarder, context: ssl.SSLContext) -> None:
        self._forwarder = forwarder
        self._waiting = 0
        self._pace = FailurePace()
        self._context = context
        self._last_heard = -math.inf
        self.transport = self._connections()
        endpoint = forwarder.endpoint
        at = f"[{endpoint.address}]" if endpoint.address.version == 6 else str(endpoint.address)
        self._url = httpx.URL(f"https://{at}:{endpoint.port}{forwarder.https_path}")
        port = "" if endpoint.port == DNS_OVER_HTTPS_PORT else f":{endpoint.port}"
        self._headers = {
            "Host": f"{forwarder.tls_name or at}{port}",
            "Accept": MEDIA_TYPE,
            "Accept-Encoding": "identity",
            "Content-Type": MEDIA_TYPE,
        }
        self._extensions = {
            "sni_hostname": forwarder.tls_name,
            "timeout": httpx.Timeout(REPLY_SECONDS, connect=CONNECT_SECONDS).as_dict(),
        }

    def _connections(self) -> httpx.AsyncHTTPTransport:
        # Without httpx's client: that would keep cookies (RFC 8484 section 8.2) and follow redirections.
        return httpx.AsyncHTTPTransport(
            verify=self._context,
            trust_env=False,
            http2=True,
            limits=httpx.Limits(
                max_connections=MOST_CONNECTIONS,
                max_keepalive_connections=MOST_CONNECTIONS,
                keepalive_expiry=IDLE_SECONDS,
            ),
        )

    def check(self) -> None:
        """Raise `ForwarderError` or `OSError` when no further question can be put."""
        self._pace.check(asyncio.get_running_loop().time())
        if self._waiting >= MOST_WAITING:
            raise OSError(errno.ENOBUFS, f"more than {MOST_WAITING} questions under way")

    async def put(self, waiting: HttpsWaiting) -> None:
        """Put a question, and tell its asker what comes of it."""
        now = asyncio.get_running_loop().time
        ask, asker = waiting.ask, waiting.asker
        used, since = self.transport, now()
        silent = False
        self._waiting += 1
        try:
            reply = await self._in_time(ask)
        except ForwarderError as error:
            self._pace.failed(now(), str(error))
            silent = isinstance(error.__cause__, TimeoutError | httpx.TimeoutException)
            if not waiting.is_given_up:
                by_us = isinstance(error.__cause__, OSError) and error.__cause__.errno in OUR_SHORTAGES
                asker.ask_failed(ask, now(), by_us=by_us, why=str(error))
        else:
            self._pace.succeeded()
            self._last_heard = now()
            if not (waiting.is_given_up or asker.reply_received(ask, reply, now())):
                asker.ask_failed(ask, now())
        finally:
            self._waiting -= 1
        if silent and self._last_heard <= since and self.transport is used:
            # Nobody may be at their other end any more, and with HTTP/2 they would be used on and on.
            self.transport = self._connections()
            await _close_later(used)

    async def close_later(self) -> None:
        """Close all connections when what is under way has ended."""
        await _close_later(self.transport)

    async def _in_time(self, ask: Ask) -> bytes:
        """Return the reply. Raises `ForwarderError`, whose cause is an `OSError` where there was one."""
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                try:
                    return await self._exchange(ask)
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    # A server may close what it has kept, just when it is used again.
                    return await self._exchange(ask)
        except (httpx.TimeoutException, TimeoutError) as error:
            raise ForwarderError(explain(self._forwarder, TimeoutError())) from error
        except httpx.ConnectError as error:
            reason = _reason(error)
            raise ForwarderError(explain(self._forwarder, reason)) from reason
        except (httpx.HTTPError, OSError) as error:
            raise ForwarderError("it closed the connection; see what its log says") from error
        except ForwarderError:
            raise
        except Exception as error:
            log.exception("a question over HTTPS failed")
            raise ForwarderError(f"{error}; see the log") from error

    async def _exchange(self, ask: Ask) -> bytes:
        request = httpx.Request(
            "POST",
            self._url,
            headers=self._headers,
            content=_NO_ID + padded(ask.data)[len(_NO_ID) :],
            extensions=self._extensions,
        )
        response = await self.transport.handle_async_request(request)
        try:
            if response.status_code != httpx.codes.OK:
                raise ForwarderError(
                    f"it answers with HTTP status {response.status_code}; see that DNS over HTTPS is served "
                    f"at {self._forwarder.https_path}"
                )
            kind = response.headers.get("Content-Type", "nothing").partition(";")[0].strip().lower()
            if kind != MEDIA_TYPE:
                raise ForwarderError(
                    f"it answers with {kind}, not DNS; see that DNS over HTTPS is served "
                    f"at {self._forwarder.https_path}"
                )
            reply = bytearray()
            async for part in response.aiter_raw():
                reply += part
                if len(reply) > LONGEST_REPLY:
                    raise ForwarderError(
                        "it answers with more than a DNS message can have; see what serves there"
                    )
        finally:
            await response.aclose()
        if reply[: len(_NO_ID)] != _NO_ID:
            return bytes(reply)  # no reply to what was asked, as it will be seen
        return ask.data[: len(_NO_ID)] + bytes(reply[len(_NO_ID) :])


async def _close_later(transport: httpx.AsyncHTTPTransport) -> None:
    try:
        await asyncio.sleep(REPLY_SECONDS)
    finally:
        await transport.aclose()


def _reason(error: BaseException) -> Exception:
    """Return what an error of httpx comes from in the end, which says more than itself."""
    reason: BaseException | None = error
    while reason is not None and not isinstance(reason, OSError):
        reason = reason.__cause__ or reason.__context__
    while isinstance(reason, OSError) and isinstance(reason.__cause__, OSError):
        reason = reason.__cause__
    return reason if isinstance(reason, OSError) else Exception(str(error))
