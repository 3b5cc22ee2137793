"""The public key of a certificate, by which a forwarder can be known (RFC 7858 section 4.2). No I/O."""

from __future__ import annotations

import hashlib
from typing import Final

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_FIELDS_BEFORE_KEY: Final = 5
"""Serial number, signature algorithm, issuer, validity, subject (RFC 5280 section 4.1)."""


def pin_of(certificate: bytes) -> bytes:
    """Return the SHA-256 digest of the SubjectPublicKeyInfo of a certificate in DER.

    OpenSSL has read the certificate before, so it is well-formed. Raises `ValueError` where it is not all the same.
    """
    _, inside, _ = _element(certificate, 0, _SEQUENCE)
    at, inside, _ = _element(certificate, inside, _SEQUENCE)
    if certificate[inside : inside + 1] == bytes((_VERSION,)):
        _, _, inside = _element(certificate, inside)
    for _ in range(_FIELDS_BEFORE_KEY):
        _, _, inside = _element(certificate, inside)
    at, _, end = _element(certificate, inside, _SEQUENCE)
    return hashlib.sha256(certificate[at:end]).digest()


def _element(data: bytes, at: int, tag: int | None = None) -> tuple[int, int, int]:
    """Return where the DER element at `at` begins, where its content does, and where it ends."""
    if len(data) < at + 2 or (tag is not None and data[at] != tag):
        raise ValueError("no certificate in DER")
    length, content = data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, content = int.from_bytes(data[content : content + count], "big"), content + count
    if len(data) < content + length:
        raise ValueError("a certificate that was cut off")
    return at, content, content + length
