"""Domain names as a config writes them. Each reader raises `Refused`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nat64.config.grammar import Refused

if TYPE_CHECKING:
    from nat64.config.dns64_config import Labels

_LONGEST_LABEL: Final = 63
_LONGEST_NAME: Final = 255
_HOST_LABEL: Final = re.compile(rb"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def read_domain_name(word: str) -> Labels:
    """Read a domain name, of any case, with or without the root's dot at its end; ``.`` is the root itself.

    A label may hold every printable ASCII character but the backslash (RFC 2181 section 11). Other characters
    are those of an internationalized name, which becomes the ASCII name that stands for it (RFC 3490).
    """
    name = _to_ascii(word)
    if name == ".":
        return ()
    if "\\" in name or not name.isprintable() or " " in name:
        raise Refused(f"'{word}' cannot be a domain name", "write it without escapes and control characters")
    labels = name.removesuffix(".").split(".")
    whole = ".".join(filter(None, labels)) or "."
    if not all(labels):
        raise Refused(f"'{word}' has an empty label", f"did you mean {whole}?")
    if "*" in labels:
        below = ".".join(label for label in labels if label != "*") or "."
        raise Refused(f"'{word}' has a wildcard", f"write {below}, which stands for all names below it, too")
    for label in labels:
        if len(label) > _LONGEST_LABEL:
            raise Refused(
                f"'{label}' is a label of {len(label)} octets", f"a label has at most {_LONGEST_LABEL}"
            )
    octets = sum(len(label) + 1 for label in labels) + 1
    if octets > _LONGEST_NAME:
        raise Refused(f"'{word}' is a name of {octets} octets", f"a name has at most {_LONGEST_NAME}")
    return tuple(label.lower().encode("ascii") for label in labels)


def read_host_name(word: str) -> str:
    """Read the name of a host (RFC 1123 section 2.1), such as stands in a certificate; it comes in lower case."""
    labels = read_domain_name(word)
    if not labels or not all(map(_HOST_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise Refused(f"'{word}' is not a host's name", "give the name in its certificate, e.g.: dns.example")
    return shown(labels)


def shown(labels: Labels) -> str:
    """Return the name as one writes it, without the root's dot at its end."""
    return b".".join(labels).decode("ascii") or "."


def _to_ascii(word: str) -> str:
    if word.isascii():
        return word
    try:
        if len(word) <= _LONGEST_NAME:
            return word.encode("idna").decode("ascii")
    except UnicodeError:
        pass
    raise Refused(
        f"'{word}' cannot be an internationalized name", "write the ASCII name for it, which begins with xn--"
    )
