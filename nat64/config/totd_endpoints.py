"""Addresses, ports and name servers, as the words of totd.conf give them. Each reader raises `Refused`."""

from __future__ import annotations

import binascii
import ipaddress
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from nat64.config.dns64_config import (
    DNS_OVER_HTTPS_PORT,
    DNS_OVER_TLS_PORT,
    DNS_PORT,
    Endpoint,
    Forwarder,
    IPAddress,
    IPNetwork,
)
from nat64.config.domain_names import read_host_name
from nat64.config.grammar import Refused, read_ipv4_network, read_ipv6, read_ipv6_network, read_number

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

FORWARDER: Final = (
    "ADDRESS [port NUMBER] [tls NAME] [tls-pin BASE64]... [https https://NAME/PATH] [validating]"
)
_OF_A_FORWARDER: Final = frozenset({"port", "tls", "tls-pin", "https", "validating"})
_WITHOUT_VALUE: Final = frozenset({"validating"})
_PIN_OCTETS: Final = 32
# RFC 8484 section 3: a URI Template. Questions are sent by POST, for which its variable stands empty.
_TEMPLATE_VARIABLE: Final = "{?dns}"
_URI: Final = re.compile(r"https://([^/:?@\[\]]*)(:[0-9]*)?(/.*)?", re.IGNORECASE)
_PATH: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})*)+")


class _Encryption(NamedTuple):
    """How a forwarder is asked so that nobody on the way reads or changes anything."""

    port: int = DNS_PORT
    """Where it is asked, unless the config says otherwise."""
    name: str | None = None
    pins: tuple[bytes, ...] = ()
    https_path: str | None = None


def read_forwarder(words: Sequence[str], usage: str) -> Forwarder:
    """Read a name server to ask: `FORWARDER`, with an address at least. Mistakes show `usage`."""
    address = read_address(words[0])
    options = read_options(words[1:], _OF_A_FORWARDER, usage, repeatable={"tls-pin"})
    encryption = _read_encryption(options)
    port = read_port(options["port"][0]) if "port" in options else encryption.port
    forwarder = Forwarder(
        Endpoint(address, port),
        encryption.name,
        "validating" in options,
        encryption.pins,
        encryption.https_path,
    )
    if forwarder.validating and not forwarder.is_encrypted and not address.is_loopback:
        raise Refused(
            f"what {address} says of DNSSEC cannot be believed, as anyone on the way to it could change it",
            "ask it over TLS (tls NAME or tls-pin) or HTTPS, ask a validating name server on this host, "
            "or remove 'validating'",
        )
    return forwarder


def _read_encryption(options: dict[str, list[str]]) -> _Encryption:
    pins = tuple(dict.fromkeys(map(_read_pin, options.get("tls-pin", ()))))
    if "https" not in options:
        name = read_host_name(options["tls"][0]) if "tls" in options else None
        return _Encryption(DNS_OVER_TLS_PORT, name, pins) if name or pins else _Encryption()
    for other in ("tls", "tls-pin"):
        if other in options:
            raise Refused(f"'{other}' and 'https' are two ways to ask", "remove one of the two")
    name, path = _read_uri(options["https"][0])
    return _Encryption(DNS_OVER_HTTPS_PORT, name, (), path)


def _read_pin(word: str) -> bytes:
    """Read the SHA-256 digest of a public key."""
    try:
        pin = binascii.a2b_base64(word.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeError):
        pin = b""
    if len(pin) != _PIN_OCTETS:
        raise Refused(
            f"'{word}' is not a pin", "give the base64 of the SHA-256 digest of the server's public key"
        )
    return pin


def _read_uri(word: str) -> tuple[str, str]:
    """Read the name and the path of an RFC 8484 URI."""
    uri = _URI.fullmatch(word.removesuffix(_TEMPLATE_VARIABLE))
    if uri is None:
        raise Refused(f"'{word}' is not an https URI", "write it as https://dns.example/dns-query")
    name = read_host_name(uri[1])
    port, path = uri[2], uri[3]
    if port is not None:
        raise Refused(
            f"'{word}' has a port", f"write: port {port[1:] or DNS_OVER_HTTPS_PORT} https https://{name}..."
        )
    if path is None:
        raise Refused(f"'{word}' has no path", f"did you mean https://{name}/dns-query?")
    if not _PATH.fullmatch(path):
        raise Refused(
            f"'{path}' is not the path of a URI", "write other characters than RFC 3986's as %XX, and no '?'"
        )
    return name, path


def read_address(word: str) -> IPAddress:
    """Read an IPv4 or IPv6 address."""
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        raise Refused(
            f"'{word}' is not an IPv4 or IPv6 address", "give an address such as 192.0.2.53 or 2001:db8::53"
        ) from None
    if isinstance(address, ipaddress.IPv6Address):
        return read_ipv6(word)
    return address


def read_network(word: str) -> IPNetwork:
    """Read a network, or an address which stands for itself alone."""
    if "/" not in word:
        return ipaddress.ip_network(read_address(word))
    return read_ipv6_network(word) if ":" in word else read_ipv4_network(word)


def read_port(word: str) -> int:
    """Read a port."""
    return read_number(word, "port", 1, 65535)


def read_path(word: str, example: str) -> str:
    """Read an absolute path. `example` shows how the directive is written."""
    if not word.startswith("/"):
        raise Refused(f"'{word}' is not an absolute path", f"e.g.: {example}")
    return word


def read_options(
    words: Sequence[str], known: Collection[str], usage: str, *, repeatable: Collection[str] = ()
) -> dict[str, list[str]]:
    """Read the `known` options in any order, each with the word that follows it; ``validating`` has none.

    Each may stand there once, the `repeatable` ones more often.
    """
    options: dict[str, list[str]] = {}
    first = 0
    while first < len(words):
        option = words[first].lower()
        end = first + (1 if option in _WITHOUT_VALUE else 2)
        again = option in options and option not in repeatable
        if option not in known or again or end > len(words):
            raise Refused(f"'{' '.join(words[first:])}' is not understood here", f"write: {usage}")
        options.setdefault(option, []).append(words[end - 1])
        first = end
    return options
