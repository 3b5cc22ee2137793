"""What the words of our directives about the fast path mean. Each reader raises `Refused`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from nat64.config.grammar import Refused, read_number

if TYPE_CHECKING:
    from nat64.config.grammar import Directive

FastPathMode = Literal["auto", "require", "off"]
"""Auto: used where the machine has all it needs. Require: nat64d does not start without it."""

DEFAULT_LINGER: Final = 30
DEFAULT_NEW_HOSTS: Final = 1000
DEFAULT_BPFFS: Final = Path("/sys/fs/bpf")

_LONGEST_LINGER: Final = 3600
_MOST_NEW_HOSTS: Final = 1_000_000
_NEW_HOSTS_USAGE: Final = "new-hosts NUMBER|unlimited, e.g.: new-hosts 1000"


def read_fast_path(directive: Directive) -> FastPathMode:
    """Read whether the kernel is to translate what is plain."""
    directive.count(1, 1, "fast-path auto|require|off")
    word = directive.words[0].lower()
    for mode in get_args(FastPathMode):
        if word == mode:
            found: FastPathMode = mode
            return found
    raise Refused(f"'{directive.words[0]}' is no fast-path", "write: fast-path auto|require|off")


def read_linger(directive: Directive) -> int:
    """Read for how many seconds the kernel goes on to translate when the daemon has ended."""
    directive.count(1, 1, "linger SECONDS")
    return read_number(directive.words[0], "number of seconds to linger", 0, _LONGEST_LINGER)


def read_new_hosts(directive: Directive) -> int:
    """Read how many packets a second of hosts that are not known the kernel hands to the daemon; 0: all."""
    directive.count(1, 1, _NEW_HOSTS_USAGE)
    word = directive.words[0]
    if word.lower() == "unlimited":
        return 0
    if not word.isdigit():
        raise Refused(f"'{word}' is no number of new hosts", f"write: {_NEW_HOSTS_USAGE}")
    return read_number(word, "number of new hosts per second", 1, _MOST_NEW_HOSTS)
