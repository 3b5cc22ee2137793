"""The directives that set the DNS64 server as a whole: what is accepted, what is refused, and which of two counts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.config.dns64_config import CacheSettings, ClientLimits, Dns64Config, ForwarderOrder
from nat64.config.totd import parse
from tests.unit.config.totd_texts import ONCE, SOUND, mistakes, warnings

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "0123456789ABCDEFfedcba9876543210"  # noqa: S105 - it opens nothing


def read(lines: str) -> Dns64Config:
    return parse(SOUND + lines, "dns64.conf")


def test_without_a_word_the_defaults_hold() -> None:
    config = read("")
    assert (config.workers, config.cache, config.limits) == (None, CacheSettings(), ClientLimits())
    assert (config.cookies, config.cookie_secret) == (True, None)
    assert (config.forwarder_order, config.randomize_case) == (ForwarderOrder.PREFERENCE, False)
    assert config.query_log is None


ACCEPTED: list[tuple[str, Callable[[Dns64Config], object], object]] = [
    ("workers 1", lambda config: config.workers, 1),
    ("Workers 64", lambda config: config.workers, 64),
    ("cache-size 0", lambda config: config.cache.size, 0),
    ("cache-size 1048576", lambda config: config.cache.size, 1 << 20),
    ("cache-size 1024K", lambda config: config.cache.size, 1 << 20),
    ("cache-size 64m", lambda config: config.cache.size, 64 << 20),
    ("cache-size 1G", lambda config: config.cache.size, 1 << 30),
    (f"cache-size {sys.maxsize}", lambda config: config.cache.size, sys.maxsize),
    ("prefetch no", lambda config: config.cache.prefetch, False),
    ("prefetch ON", lambda config: config.cache.prefetch, True),
    ("serve-stale 1", lambda config: config.cache.serve_stale, 1),
    ("serve-stale 604800", lambda config: config.cache.serve_stale, 604800),
    ("serve-stale no", lambda config: config.cache.serve_stale, 0),
    ("serve-stale Off", lambda config: config.cache.serve_stale, 0),
    ("serve-stale 0", lambda config: config.cache.serve_stale, 0),
    ("forwarder-order fastest", lambda config: config.forwarder_order, ForwarderOrder.FASTEST),
    ("forwarder-order Preference", lambda config: config.forwarder_order, ForwarderOrder.PREFERENCE),
    ("randomize-case yes", lambda config: config.randomize_case, True),
    ("randomize-case 0", lambda config: config.randomize_case, False),
    ("cookies no", lambda config: config.cookies, False),
    ("cookies true", lambda config: config.cookies, True),
    (f"cookie-secret {SECRET}", lambda config: config.cookie_secret, bytes.fromhex(SECRET)),
    ("rate-limit 0", lambda config: config.limits.responses_a_second, 0),
    ("rate-limit 200", lambda config: (config.limits.responses_a_second, config.limits.slip), (200, 2)),
    (
        "rate-limit 1000000 SLIP 0",
        lambda config: (config.limits.responses_a_second, config.limits.slip),
        (1_000_000, 0),
    ),
    ("rate-limit 5 slip 10", lambda config: config.limits.slip, 10),
    (
        "tcp-connections 1000",
        lambda config: (config.limits.connections, config.limits.connections_of_a_host),
        (1000, 32),
    ),
    (
        "tcp-connections 8",
        lambda config: (config.limits.connections, config.limits.connections_of_a_host),
        (8, 8),
    ),
    (
        "tcp-connections 8192 per-host 1",
        lambda config: (config.limits.connections, config.limits.connections_of_a_host),
        (8192, 1),
    ),
    ("tcp-idle 1", lambda config: config.limits.idle, 1),
    ("tcp-idle 3600", lambda config: config.limits.idle, 3600),
    ("query-log /var/log/dns64d/q", lambda config: config.query_log, "/var/log/dns64d/q"),
    ("query-log None", lambda config: config.query_log, None),
]


@pytest.mark.parametrize(("line", "of", "expected"), ACCEPTED, ids=[line for line, _, _ in ACCEPTED])
def test_what_a_line_says_is_what_the_config_has(
    line: str, of: Callable[[Dns64Config], object], expected: object
) -> None:
    config = read(line)
    assert of(config) == expected
    assert config.warnings == ()


REFUSED = [
    ("workers 0", "'0' is not a valid number of workers; give a number from 1 to 64"),
    ("workers 65", "'65' is not a valid number of workers; give a number from 1 to 64"),
    ("workers auto", "'auto' is not a valid number of workers; give a number from 1 to 64"),
    ("workers", "'workers' has 0 arguments; write: workers NUMBER"),
    *(
        (
            f"cache-size {size}",
            f"'{size}' is not a valid size of a cache; give bytes, or with K, M or G: 1M at least, e.g. 64M;",
        )
        for size in ("1", "1023K", "-1M", "64T", "64MB", "1.5G", "M", "no", "²M", f"{sys.maxsize + 1}")
    ),
    ("cache-size 64 M", "'cache-size' has 2 arguments; write: cache-size SIZE"),
    ("prefetch maybe", "'maybe' is neither yes nor no; write: prefetch yes|no"),
    ("prefetch", "'prefetch' has 0 arguments; write: prefetch yes|no"),
    ("serve-stale yes", "'yes' does not say how long; write: serve-stale SECONDS|no"),
    ("serve-stale 1d", "'1d' is not a valid time in seconds; give a number from 0 to 604800"),
    ("serve-stale 604801", "'604801' is not a valid time in seconds; give a number from 0 to 604800"),
    ("forwarder-order random", "'random' is not a choice; write: forwarder-order preference|fastest"),
    ("randomize-case 2", "'2' is neither yes nor no; write: randomize-case yes|no"),
    ("cookies never", "'never' is neither yes nor no; write: cookies yes|no"),
    ("rate-limit -1", "'-1' is not a valid number of responses a second; give a number from 0 to 1000000"),
    ("rate-limit 5 slip", "'slip' is not understood here; write: rate-limit NUMBER [slip NUMBER]"),
    ("rate-limit 5 slip 11", "'11' is not a valid slip; give a number from 0 to 10"),
    ("rate-limit 5 burst 11", "'burst 11' is not understood here; write: rate-limit NUMBER [slip NUMBER]"),
    ("tcp-connections 8193", "'8193' is not a valid number of connections; give a number from 1 to 8192"),
    ("tcp-connections 0", "'0' is not a valid number of connections; give a number from 1 to 8192"),
    (
        "tcp-connections 8 per-host 9",
        "'9' is not a valid number of a host's connections; give a number from 1 to 8",
    ),
    ("tcp-connections 8 per-host", "'per-host' is not understood here; write: tcp-connections NUMBER"),
    ("tcp-idle 0", "'0' is not a valid time in seconds; give a number from 1 to 3600"),
    ("tcp-idle 3601", "'3601' is not a valid time in seconds; give a number from 1 to 3600"),
    ("query-log queries", "'queries' is not an absolute path; e.g.: query-log /var/log/dns64d/queries.log"),
]


@pytest.mark.parametrize(("line", "mistake"), REFUSED, ids=[line for line, _ in REFUSED])
def test_what_cannot_be_meant_is_refused_with_what_could(line: str, mistake: str) -> None:
    (found,) = mistakes(SOUND + line)
    assert found.startswith(f"dns64.conf:4: {mistake}")


@pytest.mark.parametrize("secret", [SECRET[:-1], SECRET + "0", "x" * 32, "0x" + SECRET[2:], "²" * 32])
def test_a_cookie_secret_that_is_refused_is_not_shown(secret: str) -> None:
    assert mistakes(f"{SOUND}cookie-secret {secret}") == [
        "dns64.conf:4: the cookie-secret is not of 32 hexadecimal digits; make one by: openssl rand -hex 16"
    ]


def test_a_cookie_secret_is_not_shown_with_the_config() -> None:
    assert repr(bytes.fromhex(SECRET)) not in repr(read(f"cookie-secret {SECRET}"))


def test_a_cookie_secret_without_cookies_is_warned_of() -> None:
    assert warnings(f"{SOUND}cookie-secret {SECRET}\ncookies no") == [
        "dns64.conf:4: 'cookie-secret' has no effect where there are no cookies; remove it, or write: cookies yes"
    ]


EXAMPLES = {line.split()[0]: line for line, _, _ in ACCEPTED} | {
    "port": "port 5300",
    "pidfile": "pidfile /run/dns64d.pid",
    "retry": "retry 1",
    "control-socket": "control-socket none",
}


@pytest.mark.parametrize("keyword", ONCE)
def test_of_two_lines_the_last_counts_and_the_second_is_warned_of(keyword: str) -> None:
    assert warnings(f"{SOUND}{EXAMPLES[keyword]}\n{EXAMPLES[keyword]}") == [
        f"dns64.conf:5: '{keyword}' stands here a second time; the last one counts, remove the others"
    ]


@pytest.mark.parametrize("keyword", ONCE)
def test_the_server_as_a_whole_is_not_set_in_a_view(keyword: str) -> None:
    assert mistakes(f"{SOUND}view inside ::1\n{EXAMPLES[keyword]}") == [
        f"dns64.conf:5: '{keyword}' cannot stand in a view; move it above the first view"
    ]


def test_the_last_line_counts_also_for_what_it_leaves_to_the_default() -> None:
    limits = read(
        "rate-limit 9 slip 5\nrate-limit 8\ntcp-connections 9 per-host 5\ntcp-connections 80"
    ).limits
    assert limits == ClientLimits(responses_a_second=8, slip=2, connections=80, connections_of_a_host=32)


@given(
    st.builds(
        ClientLimits,
        connections=st.integers(1, 8192),
        connections_of_a_host=st.integers(1, 8192),
        responses_a_second=st.integers(0, 1_000_000),
        slip=st.integers(0, 10),
        idle=st.integers(1, 3600),
    ),
    st.integers(1, 64),
)
def test_workers_together_grant_what_the_config_says_and_less_than_one_more_each(
    limits: ClientLimits, workers: int
) -> None:
    share = limits.divided_by(workers)
    assert (share.slip, share.idle) == (limits.slip, limits.idle)
    for name in ("connections", "connections_of_a_host", "responses_a_second"):
        whole, part = getattr(limits, name), getattr(share, name)
        assert whole <= part * workers < whole + workers
        assert bool(part) == bool(whole)


@given(st.integers(1, 1 << 33), st.sampled_from(["", "K", "M", "G"]))
def test_a_size_is_its_number_times_its_unit_in_powers_of_1024(number: int, unit: str) -> None:
    size = number * 1024 ** " KMG".index(unit or " ")
    if 1 << 20 <= size <= sys.maxsize:
        assert read(f"cache-size {number}{unit}").cache.size == size
    else:
        mistakes(f"{SOUND}cache-size {number}{unit}")
