"""What the tests of totd.conf read, and what the parser says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from nat64.config.grammar import ConfigError
from nat64.config.totd import parse

if TYPE_CHECKING:
    from nat64.config.dns64_config import View

SOUND: Final = "forwarder 192.0.2.53\nprefix 64:ff9b::/96\nallow-query ::1\n"
OF_VIEWS: Final = (
    "forwarder",
    "prefix",
    "exclude",
    "mapped",
    "unmapped",
    "domain",
    "on-aaaa-failure",
    "stf",
)
"""The keywords that may stand in a view."""
ONCE: Final = (
    "port",
    "pidfile",
    "retry",
    "control-socket",
    "workers",
    "cache-size",
    "prefetch",
    "serve-stale",
    "forwarder-order",
    "randomize-case",
    "cookies",
    "cookie-secret",
    "rate-limit",
    "tcp-connections",
    "tcp-idle",
    "query-log",
)
"""The keywords that set the server as a whole, and stand once."""
OUTSIDE: Final = (
    "interfaces",
    "allow",
    "scoped",
    "listen",
    "listen-tls",
    "allow-query",
    *ONCE,
)
KEYWORDS: Final = (*OF_VIEWS, *OUTSIDE, "view")


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "dns64.conf")
    return [str(mistake) for mistake in caught.value.mistakes]


def warnings(text: str) -> list[str]:
    return [str(warning) for warning in parse(text, "dns64.conf").warnings]


def view(lines: str, outside: str = SOUND) -> View:
    """Read a config whose only view holds `lines`, and return that view."""
    (found,) = parse(f"{outside}view inside 2001:db8::/32\n{lines}", "dns64.conf").views
    return found
