"""Certificates for name servers of tests, and their keys."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

    Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def elliptic_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, slots=True)
class Files:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


def make(directory: Path, name: str, *, password: bytes | None = None) -> Files:
    """Make a self-signed certificate for a name, and keep its key beside it."""
    key = elliptic_key()
    files = Files(directory / f"{name}.pem", directory / f"{name}.key")
    files.certificate.write_bytes(certificate(name, key).public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(_written(key, password))
    return files


def make_certificate(path: Path, name: str, key: Key | None = None) -> bytes:
    """Write a self-signed certificate for a name, with its key, as PEM; return its pin."""
    key = key or elliptic_key()
    made = certificate(name, key)
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + _written(key, None))
    return pin(key)


def _written(key: Key, password: bytes | None) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption(),
    )


def certificate(name: str, key: Key) -> x509.Certificate:
    """Make a self-signed certificate for a name."""
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's own authority")])
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(authority)
        .issuer_name(authority)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )


def pin(key: Key) -> bytes:
    """Return the SHA-256 digest of a key's SubjectPublicKeyInfo, as `cryptography` writes it."""
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).digest()
