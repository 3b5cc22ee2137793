"""The seeds of the fuzz corpus: real packets, built by scapy and written out, and configs.

`python -m tests.fuzz.seeds` writes them to `tests/fuzz/corpus`; a test tells when that was forgotten. Their names say what they
hold.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scapy.compat import raw
from scapy.layers.inet import (
    ICMP,
    IP,
    TCP,
    UDP,
    IPOption_LSRR,
    IPOption_NOP,
    IPOption_RR,
    IPOption_SSRR,
    IPOption_Timestamp,
)
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6Unknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.packet import Raw
from scapy.utils import checksum

from tests.fuzz import dns64_seeds, translator_target
from tests.fuzz.config_seeds import config_inputs
from tests.fuzz.translator_target import (
    ADDRESSES4,
    FIX_ADDRESSES,
    FIX_CHECKSUM,
    FIX_LENGTHS,
    HOST,
    HOSTS6,
    LEASED,
    OWN4,
    OWN6,
    SEND_BACK,
    UNFINISHED,
    Record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scapy.packet import Packet

DIRECTORY: Final = Path(__file__).parent / "corpus"
SERVER4: Final = "203.0.113.80"
MAPPED4: Final = IPv4Address("192.0.2.9").packed
MAPPED6: Final = IPv6Address("3fff:9::9").packed
ROUTER4: Final = IPv4Address("192.168.241.3").packed
SERVER6: Final = "2001:db8:64:ff9b::cb00:7150"
_PREFIX: Final = 1  # 2001:db8:64:ff9b::/96 in translator_target.PREFIXES
_ALL_FIXES: Final = FIX_LENGTHS | FIX_ADDRESSES | FIX_CHECKSUM
_TO_SERVER6: Final = 0x00  # host to the server, in the tables of translator_target
_FROM_SERVER4: Final = 0x01
_EXTENSIONS: Final = bytes.fromhex("200000000008010100012101")  # RFC 4884 section 8, one object of RFC 4950


def packets() -> Iterator[tuple[str, Packet | bytes]]:
    """Give each packet with its name."""
    yield from _ipv6_packets()
    yield from _ipv4_packets()
    yield from _errors()


def _ipv6_packets() -> Iterator[tuple[str, Packet | bytes]]:
    ip = IPv6(src=str(HOST), dst=SERVER6, tc=0x2E, fl=5)
    udp = UDP(sport=1000, dport=53) / b"query"
    yield "v6-tcp", ip / TCP(sport=1000, dport=80, flags="S", options=[("MSS", 1440)])
    yield "v6-udp", ip / udp
    yield "v6-udp-zero", ip / UDP(sport=1, dport=2, chksum=0) / b"x"
    yield "v6-echo", ip / ICMPv6EchoRequest(id=1, seq=2, data=b"ping")
    yield "v6-echo-reply", ip / ICMPv6EchoReply(id=1, seq=2, data=b"ping")
    yield "v6-sctp", IPv6(src=str(HOST), dst=SERVER6, nh=132) / Raw(bytes(range(32)))
    yield "v6-big", ip / UDP(sport=1, dport=2) / bytes(1440)
    yield "v6-as-large-as-may-be-fragmented", ip / UDP(sport=1, dport=2) / bytes(1260 - 28)
    yield "v6-too-large-to-be-fragmented", ip / UDP(sport=1, dport=2) / bytes(1261 - 28)
    over4 = raw(IP(src=str(LEASED), dst=SERVER4) / UDP(sport=1, dport=2) / bytes(2))
    yield "v6-udp-whose-sum-is-nothing", ip / UDP(sport=1, dport=2) / over4[26:28]
    yield "v6-hops-end", IPv6(src=str(HOST), dst=SERVER6, hlim=1) / udp
    headers = {
        "hop": IPv6ExtHdrHopByHop(options=PadN(optdata=bytes(4))),
        "routing": IPv6ExtHdrRouting(segleft=0, addresses=["2001:db8::99"]),
        "options": IPv6ExtHdrDestOpt(),
        "atomic": IPv6ExtHdrFragment(id=0x12345),
    }
    for first, header in headers.items():
        yield f"v6-{first}", ip / header / udp
        for second, other in headers.items():
            if second != first:
                yield f"v6-{first}-{second}", ip / header / other / udp
    chain = ip
    for header in headers.values():
        chain /= header
    yield "v6-all-headers", chain / udp
    yield "v6-segments-left", ip / IPv6ExtHdrRouting(segleft=1, addresses=[SERVER6]) / udp
    whole = raw(ip / UDP(sport=1, dport=2) / bytes(range(128)))[40:]
    fragment: dict[str, Any] = {"nh": 17, "id": 0xABCD}
    yield "v6-first-fragment", ip / IPv6ExtHdrFragment(**fragment, m=1) / Raw(whole[:64])
    yield "v6-middle-fragment", ip / IPv6ExtHdrFragment(**fragment, m=1, offset=8) / Raw(whole[64:96])
    yield "v6-last-fragment", ip / IPv6ExtHdrFragment(**fragment, offset=12) / Raw(whole[96:])
    yield "v6-echo-own", IPv6(src=str(HOST), dst=str(OWN6)) / ICMPv6EchoRequest(data=b"own")
    yield "v6-udp-own", IPv6(src=str(HOST), dst=str(OWN6)) / udp
    for kind in (130, 131, 132, 133, 134, 135, 136, 137, 143, 200):
        yield f"v6-icmp-{kind}", ip / ICMPv6Unknown(type=kind, msgbody=bytes(20))
    yield "v6-icmp-fragment", ip / IPv6ExtHdrFragment(nh=58, m=1, id=1) / Raw(bytes(64))
    yield "v6-nowhere", IPv6(src=str(HOST), dst="3fff:77::1") / udp
    yield "v6-nowhere-hops-end", IPv6(src=str(HOST), dst="ff02::1", hlim=1) / udp
    yield "v6-from-own", IPv6(src=str(OWN6), dst=SERVER6) / udp
    yield "v6-cut", raw(ip / udp)[:44]
    yield "not-ip", bytes(60)


def _ipv4_packets() -> Iterator[tuple[str, Packet | bytes]]:
    ip = IP(src=SERVER4, dst=str(LEASED), flags="DF", tos=0x2E)
    udp = UDP(sport=53, dport=1000) / b"answer"
    yield "v4-tcp", ip / TCP(sport=80, dport=1000, flags="SA")
    yield "v4-udp", ip / udp
    yield "v4-udp-zero", ip / UDP(sport=1, dport=2, chksum=0) / b"x"
    yield "v4-echo", ip / ICMP(type=8, id=1, seq=2) / b"ping"
    yield "v4-echo-reply", ip / ICMP(type=0, id=1, seq=2) / b"ping"
    yield "v4-gre", IP(src=SERVER4, dst=str(LEASED), proto=47) / Raw(bytes(24))
    yield "v4-big", ip / UDP(sport=1, dport=2) / bytes(1460)
    yield "v4-big-fragmentable", IP(src=SERVER4, dst=str(LEASED), id=7) / UDP(sport=1, dport=2) / bytes(2000)
    yield "v4-ttl-ends", IP(src=SERVER4, dst=str(LEASED), ttl=1) / udp
    datagram = raw(ip / udp)[20:]
    for name, options in {
        "nop": [IPOption_NOP()] * 4,
        "record-route": [IPOption_RR(routers=["192.0.2.1"])],
        "timestamp": [IPOption_Timestamp(flg=0, timestamp=0)],
        "loose-route": [IPOption_LSRR(pointer=4, routers=["192.0.2.1"])],
        "strict-route": [IPOption_SSRR(pointer=4, routers=["192.0.2.1"])],
        "expired-route": [IPOption_LSRR(pointer=8, routers=["192.0.2.1"])],
        "longest": [IPOption_NOP()] * 40,
    }.items():
        yield (
            f"v4-options-{name}",
            IP(src=SERVER4, dst=str(LEASED), options=options, proto=17) / Raw(datagram),
        )
    whole = raw(ip / UDP(sport=1, dport=2) / bytes(range(128)))[20:]
    fragment: dict[str, Any] = {"src": SERVER4, "dst": str(LEASED), "id": 99, "proto": 17}
    yield "v4-first-fragment", IP(**fragment, flags="MF") / Raw(whole[:64])
    yield "v4-middle-fragment", IP(**fragment, flags="MF", frag=8) / Raw(whole[64:96])
    yield "v4-last-fragment", IP(**fragment, frag=12) / Raw(whole[96:])
    yield "v4-zero-first-fragment", IP(**fragment, flags="MF") / Raw(whole[:6] + b"\0\0" + whole[8:64])
    yield "v4-icmp-fragment", IP(**fragment | {"proto": 1}, flags="MF") / Raw(bytes(64))
    yield "v4-protocol-of-ipv6", IP(src=SERVER4, dst=str(LEASED), proto=58) / Raw(bytes(8))
    yield "v4-later-fragment-hops-end", IP(**fragment, ttl=1, frag=12) / Raw(whole[96:])
    yield "v4-echo-own", IP(src=SERVER4, dst=str(OWN4)) / ICMP() / b"own"
    yield "v4-udp-own", IP(src=SERVER4, dst=str(OWN4)) / udp
    for kind in (4, 5, 6, 9, 10, 13, 14, 15, 16, 17, 18, 40):
        yield f"v4-icmp-{kind}", IP(src=SERVER4, dst=str(LEASED), proto=1) / Raw(bytes((kind, *bytes(27))))


def _errors() -> Iterator[tuple[str, Packet | bytes]]:
    sent4 = raw(IP(src=str(LEASED), dst=SERVER4, ttl=1) / UDP(sport=1000, dport=53) / b"query")
    came6 = raw(IPv6(src=SERVER6, dst=str(HOST), hlim=1) / TCP(sport=80, dport=1000) / b"payload")
    inner_echo4 = raw(IP(src=str(LEASED), dst=SERVER4) / ICMP(id=1) / b"x")
    inner_fragment4 = raw(IP(src=str(LEASED), dst=SERVER4, frag=9, proto=17) / Raw(bytes(16)))
    inner_options4 = raw(
        IP(src=str(LEASED), dst=SERVER4, proto=17, options=[IPOption_NOP()] * 8) / Raw(bytes(16))
    )
    inner_echo6 = raw(IPv6(src=SERVER6, dst=str(HOST)) / ICMPv6EchoReply(id=1, data=b"x"))
    inner_fragment6 = raw(
        IPv6(src=SERVER6, dst=str(HOST)) / IPv6ExtHdrFragment(nh=17, m=1, offset=9, id=5) / Raw(bytes(16))
    )
    inner_options6 = raw(IPv6(src=SERVER6, dst=str(HOST)) / IPv6ExtHdrDestOpt() / TCP())
    for code in range(16):
        yield f"v4-unreachable-{code}", _error4(3, code, 1400 if code == 4 else 0, sent4)
    for kind, code, rest in (
        (3, 4, 0),
        (11, 0, 0),
        (11, 1, 0),
        (12, 0, 8 << 24),
        (12, 1, 0),
        (12, 2, 2 << 24),
    ):
        yield f"v4-error-{kind}-{code}", _error4(kind, code, rest, sent4)
    for name, inner in {"echo": inner_echo4, "fragment": inner_fragment4, "options": inner_options4}.items():
        yield f"v4-error-about-{name}", _error4(11, 0, 0, inner)
    yield "v4-error-about-error", _error4(11, 0, 0, _error4(3, 3, 0, sent4))
    yield "v4-error-cut", _error4(3, 3, 0, sent4[:28])
    yield "v4-error-rfc4884", _error4(11, 0, 32 << 16, sent4.ljust(128, b"\0") + _EXTENSIONS)
    for kind, code, rest in (
        *((1, code, 0) for code in range(7)),
        (2, 0, 1400),
        (3, 0, 0),
        (3, 1, 0),
        (4, 0, 7),
        (4, 1, 6),
        (4, 2, 0),
        (100, 0, 0),
    ):
        yield f"v6-error-{kind}-{code}", _error6(kind, code, rest, came6)
    for name, inner in {"echo": inner_echo6, "fragment": inner_fragment6, "options": inner_options6}.items():
        yield f"v6-error-about-{name}", _error6(3, 0, 0, inner)
    yield "v6-error-about-the-longest", _error6(3, 0, 0, came6[:4] + b"\xff\xff" + came6[6:])
    yield "v6-error-about-error", _error6(3, 0, 0, _error6(1, 4, 0, came6))
    yield "v6-error-cut", _error6(1, 4, 0, came6[:48])
    yield (
        "v6-error-hops-end",
        raw(IPv6(src=str(HOST), dst=SERVER6, hlim=1, nh=58)) + _error6(1, 4, 0, came6)[40:],
    )
    yield (
        "v6-error-to-nobody",
        raw(IPv6(src=str(HOST), dst="3fff:77::1", nh=58)) + _error6(1, 4, 0, came6)[40:],
    )
    yield (
        "v6-error-from-a-router",
        raw(IPv6(src="3fff:77::1", dst=SERVER6, nh=58)) + _error6(1, 4, 0, came6)[40:],
    )
    routed = IPv6ExtHdrRouting(segleft=1, addresses=[SERVER6], nh=58)
    error = _error6(1, 4, 0, came6)
    yield "v6-error-segments-left", raw(IPv6(src=str(HOST), dst=SERVER6) / routed / Raw(error[40:]))
    route = IPOption_LSRR(pointer=4, routers=["192.0.2.1"])
    error4 = _error4(3, 3, 0, sent4)
    yield (
        "v4-error-source-route",
        raw(IP(src=SERVER4, dst=str(LEASED), options=[route], proto=1) / Raw(error4[20:])),
    )
    yield "v6-error-damaged", _error6(1, 4, 0, came6)[:-1] + b"\xff"
    yield "v6-error-rfc4884", _error6(3, 0, 16 << 24, came6.ljust(128, b"\0") + _EXTENSIONS)


def _error4(kind: int, code: int, rest: int, inner: bytes) -> bytes:
    message = bytes((kind, code, 0, 0)) + rest.to_bytes(4, "big") + inner
    summed = message[:2] + checksum(message).to_bytes(2, "big") + message[4:]
    return raw(IP(src="198.51.100.7", dst=str(LEASED), proto=1) / Raw(summed))


def _in_prefix(address: IPv4Address) -> str:
    return f"2001:db8:64:ff9b::{address}"


def _error6(kind: int, code: int, rest: int, inner: bytes, header: Packet | None = None) -> bytes:
    body = rest.to_bytes(4, "big") + inner
    ip = header or IPv6(src=str(HOST), dst=SERVER6)
    return raw(ip / ICMPv6Unknown(type=kind, code=code, msgbody=body))


def translator_inputs() -> Iterator[tuple[str, bytes]]:
    """Give each input of the target `translator` with its name."""
    plain = (_PREFIX, 0, 0, 0, 0)
    for name, packet in packets():
        # A checksum of zero is the point of some, or a wrong one, which putting it right would take away.
        fixes = FIX_LENGTHS if "zero" in name or "damaged" in name else FIX_LENGTHS | FIX_CHECKSUM
        yield name, translator_target.encode(plain, [Record(fixes, 0, 0, bytes(packet))])
    by_name = {name: bytes(packet) for name, packet in packets()}
    reply = Record(SEND_BACK, 1, 0, b"")
    for prefix in range(len(translator_target.PREFIXES)):
        for name in ("v6-udp", "v6-tcp", "v6-echo", "v6-first-fragment"):
            asked = Record(_ALL_FIXES, 0, _TO_SERVER6, by_name[name])
            yield (
                f"prefix-{prefix}-{name}-and-back",
                translator_target.encode((prefix, 0, 0, 0, 8), [asked, reply, asked]),
            )
    for mode in range(len(translator_target.MODES)):
        for name in ("v4-udp-zero", "v4-zero-first-fragment"):
            yield (
                f"mode-{mode}-{name}",
                translator_target.encode(
                    (_PREFIX, 0, 0, mode, 0), [Record(FIX_LENGTHS, 0, 0, by_name[name])]
                ),
            )
    for mtu in range(len(translator_target.MTUS)):
        for offlink_mtu in range(len(translator_target.OFFLINK_MTUS)):
            yield (
                f"mtu-{mtu}-offlink-{offlink_mtu}",
                translator_target.encode(
                    (_PREFIX, mtu, offlink_mtu, 0, 0),
                    [
                        Record(0, 0, 0, by_name[name])
                        for name in ("v4-big-fragmentable", "v4-big", "v6-big", "v4-first-fragment")
                    ],
                ),
            )
    for name in (
        "v6-udp",
        "v4-udp",
        "v4-big-fragmentable",
        "v4-first-fragment",
        "v6-error-1-4",
        "v4-error-11-0",
    ):
        yield (
            f"tos-{name}",
            translator_target.encode((_PREFIX, 0, 0, 0, 16), [Record(0, 0, 0, by_name[name])]),
        )
    yield from _unfinished_inputs(by_name)
    yield from _hairpin_inputs(by_name)
    yield from _router_inputs(by_name)
    hosts = [Record(_ALL_FIXES, 0, host << 4, by_name["v6-udp"]) for host in (0, 2, 3, 4, 5, 6)]
    yield "hosts", translator_target.encode(plain, hosts)
    yield "hosts-limited", translator_target.encode((_PREFIX, 0, 0, 0, 2), hosts)
    yield "no-pool-no-maps", translator_target.encode((_PREFIX, 0, 0, 0, 5), hosts)
    servers = [
        Record(_ALL_FIXES, 3, source << 4 | _FROM_SERVER4, by_name["v4-udp"])
        for source in range(len(translator_target.ADDRESSES4))
    ]
    yield "servers", translator_target.encode(plain, servers)
    yield (
        "private-through-the-well-known-prefix",
        translator_target.encode((0, 0, 0, 0, 0), [Record(_ALL_FIXES, 0, 9, by_name["v6-udp"])]),
    )
    yield from _turned_back(by_name)
    nobody = Record(_ALL_FIXES, 0, 0x70, by_name["v6-udp"])
    crowd = [
        Record(
            FIX_LENGTHS | FIX_CHECKSUM, 0, 0, by_name["v6-udp"][:23] + bytes((last,)) + by_name["v6-udp"][24:]
        )
        for last in range(20)
    ]
    yield "a-crowd", translator_target.encode(plain, [*crowd, nobody])
    yield "a-crowd-limited", translator_target.encode((_PREFIX, 0, 0, 0, 2), crowd)
    sleeping = Record(_ALL_FIXES, 255, _FROM_SERVER4, by_name["v4-udp"])
    yield "a-lease-that-sleeps", translator_target.encode(plain, [hosts[0], sleeping, hosts[0], sleeping])


def _unfinished_inputs(by_name: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    plain = (_PREFIX, 0, 0, 0, 0)
    for name in ("v6-udp", "v6-tcp", "v6-big", "v4-udp", "v4-tcp", "v4-big", "v4-big-fragmentable"):
        for eighths in (0, 13, 150):  # of the octets of a segment's data, but for one
            yield (
                f"unfinished-{eighths}-{name}",
                translator_target.encode(plain, [Record(UNFINISHED, 0, eighths, by_name[name])]),
            )


def _hairpin_inputs(by_name: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    far, mapped = ADDRESSES4.index(MAPPED4), HOSTS6.index(MAPPED6)
    for hairpin in range(len(translator_target.HAIRPINS)):
        turning = Record(_ALL_FIXES, 0, far, by_name["v6-udp"])
        answering = Record(_ALL_FIXES, 0, mapped << 4 | 1, by_name["v6-echo"])
        about = raw(
            IPv6(src=_in_prefix(LEASED), dst=str(IPv6Address(MAPPED6))) / UDP(sport=1, dport=2) / b"x"
        )
        error = _error6(1, 4, 0, about, IPv6(src=str(IPv6Address(MAPPED6)), dst=_in_prefix(LEASED)))
        yield (
            f"hairpin-{hairpin}",
            translator_target.encode(
                (_PREFIX, 0, 0, 0, hairpin << 5),
                [turning, Record(SEND_BACK, 1, 0, b""), answering, Record(0, 0, 0, error)],
            ),
        )


def _router_inputs(by_name: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for name in ("v6-error-from-a-router", "v6-error-rfc4884", "v4-error-rfc4884"):
        yield (
            f"routers-{name}",
            translator_target.encode((_PREFIX, 0, 0, 0, 128), [Record(0, 0, 0, by_name[name])]),
        )
    nobody4 = Record(_ALL_FIXES, 0, ADDRESSES4.index(ROUTER4), by_name["v6-udp"])
    nobody6 = Record(_ALL_FIXES, 0, ADDRESSES4.index(ROUTER4), by_name["v4-udp"])
    yield "routers-are-nobody", translator_target.encode((_PREFIX, 0, 0, 0, 128), [nobody4, nobody6])


def _turned_back(by_name: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Give what a host sends to its own IPv4 address, and its error about what came of it."""
    plain = (_PREFIX, 0, 0, 0, 0)
    seen = "2001:db8:64:ff9b::192.168.240.10"
    for name in ("v6-udp", "v6-echo", "v6-first-fragment"):
        sent = Record(_ALL_FIXES, 0, translator_target.ADDRESSES4.index(LEASED.packed), by_name[name])
        yield f"turned-back-{name}", translator_target.encode(plain, [sent])
    came = raw(IPv6(src=seen, dst=str(HOST), hlim=63) / UDP(sport=1000, dport=2000) / b"turned back")
    body = bytes(4) + came
    error = raw(IPv6(src=str(HOST), dst=seen) / ICMPv6Unknown(type=1, code=4, msgbody=body))
    yield "turned-back-error", translator_target.encode(plain, [Record(0, 0, 0, error)])


INPUTS: Final = {
    "translator": translator_inputs,
    "config": config_inputs,
    "dns64-query": dns64_seeds.query_inputs,
    "dns64-reply": dns64_seeds.reply_inputs,
}


def main() -> None:
    """Write the corpus, and take away what is no longer one of its seeds."""
    for target, inputs in INPUTS.items():
        directory = DIRECTORY / target
        directory.mkdir(parents=True, exist_ok=True)
        wanted = dict(inputs())
        for path in directory.iterdir():
            if path.name not in wanted:
                path.unlink()
        for name, data in wanted.items():
            (directory / name).write_bytes(data)


if __name__ == "__main__":
    main()
