"""totd.conf as totd 1.5 reads it, our own directives, and every mistake told at once."""

from __future__ import annotations

from ipaddress import IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from nat64.addressing.prefix import Pref64
from nat64.config.dns64_config import Endpoint, Forwarder, Interfaces, SynthesisPrefix, View
from nat64.config.grammar import ConfigError
from nat64.config.totd import parse, read
from tests.unit.config.totd_texts import KEYWORDS, SOUND, mistakes, warnings

if TYPE_CHECKING:
    from pathlib import Path

TOTD_CONF = """\
; $Id: totd.conf.sample,v 1.5 $
;
; totd configuration of our gateway

; The name servers to ask. Tried in the order of appearance.
forwarder 192.0.2.53 port 65053	# the local BIND
FORWARDER 2001:db8::53

; Prefixes of the NAT-PT translators. Used round robin.
prefix 2001:db8:64:ff9b::
Prefix 3fff:64::

; The port to listen on for requests
Port 5353 ; not 53

; Where to put the process ID
pidfile /var/run/totd.pid

; Interfaces to bind to
interfaces eth0 eth1

; Who may use the web server
allow ::1
allow 192.0.2.7

; Seconds until a forwarder that does not answer is tried again
retry 120

; Rewrite scoped addresses
scoped fec0:: 2001:db8:: 48

; 6to4 reverse lookups
stf
"""


def test_totds_own_config_works_unmodified() -> None:
    config = parse(TOTD_CONF, "totd.conf")
    assert config.default == View(
        forwarders=(
            Forwarder(Endpoint(ip_address("192.0.2.53"), 65053)),
            Forwarder(Endpoint(ip_address("2001:db8::53"), 53)),
        ),
        prefixes=tuple(
            SynthesisPrefix(Pref64(IPv6Network(text))) for text in ("2001:db8:64:ff9b::/96", "3fff:64::/96")
        ),
        stf=True,
    )
    assert config.views == ()
    assert (config.port, config.pidfile, config.retry) == (5353, "/var/run/totd.pid", 120)
    assert config.interfaces == Interfaces(("eth0", "eth1"))
    assert [str(warning).split(";")[0] for warning in config.warnings] == [
        "totd.conf:23: 'allow' opened totd's web server, which dns64d does not have",
        "totd.conf:24: 'allow' opened totd's web server, which dns64d does not have",
        (
            "totd.conf:30: 'scoped' has no effect: dns64d does not rewrite site-local addresses, "
            "which RFC 3879 deprecated"
        ),
    ]


def test_defaults_are_totds() -> None:
    config = parse(SOUND, "dns64.conf")
    assert (config.port, config.retry, config.pidfile) == (53, 300, None)
    assert config.control_socket == "/run/dns64d/control.sock"
    assert config.default.exclude == (ip_network("::ffff:0:0/96"),)
    assert config.default.synthesize_on_failure


@pytest.mark.parametrize("word", ["*", "all", "ALL"])
def test_interfaces_all(word: str) -> None:
    assert parse(f"{SOUND}interfaces {word}", "f").interfaces == Interfaces((), every=True)


@pytest.mark.parametrize("length", [32, 40, 48, 56, 64, 96])
def test_rfc6052_2_2_prefix_lengths(length: int) -> None:
    config = parse(f"forwarder 192.0.2.53\nallow-query ::1\nprefix 2001:db8::/{length}", "f")
    assert config.default.prefixes[0].prefix.network.prefixlen == length


def test_rfc6052_2_2_a_prefix_with_bits_64_to_71_set_is_warned_of() -> None:
    (warning,) = parse(f"{SOUND}prefix 2001:db8:0:0:100::/96", "f").warnings
    assert str(warning).startswith("f:4: bits 64 to 71 of 2001:db8:0:0:100::/96 are not zero; ")


@pytest.mark.parametrize("prefix", ["::/96", "::ffff:0:0/96", "fe80::/64", "ff02::/96"])
def test_rfc6052_2_2_a_prefix_that_no_translator_serves_is_a_mistake(prefix: str) -> None:
    with pytest.raises(ConfigError, match=f"f:4: no translator serves {prefix}; "):
        parse(f"{SOUND}prefix {prefix}", "f")


def test_our_own_directives() -> None:
    config = parse(
        SOUND
        + """
port 5300
listen 2001:db8::1
listen 192.0.2.1 port 5301
allow-query 2001:db8::/32 192.0.2.0/24
allow-query 198.51.100.7
exclude 3fff::/20
on-aaaa-failure servfail
control-socket none
""",
        "f",
    )
    assert list(map(str, config.listen)) == ["[2001:db8::1]:5300", "192.0.2.1:5301"]
    assert list(map(str, config.allow_query)) == [
        "::1/128",
        "2001:db8::/32",
        "192.0.2.0/24",
        "198.51.100.7/32",
    ]
    assert list(map(str, config.default.exclude)) == ["::ffff:0:0/96", "3fff::/20"]
    assert not config.default.synthesize_on_failure
    assert config.control_socket is None


def test_the_command_lines_port_goes_before_the_files() -> None:
    config = parse(f"{SOUND}port 5300\nlisten ::1\nlisten ::1 port 99", "f", port=7)
    assert (config.port, [endpoint.port for endpoint in config.listen]) == (7, [7, 99])


