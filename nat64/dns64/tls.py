"""DNS over TLS to forwarders (RFC 7858): connections that are kept for further questions.

A forwarder is believed by its name in a certificate of an authority that this host trusts: OpenSSL's default
ones, or those of the files that SSL_CERT_FILE and SSL_CERT_DIR name.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nat64.config.dns64_config import Forwarder

CONNECT_SECONDS: Final = 4.0
IDLE_SECONDS: Final = 10.0
"""How long a connection without questions stays open."""
STALLED_SECONDS: Final = 1.0
"""A connection that brought nothing for so long, with a question on it, gets no more of them."""
MOST_WAITING: Final = 500
"""Questions on one connection at a time; another one is opened beyond."""
OUR_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of a socket that are not the other side's fault."""
_CLOSE_SECONDS: Final = 1.0


class TlsError(Exception):
    """A forwarder cannot be asked over TLS; the text is ``why; remedy``."""


def trusting_context() -> ssl.SSLContext:
    """Return what checks certificates. Raises `TlsError` when this host has no authorities to check them by."""
    paths = ssl.get_default_verify_paths()
    named = os.environ.get(paths.openssl_cafile_env)
    if named is not None and not Path(named).is_file():
        raise TlsError(f"{paths.openssl_cafile_env} names {named}, which is no file; mend that")
    if paths.cafile is None and paths.capath is None:
        raise TlsError(
            "this host has no certificates of authorities; install ca-certificates, "
            f"or name a file with {paths.openssl_cafile_env}"
        )
    context = ssl.create_default_context()
    context.set_alpn_protocols(["dot"])
    return context


class TlsForwarders:
    """The connections to the forwarders that are asked over TLS."""

    def __init__(self) -> None:
        self._context: ssl.SSLContext | None = None
        self._connections: dict[Forwarder, list[_Connection]] = {}

    def prepare(self) -> None:
        """Read the certificates of the authorities, while they can be reached. What fails is tried again later."""
        with contextlib.suppress(TlsError, OSError):
            self._trust()

    async def ask(self, forwarder: Forwarder, data: bytes) -> bytes:
        """Put a message to a forwarder; return the message with the same ID that comes back.

        Raises `TlsError` and, for a shortage of ours, `OSError`. There is no time limit: cancel it.
        """
        connection = self._connection(forwarder, data[:2])
        try:
            return await connection.ask(data)
        except TlsError:
            if not connection.was_open:
                raise
        # RFC 7766 section 6.2.4: a server may close what it has kept for long, or after another's answer, just then.
        return await self._connection(forwarder, data[:2]).ask(data)

    def close(self) -> None:
        """Close all connections at once."""
        for connections in self._connections.values():
            for connection in connections:
                connection.close()
        self._connections.clear()

    def _trust(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = trusting_context()
        return self._context

    def _connection(self, forwarder: Forwarder, ident: bytes) -> _Connection:
        """Return one that a message with that ID can go by."""
        for known, connections in list(self._connections.items()):
            connections[:] = [each for each in connections if not each.is_closed]
            if not connections:
                del self._connections[known]
        for kept in self._connections.get(forwarder, ()):
            if kept.takes(ident):
                return kept
        fresh = _Connection(forwarder, self._trust())
        self._connections.setdefault(forwarder, []).append(fresh)
        return fresh


class _Connection:
    """One connection, and the questions on it."""

    def __init__(self, forwarder: Forwarder, context: ssl.SSLContext) -> None:
        self._forwarder = forwarder
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._writer: asyncio.StreamWriter | None = None
        # Also the given-up ones, so that no late reply is taken for another question's (RFC 7766 section 6.2.1).
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._last_used = self._last_heard = self._loop.time()
        self._stalled = False
        self._opened = self._loop.create_future()
        self._task = self._loop.create_task(self._run())

    @property
    def is_closed(self) -> bool:
        """Whether it is of no use any more."""
        return self._task.done()

    @property
    def was_open(self) -> bool:
        """Whether the other side has shown who it is, be it closed since."""
        return self._writer is not None

    def takes(self, ident: bytes) -> bool:
        """Tell whether a message with that ID can go this way."""
        free = ident not in self._waiting and len(self._waiting) < MOST_WAITING
        return free and not (self._stalled or self.is_closed)

    async def ask(self, data: bytes) -> bytes:
        """Put a message; return the reply with its ID. Raises `TlsError` and, for our shortage, `OSError`."""
        ident = data[:2]
        reply: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting[ident] = reply
        since = self._last_used = self._loop.time()
        written = False
        try:
            await asyncio.wait((self._opened, reply), return_when=asyncio.FIRST_COMPLETED)
            if self._writer is not None and not reply.done():
                self._writer.write(len(data).to_bytes(2, "big") + data)
                written = True
            return await reply
        except asyncio.CancelledError:
            reply.cancel()
            if not written:
                del self._waiting[ident]
            if self._last_heard <= since and self._loop.time() - since >= STALLED_SECONDS:
                self._stalled = True
            raise

    def close(self) -> None:
        """Close at once."""
        self._task.cancel()

    async def _run(self) -> None:
        reason: Exception = TlsError("it closed the connection; see what its log says")
        try:
            reader, self._writer = await self._open()
            self._opened.set_result(None)
            await self._receive(reader)
        except OSError as error:
            reason = error if error.errno in OUR_SHORTAGES else TlsError(self._explain(error))
        except EOFError:
            pass
        finally:
            if self._writer is not None:
                self._writer.close()
            for reply in self._waiting.values():
                if not reply.done():
                    reply.set_exception(reason)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        endpoint = self._forwarder.endpoint
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(
                str(endpoint.address),
                endpoint.port,
                ssl=self._context,
                server_hostname=self._forwarder.tls_name,
                ssl_handshake_timeout=CONNECT_SECONDS,
                ssl_shutdown_timeout=_CLOSE_SECONDS,
            )

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        """Take replies until the other side closes, or the connection was idle."""
        while True:
            try:
                async with asyncio.timeout_at(max(self._last_used, self._last_heard) + IDLE_SECONDS):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    data = await reader.readexactly(size)
            except TimeoutError:
                if max(self._last_used, self._last_heard) + IDLE_SECONDS <= self._loop.time():
                    return
                continue
            self._last_heard = self._loop.time()
            reply = self._waiting.pop(data[:2], None)
            if reply is not None and not reply.done():
                reply.set_result(data)

    def _explain(self, error: OSError) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"its certificate does not do for the name {self._forwarder.tls_name}: {error.verify_message.rstrip('.')}; "
                "mend the name, or have its authority among those that this host trusts"
            )
        if isinstance(error, ssl.SSLError):
            return f"no TLS with it: {error.reason}; see that DNS over TLS is served there"
        if isinstance(error, TimeoutError):
            return "no TLS with it in time; see that DNS over TLS is served there"
        return f"{error.strerror or error}; see that DNS over TLS is served there"
