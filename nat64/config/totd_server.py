"""The directives of totd.conf that set the server as a whole, each of which stands once, outside of views.

Each reader takes the config as read so far and gives it with what the directive says. It raises `Refused`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from nat64.config.dns64_config import DEFAULT_CONTROL_SOCKET, ClientLimits, Dns64Config, ForwarderOrder
from nat64.config.grammar import Directive, Refused, read_flag, read_number
from nat64.config.totd_endpoints import read_options, read_path, read_port

_MOST_WORKERS: Final = 64
_UNITS: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE: Final = re.compile(r"([0-9]{1,20})([KMG]?)", re.IGNORECASE | re.ASCII)
_LEAST_CACHE: Final = 1 << 20
_HALF_THE_ADDRESS_SPACE: Final = sys.maxsize
_LONGEST_RETRY: Final = 86400
_LONGEST_STALE: Final = 7 * 86400
"""RFC 8767 section 4 bounds every TTL to seven days; what is older than that stands in for nothing."""
_NEVER: Final = frozenset({"no", "false", "off"})
_LONGEST_IDLE: Final = 3600
_MOST_RESPONSES: Final = 1_000_000
_HIGHEST_SLIP: Final = 10
_MOST_CONNECTIONS: Final = 8192
"""Half of the files that a process may open (LimitNOFILE); questions to forwarders need some, too."""
_SECRET: Final = re.compile(r"[0-9A-Fa-f]{32}")

Reader = Callable[[Dns64Config, Directive], Dns64Config]


def _read_port(config: Dns64Config, directive: Directive) -> Dns64Config:
    return replace(config, port=read_port(_single(directive, "port NUMBER")))


def _read_pidfile(config: Dns64Config, directive: Directive) -> Dns64Config:
    return replace(config, pidfile=_single(directive, "pidfile PATH"))


def _read_retry(config: Dns64Config, directive: Directive) -> Dns64Config:
    word = _single(directive, "retry SECONDS")
    return replace(config, retry=read_number(word, "time in seconds", 0, _LONGEST_RETRY))


def _read_control_socket(config: Dns64Config, directive: Directive) -> Dns64Config:
    word = _single(directive, "control-socket PATH|none")
    return replace(config, control_socket=_path_or_none(word, f"control-socket {DEFAULT_CONTROL_SOCKET}"))


def _read_workers(config: Dns64Config, directive: Directive) -> Dns64Config:
    word = _single(directive, "workers NUMBER")
    return replace(config, workers=read_number(word, "number of workers", 1, _MOST_WORKERS))


def _read_cache_size(config: Dns64Config, directive: Directive) -> Dns64Config:
    word = _single(directive, "cache-size SIZE")
    found = _SIZE.fullmatch(word)
    size = int(found[1]) * _UNITS.get(found[2].upper(), 1) if found else -1
    if size and not _LEAST_CACHE <= size <= _HALF_THE_ADDRESS_SPACE:
        raise Refused(
            f"'{word}' is not a valid size of a cache",
            "give bytes, or with K, M or G: 1M at least, e.g. 64M; 0 means no cache",
        )
    return replace(config, cache=replace(config.cache, size=size))


def _read_prefetch(config: Dns64Config, directive: Directive) -> Dns64Config:
    return replace(config, cache=replace(config.cache, prefetch=_flag(directive)))


def _read_serve_stale(config: Dns64Config, directive: Directive) -> Dns64Config:
    usage = "serve-stale SECONDS|no"
    word = _single(directive, usage)
    seconds = 0
    if word[0].isdigit():
        seconds = read_number(word, "time in seconds", 0, _LONGEST_STALE)
    elif word.lower() not in _NEVER:
        raise Refused(f"'{word}' does not say how long", f"write: {usage}")
    return replace(config, cache=replace(config.cache, serve_stale=seconds))


def _read_forwarder_order(config: Dns64Config, directive: Directive) -> Dns64Config:
    usage = "forwarder-order preference|fastest"
    word = _single(directive, usage)
    try:
        return replace(config, forwarder_order=ForwarderOrder(word.lower()))
    except ValueError:
        raise Refused(f"'{word}' is not a choice", f"write: {usage}") from None


def _read_randomize_case(config: Dns64Config, directive: Directive) -> Dns64Config:
    return replace(config, randomize_case=_flag(directive))


def _read_cookies(config: Dns64Config, directive: Directive) -> Dns64Config:
    return replace(config, cookies=_flag(directive))


def _read_cookie_secret(config: Dns64Config, directive: Directive) -> Dns64Config:
    word = _single(directive, "cookie-secret HEX")
    if not _SECRET.fullmatch(word):
        # It is not shown: a mistake may be one digit, and is logged.
        raise Refused(
            "the cookie-secret is not of 32 hexadecimal digits", "make one by: openssl rand -hex 16"
        )
    return replace(config, cookie_secret=bytes.fromhex(word))


def _read_rate_limit(config: Dns64Config, directive: Directive) -> Dns64Config:
    usage = "rate-limit NUMBER [slip NUMBER]"
    directive.count(1, 3, usage)
    rate = read_number(directive.words[0], "number of responses a second", 0, _MOST_RESPONSES)
    options = read_options(directive.words[1:], {"slip"}, usage)
    slip = ClientLimits().slip
    if "slip" in options:
        slip = read_number(options["slip"][0], "slip", 0, _HIGHEST_SLIP)
    return replace(config, limits=replace(config.limits, responses_a_second=rate, slip=slip))


def _read_tcp_connections(config: Dns64Config, directive: Directive) -> Dns64Config:
    usage = "tcp-connections NUMBER [per-host NUMBER]"
    directive.count(1, 3, usage)
    connections = read_number(directive.words[0], "number of connections", 1, _MOST_CONNECTIONS)
    options = read_options(directive.words[1:], {"per-host"}, usage)
    of_a_host = min(ClientLimits().connections_of_a_host, connections)
    if "per-host" in options:
        of_a_host = read_number(options["per-host"][0], "number of a host's connections", 1, connections)
    limits = replace(config.limits, connections=connections, connections_of_a_host=of_a_host)
    return replace(config, limits=limits)


def _read_tcp_idle(config: Dns64Config, directive: Directive) -> Dns64Config:
    word = _single(directive, "tcp-idle SECONDS")
    idle = read_number(word, "time in seconds", 1, _LONGEST_IDLE)
    return replace(config, limits=replace(config.limits, idle=idle))


def _read_query_log(config: Dns64Config, directive: Directive) -> Dns64Config:
    word = _single(directive, "query-log FILE|none")
    return replace(config, query_log=_path_or_none(word, "query-log /var/log/dns64d/queries.log"))


def _single(directive: Directive, usage: str) -> str:
    """Return the one word of a directive."""
    directive.count(1, 1, usage)
    return directive.words[0]


def _flag(directive: Directive) -> bool:
    return read_flag(_single(directive, f"{directive.keyword} yes|no"), directive.keyword)


def _path_or_none(word: str, example: str) -> str | None:
    return None if word.lower() == "none" else read_path(word, example)


READERS: Final[Mapping[str, Reader]] = {
    "port": _read_port,
    "pidfile": _read_pidfile,
    "retry": _read_retry,
    "control-socket": _read_control_socket,
    "workers": _read_workers,
    "cache-size": _read_cache_size,
    "prefetch": _read_prefetch,
    "serve-stale": _read_serve_stale,
    "forwarder-order": _read_forwarder_order,
    "randomize-case": _read_randomize_case,
    "cookies": _read_cookies,
    "cookie-secret": _read_cookie_secret,
    "rate-limit": _read_rate_limit,
    "tcp-connections": _read_tcp_connections,
    "tcp-idle": _read_tcp_idle,
    "query-log": _read_query_log,
}
"""Whoever reads the directive, by its keyword."""
