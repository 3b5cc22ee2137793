"""The seeds of the target `config`: whole files, of the accepted and of the refused, and each of their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_TAYGA: Final = """\
tun-device nat64
ipv4-addr 192.168.240.1
ipv6-addr 2001:db8:64::1
prefix 64:ff9b::/96
dynamic-pool 192.168.240.0/20
max-hosts-per-prefix 64 1024
data-dir /var/lib/nat64
map 192.0.2.7 2001:db8:64:1::7
map 198.51.100.0/24 2001:db8:64:2::/120
map-file maps
wkpf-strict no
udp-cksum-mode calc
offlink-mtu 1400
tos 0x20 copy
offload no
hairpin simple
icmp-rate 500 burst 50
rfc6791-pool 203.0.113.0/28
rfc5837 yes
prefix 2001:db8:65::/96 pool 192.168.224.0/20
map 192.0.2.9 2001:db8:64:1::9/64
map 192.0.2.10 2001:db8:64:1::7 prefix 2001:db8:65::/96
log drop reject icmp self dyn
workers 4
strict-frag-hdr on # retired
tun-up yes
tun-ip 192.168.255.1/24
tun-route 64:ff9b::/96
control-socket none
%%
map 192.0.2.8 2001:db8:64:1::8
"""
_TAYGA_REFUSED: Final = """\
prefex 64:ff9b::/96
prefix 64:ff9b::/97
ipv4-addr 127.0.0.1
ipv6-addr fe80::1%eth0
dynamic-pool 10.0.0.1/8
map 192.0.2.0/24 2001:db8::/64
offlink-mtu 5
fast-path on
log everything
"""
_TOTD: Final = """\
forwarder 192.0.2.53 port 5353   # first
forwarder 2001:db8::53 ; second
prefix 2001:db8:64::
prefix 64:ff9b::/96
port 53
listen 192.0.2.1 port 54
interfaces eth0 eth1
allow 192.0.2.1
allow-query 2001:db8::/32 192.0.2.0/24
exclude 2001:db8:bad::/48
on-aaaa-failure servfail
retry 300
pidfile /run/dns64d.pid
control-socket none
"""
_TOTD_SERVER: Final = """\
forwarder 192.0.2.53 tls-pin AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= validating
forwarder 2001:db8::53 port 8443 https https://dns.example/dns-query{?dns} validating
forwarder 2001:db8::54 tls dns.example tls-pin //////////////////////////////////////////8= validating
prefix 2001:db8:64::/96
allow-query 2001:db8::/32
listen ::
listen-tls 2001:db8::1 certificate /etc/nat64/tls/chain.pem key /etc/nat64/tls/key.pem
listen-tls 192.0.2.1 port 8853 certificate /c key /k
workers 4
cache-size 64M
prefetch no
serve-stale 3600
forwarder-order fastest
randomize-case yes
cookies yes
cookie-secret 0123456789abcdef0123456789ABCDEF
rate-limit 200 slip 3
tcp-connections 1000 per-host 20
tcp-idle 30
query-log /var/log/dns64d/queries.log
"""
_TOTD_VIEWS: Final = """\
forwarder 127.0.0.1 port 65053 validating
forwarder 192.0.2.53 tls dns.example
forwarder 2001:db8::53 port 8853 tls bücher.example validating
prefix 2001:db8:64::/96
prefix 3fff:64::/64 for 192.0.2.0/24 198.51.100.7
mapped 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24
unmapped 192.0.2.1
domain corp.example never
domain Corp.Example. forward 192.0.2.10 port 5353
domain lab.corp.example always
domain bücher.example forward 2001:db8::10 tls ns.corp.example validating
domain . forward 192.0.2.11
stf
allow-query 2001:db8::/32 192.0.2.0/24
view guests 2001:db8:2::/48
prefix none
view staff 2001:db8:3::/48 192.0.2.128/25
forwarder 192.0.2.54
prefix 3fff:3::/96
exclude 2001:db8:bad::/48
mapped 192.0.2.0/24
unmapped 192.0.2.77
domain corp.example always
on-aaaa-failure servfail
stf
"""
_TOTD_REFUSED: Final = f"""\
forwarder 127.0.0.1
forwarder 192.0.2.53 validating
forwarder 192.0.2.54 tls 192.0.2.54
prefix none
prefix 3fff:1::/96 for 192.0.2.0/24
prefix 3fff:2::/96 for 192.0.2.0/24
domain corp..example never
domain *.example never
domain {"x" * 64}.example never
domain {".".join(["y" * 63] * 4)} never
domain lab.example always
domain lab.example never
cache-size 100
workers 65
serve-stale yes
forwarder-order random
cookie-secret 0123
rate-limit 5 slip 11
tcp-connections 8 per-host 9
tcp-idle 0
query-log queries
listen-tls ::1 port 53 certificate /c key /k
listen-tls ::1 certificate /c
forwarder 192.0.2.55 tls-pin AAAA
forwarder 192.0.2.56 tls dns.example https https://dns.example/
forwarder 192.0.2.57 https https://dns.example:443
view staff
view guests 2001:db8::/32
retry 10
view guests 192.0.2.0/24
view others 2001:db8::/32
prefix 3fff:1::/96
prefix none
"""
_DYNAMIC_MAP: Final = """\
###
### Dynamic map database
###

192.168.240.10\t2001:db8:1::5\t1789990000
192.168.240.11\t2001:db8:1::6\t1789990001\t2001:db8:64::/96
192.168.240.12\tfe80::1\t1789990001
203.0.113.1\t2001:db8:1::7\t1
"""


def config_inputs() -> Iterator[tuple[str, bytes]]:
    """Give each input of the target `config` with its name."""
    for name, grammar, whole in (
        ("tayga", b"\0", _TAYGA),
        ("tayga-refused", b"\0", _TAYGA_REFUSED),
        ("totd", b"\1", _TOTD),
        ("totd-server", b"\1", _TOTD_SERVER),
        ("totd-views", b"\1", _TOTD_VIEWS),
        ("totd-refused", b"\1", _TOTD_REFUSED),
        ("dynamic-map", b"\2", _DYNAMIC_MAP),
    ):
        yield name, grammar + whole.encode()
        for number, line in enumerate(whole.splitlines(), 1):
            yield f"{name}-line-{number}", grammar + line.encode()
