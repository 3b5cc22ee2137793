"""What clients are shown where they are served over TLS (RFC 7858), as the config names it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nat64.dns64.sockets import BindError, Binding
from nat64.dns64.tls_listeners import CertificateError, server_context

if TYPE_CHECKING:
    import ssl

    from nat64.config.dns64_config import Dns64Config

Contexts = dict[Binding, "ssl.SSLContext"]


def read_certificates(config: Dns64Config) -> Contexts:
    """Read the certificates and keys that the config names. Raises `BindError`."""
    contexts: Contexts = {}
    for each in config.listen_tls:
        binding = Binding(each.endpoint.address, each.endpoint.port, tls=True)
        try:
            contexts[binding] = server_context(Path(each.certificate), Path(each.key))
        except CertificateError as error:
            raise BindError(f"cannot listen on {binding}: {error}") from error
    return contexts