def test_every_mistake_is_told_with_its_line_and_remedy() -> None:
    assert mistakes(
        """forwarder ns.example
forwarder 192.0.2.1 port 70000
forwarder 192.0.2.1 prot 53
forwader 192.0.2.1
prefix 2001:db8::/95
prefix 2001:db8::1/96
prefix 192.0.2.1
port http
retry
allow-query 192.0.2.1/24
metrics-listen ::1
interfaces
stf yes
listen fe80::1
on-aaaa-failure maybe
control-socket here
frobnicate
"""
    ) == [
        (
            "dns64.conf:1: 'ns.example' is not an IPv4 or IPv6 address; "
            "give an address such as 192.0.2.53 or 2001:db8::53"
        ),
        "dns64.conf:2: '70000' is not a valid port; give a number from 1 to 65535",
        (
            "dns64.conf:3: 'prot 53' is not understood here; "
            "write: forwarder ADDRESS [port NUMBER] [tls NAME] [tls-pin BASE64]... [https https://NAME/PATH] [validating]"
        ),
        "dns64.conf:4: unknown directive 'forwader'; did you mean 'forwarder'?",
        (
            "dns64.conf:5: '2001:db8::/95' has a length that RFC 6052 does not know; "
            "give one of 32, 40, 48, 56, 64, 96"
        ),
        "dns64.conf:6: '2001:db8::1/96' has bits set after its length; did you mean 2001:db8::/96?",
        "dns64.conf:7: '192.0.2.1' is not an IPv6 address; write it as 2001:db8::1",
        "dns64.conf:8: 'http' is not a valid port; give a number from 1 to 65535",
        "dns64.conf:9: 'retry' has 0 arguments; write: retry SECONDS",
        "dns64.conf:10: '192.0.2.1/24' has bits set after its length; did you mean 192.0.2.0/24?",
        "dns64.conf:11: 'metrics-listen' is not supported by this version; remove the line",
        "dns64.conf:12: 'interfaces' has 0 arguments; write: interfaces NAME... (or: interfaces *)",
        "dns64.conf:13: 'stf' has 1 argument; write: stf",
        "dns64.conf:14: cannot listen on fe80::1; give a unicast address that is not link-local",
        "dns64.conf:15: 'maybe' is not a choice; write: on-aaaa-failure synthesize|servfail",
        "dns64.conf:16: 'here' is not an absolute path; e.g.: control-socket /run/dns64d/control.sock",
        "dns64.conf:17: unknown directive 'frobnicate'; known are: " + " ".join(sorted(KEYWORDS)),
    ]


def test_a_config_with_ten_mistakes_shows_ten_lines() -> None:
    text = """\
prefix none
prefix 3fff:1::/96 for 192.0.2.0/24
prefix 3fff:2::/96 for 192.0.2.0/24
forwarder 192.0.2.53 validating
domain corp..example never
domain lab.example always
domain lab.example never
cache-size 10000
view guests 2001:db8:1::/48
retry 60
forwarder 127.0.0.1
view guests 2001:db8:2::/48
view staff
"""
    found = mistakes(text)
    assert [line.partition(";")[0] for line in found] == [
        "dns64.conf:1: 'prefix none' stands outside of a view",
        "dns64.conf:3: prefix 3fff:1::/96 alone serves 192.0.2.0/24",
        (
            "dns64.conf:4: what 192.0.2.53 says of DNSSEC cannot be believed, "
            "as anyone on the way to it could change it"
        ),
        "dns64.conf:5: 'corp..example' has an empty label",
        "dns64.conf:7: domain lab.example is 'always' at line 6, and 'never' here",
        "dns64.conf:8: '10000' is not a valid size of a cache",
        "dns64.conf:10: 'retry' cannot stand in a view",
        "dns64.conf:11: forwarder 127.0.0.1:53 is where dns64d itself listens",
        "dns64.conf:12: there is a view guests at line 9",
        "dns64.conf:13: 'staff' is a view without networks",
    ]
    assert all(line.partition("; ")[2] for line in found)


def test_a_missing_forwarder_is_a_mistake_that_says_what_to_write() -> None:
    assert mistakes("prefix 64:ff9b::/96") == [
        "dns64.conf: no forwarder; say which name server to ask, e.g.: forwarder 127.0.0.1 port 65053"
    ]


def test_a_directive_of_the_design_that_does_nothing_yet_is_refused() -> None:
    assert mistakes(f"{SOUND}metrics-listen ::1") == [
        "dns64.conf:4: 'metrics-listen' is not supported by this version; remove the line"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "forwarder 192.0.2.53",
        "prefix 64:ff9b::/96",
        "prefix 64:ff9b::",
        "listen 192.0.2.1\nlisten 192.0.2.1 port 53",
    ],
)
def test_a_repeated_entry_of_a_list_counts_once_as_totd_takes_it(line: str) -> None:
    assert "a second time" in warnings(SOUND + line)[0]
    config = parse(SOUND + line, "f")
    for entries in (config.default.forwarders, config.default.prefixes, config.listen):
        assert len(entries) <= 1


def test_what_would_surprise_is_warned_of() -> None:
    assert [warning.split(";")[0] for warning in warnings("forwarder 192.0.2.53")] == [
        "dns64.conf: no prefix, so that no AAAA record is synthesized",
        "dns64.conf: neither interfaces nor allow-query is given, so that only this host itself is answered",
    ]
    assert "open resolver" in warnings(f"{SOUND}allow-query ::/0")[0]
    assert "the last one counts" in warnings(f"{SOUND}port 1\nport 2")[0]
    assert (
        "only the first 96 bits" in warnings("forwarder 192.0.2.53\nallow-query ::1\nprefix 2001:db8::1")[0]
    )


def test_a_sound_config_has_no_warning() -> None:
    assert warnings(SOUND) == []


def test_read_calls_the_file_by_another_name(tmp_path: Path) -> None:
    path = tmp_path / "draft"
    path.write_bytes(b"prefix \xff\n")
    with pytest.raises(ConfigError, match=r"^/etc/nat64/dns64\.conf"):
        read(path, "/etc/nat64/dns64.conf")
