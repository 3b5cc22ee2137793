"""Serves clients over TLS (RFC 7858): the connections of `TcpListeners`, with TLS between.

TLS is done in memory: asyncio's own would hold what we cannot bound, and close on a client that only closed its own
direction.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

from nat64.dns64.tcp_connection import READ_SIZE, TcpConnection
from nat64.dns64.tcp_listeners import Accepting, TcpListeners
from nat64.dns64.transport import Transport

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from nat64.dns64.tcp_connection import Shared


class CertificateError(Exception):
    """Clients cannot be served over TLS by these files; the text is ``why; remedy``."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what serves by the certificate chain and the key in two PEM files. Raises `CertificateError`."""
    for path in (certificate, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise CertificateError(
                f"cannot read {path}: {error.strerror}; name a PEM file that the daemon's user may read"
            ) from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client could have a connection renegotiated again and again (RFC 7525 section 3.5).
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["dot"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise CertificateError(_explain(certificate, key, error)) from error
    except (ValueError, OSError) as error:
        raise CertificateError(f"cannot use {certificate} with {key}: {error}; mend the files") from error
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking at the terminal."""
    raise ValueError("the key wants a password")


def _explain(certificate: Path, key: Path, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{key} is not the key of the certificate in {certificate}; name those that belong together"
    return f"no certificate in {certificate} with its key in {key}: {error.reason or 'not PEM'}; write both as PEM"


class TlsListeners:
    """Serves clients over TLS; the connections count among those of `tcp`, and go with them."""

    def __init__(self, tcp: TcpListeners) -> None:
        self._tcp = tcp

    def serve(self, listening: socket.socket, context: ssl.SSLContext) -> TlsAccepting:
        """Accept on a non-blocking listening socket until what is returned is closed."""
        return TlsAccepting(listening, self._tcp, context)


class TlsAccepting(Accepting):
    """A listening socket that is accepted on, for TLS."""

    def __init__(self, listening: socket.socket, listeners: TcpListeners, context: ssl.SSLContext) -> None:
        self.context = context
        """May be changed, at a reload; it holds for connections to come."""
        super().__init__(listening, listeners, self._connection)

    def _connection(self, shared: Shared, host: str) -> TcpConnection:
        return TlsConnection(shared, host, self.context)


class TlsConnection(TcpConnection):
    """One client's connection over TLS."""

    kind = Transport.TLS

    def __init__(self, shared: Shared, host: str, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._established = False
        self._at_end = False
        """Whether the network brings nothing more. TLS is not told: it would take that for an attack, and send nothing."""
        super().__init__(shared, host)

    def eof_received(self) -> bool:
        """Answer what has come; nothing more does."""
        self._at_end = True
        self._serve()
        return True

    def _is_shaken(self) -> bool:
        return False

    def _received(self, data: bytes) -> None:
        self._incoming.write(data)

    def _holds_enough(self) -> bool:
        return self._incoming.pending >= READ_SIZE

    def _read_more(self) -> bool:
        if not (self._established or self._shake_hands()):
            return False
        if not self._state.may_read:
            return False
        try:
            data = self._tls.read(READ_SIZE)
        except ssl.SSLWantReadError:
            self._pass_on()  # an answer of TLS itself, as to a new key
            if self._at_end:
                self._state.end()
            return False
        except ssl.SSLError:
            data = b""
        if not data:
            self._state.end()
            return False
        self._state.received(data, self._loop.time())
        return True

    def _shake_hands(self) -> bool:
        """Go on with the handshake; tell whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._pass_on()
            if self._at_end:
                self._state.end()
            return False
        except ssl.SSLError:
            self._pass_on()  # the alert that says why
            self._shared.service.statistics.counters["tls_handshakes_failed"] += 1
            self.close()
            return False
        self._pass_on()
        self._established = True
        self._state.shaken(self._loop.time())
        return True

    def _send(self, data: bytes) -> None:
        try:
            self._tls.write(data)
        except ssl.SSLError:
            self.abort()
            return
        self._pass_on()

    def _say_goodbye(self) -> None:
        if self._established:
            # It wants to read the client's goodbye; that it need not wait for is RFC 8446 section 6.1.
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            if self._transport is not None:
                self._transport.write(self._outgoing.read())

    def _pass_on(self) -> None:
        self._write(self._outgoing.read())
