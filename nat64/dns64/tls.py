"""How forwarders that are asked over TLS (RFC 7858) or HTTPS (RFC 8484) show who they are.

By their name in a certificate of an authority that this host trusts: OpenSSL's default ones, or those of the files
that SSL_CERT_FILE and SSL_CERT_DIR name. By their public key, if it is pinned. By both, if the config has both.
"""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nat64.dns64.asker import ForwarderError
from nat64.dns64.public_key import pin_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from nat64.config.dns64_config import Forwarder

_OVER_TLS: Final = ("dot",)
_OVER_HTTPS: Final = ("h2", "http/1.1")


class WrongKeyError(ssl.SSLError):
    """The other side has another public key than those that are pinned."""


class TlsContexts:
    """What checks the certificates of forwarders."""

    def __init__(self) -> None:
        self._contexts: dict[Forwarder, ssl.SSLContext] = {}

    def prepare(self, forwarders: Collection[Forwarder]) -> None:
        """Read the certificates of the authorities anew, while they can be reached.

        What cannot be read stays as it was; what was never read is tried again when it is needed.
        """
        before, self._contexts = self._contexts, {}
        for forwarder in forwarders:
            if forwarder.is_encrypted:
                with contextlib.suppress(ForwarderError, OSError):
                    self.of(forwarder)
        self._contexts = {
            each: context for each, context in before.items() if each in forwarders
        } | self._contexts

    def of(self, forwarder: Forwarder) -> ssl.SSLContext:
        """Return what to connect to a forwarder by.

        Raises `ForwarderError` when this host has no authorities to check its certificate by.
        """
        context = self._contexts.get(forwarder)
        if context is None:
            context = self._contexts[forwarder] = _context(forwarder)
        return context


def explain(forwarder: Forwarder, error: Exception) -> str:
    """Tell why there is no connection to a forwarder, and what to do."""
    if isinstance(error, WrongKeyError):
        return f"{error.args[-1]}; mend the pin, if that is its new key"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate does not do for the name {forwarder.tls_name}: {error.verify_message.rstrip('.')}; "
            "mend the name, or have its authority among those that this host trusts"
        )
    kind = "TCP"
    if forwarder.is_encrypted:
        kind = "HTTPS" if forwarder.https_path is not None else "TLS"
    served = f"see that DNS over {kind} is served there"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with it: {error.reason}; {served}"
    if isinstance(error, TimeoutError):
        return f"no {kind} with it in time; {served}"
    reason = error.strerror if isinstance(error, OSError) else None
    return f"{reason or error}; {served}"


def _context(forwarder: Forwarder) -> ssl.SSLContext:
    if forwarder.tls_name is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # its key says who it is
    else:
        context = _trusting_context()
    if forwarder.pins:
        context.sslobject_class = _checking(frozenset(forwarder.pins))
    context.set_alpn_protocols(_OVER_TLS if forwarder.https_path is None else _OVER_HTTPS)
    return context


def _trusting_context() -> ssl.SSLContext:
    paths = ssl.get_default_verify_paths()
    named = os.environ.get(paths.openssl_cafile_env)
    if named is not None and not Path(named).is_file():
        raise ForwarderError(f"{paths.openssl_cafile_env} names {named}, which is no file; mend that")
    if paths.cafile is None and paths.capath is None:
        raise ForwarderError(
            "this host has no certificates of authorities; install ca-certificates, "
            f"or name a file with {paths.openssl_cafile_env}"
        )
    return ssl.create_default_context()


def _checking(pins: frozenset[bytes]) -> type[ssl.SSLObject]:
    """Return the class of a TLS connection that ends with the handshake if no pin fits."""

    class Pinned(ssl.SSLObject):
        """One whose other side must have one of the keys."""

        def do_handshake(self) -> None:
            super().do_handshake()
            certificate = self.getpeercert(binary_form=True)
            try:
                found = pin_of(certificate or b"")
            except ValueError as error:
                raise WrongKeyError(f"it has no certificate that can be read: {error}") from error
            if found not in pins:
                raise WrongKeyError(f"its public key has the pin {base64.b64encode(found).decode()}")

    return Pinned
