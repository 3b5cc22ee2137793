"""How a client's query came."""

from __future__ import annotations

from enum import Enum


class Transport(Enum):
    """The ways that clients are served by."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"

    @property
    def is_stream(self) -> bool:
        """Whether a response may have 65535 bytes, and its client's address is no forgery."""
        return self is not Transport.UDP
