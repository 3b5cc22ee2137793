"""What the query log says of a query: one line, ``key=value``, whatever the client sent. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from dnslib import QTYPE, RCODE

if TYPE_CHECKING:
    from collections.abc import Iterable

_ABSENT: Final = "-"
_PLAIN: Final = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*+/:%,~<>[]{}|^&!?#'`"
)
_ESCAPED: Final = tuple(chr(byte) if byte in _PLAIN else f"\\{byte:03d}" for byte in range(256))
_EXTENDED_RCODES: Final = {16: "BADVERS", 23: "BADCOOKIE"}


@dataclass(frozen=True, slots=True)
class LoggedQuery:
    """A query and what became of it."""

    at: float
    """When it came, in seconds UTC."""
    client: str
    transport: str
    """udp, tcp or tls."""
    outcome: str
    """As it is counted: cached, synthesized, refused, malformed, …"""
    view: str = ""
    labels: Iterable[bytes] | None = None
    """Those of the name asked for; ``None``: it had no question that could be read."""
    qtype: int = 0
    rcode: int | None = None
    """``None``: there was no response."""
    seconds: float = 0.0
    """From the query to the response."""
    size: int = 0
    """Bytes of the response."""


def line_of(query: LoggedQuery) -> bytes:
    r"""Return the line, with its end.

    A name is written as in RFC 1035 section 5.1; each byte that is not plain text stands there as ``\DDD``, also in
    the name of a view. Types without a name are TYPEn (RFC 3597 section 5).
    """
    at = datetime.fromtimestamp(query.at, UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    name = qtype = _ABSENT
    if query.labels is not None:
        name = "".join(f"{escaped(label)}." for label in query.labels) or "."
        qtype = QTYPE.forward.get(query.qtype) or f"TYPE{query.qtype}"
    view = escaped(query.view.encode()) or _ABSENT
    return (
        f"time={at}Z client={query.client} transport={query.transport} view={view} name={name} type={qtype} "
        f"rcode={_rcode(query.rcode)} outcome={query.outcome} us={int(query.seconds * 1e6)} bytes={query.size}\n"
    ).encode()


def escaped(text: bytes) -> str:
    """Write a label so that it is one word, and one label."""
    return "".join([_ESCAPED[byte] for byte in text])


def _rcode(rcode: int | None) -> str:
    if rcode is None:
        return _ABSENT
    return RCODE.forward.get(rcode) or _EXTENDED_RCODES.get(rcode) or f"RCODE{rcode}"
