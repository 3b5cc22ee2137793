"""Real traffic through the fast path alone: behind it is nobody who translates."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.fast_path import built
from tests.lab.gateway_network import CLIENT, SERVER, SERVER6, GatewayNetwork
from tests.lab.namespaces import wait_until

if TYPE_CHECKING:
    from pathlib import Path

_OCTETS: Final = 8_000_000
_LISTEN: Final = """
import hashlib, socket, sys
listener = socket.create_server(("203.0.113.80", 4000))
print("ready", flush=True)
connection, (peer, _) = listener.accept()
data = hashlib.sha256()
while chunk := connection.recv(1 << 16):
    data.update(chunk)
connection.sendall(bytes(range(256)) * (int(sys.argv[1]) // 256))
connection.close()
print(peer, data.hexdigest())
"""
_CONNECT: Final = """
import hashlib, socket, sys
octets = bytes(range(255, -1, -1)) * (int(sys.argv[2]) // 256)
with socket.create_connection((sys.argv[1], 4000), timeout=20) as connection:
    connection.sendall(octets)
    connection.shutdown(socket.SHUT_WR)
    data = hashlib.sha256()
    while chunk := connection.recv(1 << 16):
        data.update(chunk)
print(hashlib.sha256(octets).hexdigest(), data.hexdigest(), hashlib.sha256(octets[255::-1] * (len(octets) // 256)).hexdigest())
"""
_ECHO: Final = """
import socket
echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.bind(("203.0.113.80", 4001))
print("ready", flush=True)
while True:
    data, peer = echo.recvfrom(1 << 16)
    echo.sendto(data, peer)
"""
_ASK: Final = """
import socket, sys
ask = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
ask.settimeout(5)
for length in (0, 1, 64, 1000, 1212, 1452):
    ask.sendto(bytes(length), (sys.argv[1], 4001))
    assert ask.recv(1 << 16) == bytes(length), length
ask.setsockopt(socket.SOL_UDP, 103, 1000)  # UDP_SEGMENT: one packet for the kernel, eight on the link
ask.sendto(bytes(8000), (sys.argv[1], 4001))
for _ in range(8):
    assert ask.recv(1 << 16) == bytes(1000)
"""
_UNFINISHED: Final = """
import socket, struct, sys
source, destination = (socket.inet_pton(socket.AF_INET6, one) for one in sys.argv[1:3])
router, own = (bytes.fromhex(one.replace(":", "")) for one in sys.argv[3:5])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd))
wire.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR: virtio's header before each packet
wire.bind(("lan0", 0))

def send(protocol, payload, checksum_start, checksum_offset):
    packet = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + source + destination + payload
    header = struct.pack("=BBHHHH", 1, 0, 0, 0, 14 + 40 + checksum_start, checksum_offset)
    wire.send(header + router + own + b"\\x86\\xdd" + packet)

def pseudo(length, protocol):
    words = source + destination + struct.pack("!II", length, protocol)
    return int.from_bytes(words, "big") % 0xFFFF  # their sum: RFC 1071

if sys.argv[5] == "echo":
    send(58, struct.pack("!BBHHH", 128, 0, pseudo(16, 58), 77, 1) + bytes(8), 0, 2)
elif sys.argv[5] == "datagram":
    send(17, struct.pack("!HHHH", 4000, 4001, 16, pseudo(16, 17)) + bytes(8), 0, 6)
else:  # a tunnel: the outer checksum is finished, the inner one is not
    inner = struct.pack("!HHHH", 1, 2, 16, 0x1234) + bytes(8)
    send(17, struct.pack("!HHHH", 4000, 4001, 24, 0x5678) + inner, 8, 6)
"""


_ECHO_WITHOUT_CHECKSUM: Final = _ECHO.replace(
    "echo.bind", "echo.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK\necho.bind"
)
_ASK_WITHOUT_CHECKSUM: Final = """
import socket, sys
ask = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
ask.settimeout(5)
for option in (101, 102):  # UDP_NO_CHECK6_TX, UDP_NO_CHECK6_RX
    ask.setsockopt(socket.SOL_UDP, option, int(sys.argv[2]))
for length in (0, 1, 2, 3, 64, 511, 1212):
    data = (bytes(range(1, 252)) * 5)[:length]
    ask.sendto(data, (sys.argv[1], 4001))
    assert ask.recv(1 << 16) == data, length
"""
_UNFINISHED_WITHIN: Final = """
import socket, struct, sys
source, destination = (socket.inet_aton(one) for one in sys.argv[1:3])
router, own = (bytes.fromhex(one.replace(":", "")) for one in sys.argv[3:5])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
wire.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR: virtio's header before each packet
wire.bind(("eth0", 0))
payload = struct.pack("!HHHH", 4000, 4001, 24, 0) + struct.pack("!HHHH", 1, 2, 16, 0x1234) + bytes(8)
packet = struct.pack("!BBHHHBBH", 0x45, 0, 44, 1, 0, 64, 17, 0) + source + destination
packet = packet[:10] + (-int.from_bytes(packet, "big") % 0xFFFF).to_bytes(2, "big") + packet[12:]
header = struct.pack("=BBHHHH", 1, 0, 0, 0, 14 + 20 + 8, 6)
wire.send(header + router + own + b"\\x08\\x00" + packet + payload)
"""


_ASK_LONG: Final = """
import socket, sys
ask = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
ask.settimeout(5)
for length in (1453, 4000, 20000):
    data = (bytes(range(1, 252)) * 80)[:length]
    ask.sendto(data, (sys.argv[1], 4001))
    assert ask.recv(1 << 16) == data, length
"""


_REFUSED: Final = """
import socket, sys
ask = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
ask.settimeout(5)
ask.connect((sys.argv[1], 4009))
ask.send(b"nobody there")
try:
    ask.recv(1)
except ConnectionRefusedError:
    print("refused")
"""


class FastPathOnly:
    """The gateway's TUN device, with the program on it."""

    def __init__(self, network: GatewayNetwork, device: subprocess.Popen[str]) -> None:
        self.network = network
        self._device = device

    def ask(self, what: str) -> dict[str, int]:
        assert self._device.stdin is not None
        assert self._device.stdout is not None
        self._device.stdin.write(f"{what}\n")
        self._device.stdin.flush()
        answer: dict[str, int] = json.loads(self._device.stdout.readline())
        return answer


@pytest.fixture
def only(bare: GatewayNetwork, tmp_path: Path, request: pytest.FixtureRequest) -> FastPathOnly:
    """The program alone; a test may give the options of tests.fast_path.device."""
    compiled = tmp_path / "fast_path.bpf.o"
    compiled.write_bytes(built.object_file())
    device = bare.gateway.popen(
        *(
            sys.executable,
            "-m",
            "tests.fast_path.device",
            str(compiled),
            CLIENT,
            *getattr(request, "param", ()),
        ),
        stdin=subprocess.PIPE,
        stderr=None,
        cwd=built.ROOT,
    )
    _wait_ready(device)
    return FastPathOnly(bare, device)


def _wait_ready(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"


@pytest.mark.parametrize("segmented", [True, False], ids=["large packets", "packets as a NIC brings them"])
def test_tcp_arrives_unchanged_and_nothing_of_it_is_left_to_the_daemon(
    only: FastPathOnly, *, segmented: bool
) -> None:
    network = only.network
    if not segmented:
        for space, device in ((network.client, "lan0"), (network.server, "eth0")):
            space.run("ethtool", "-K", device, "tso", "off", "gso", "off", "tx", "off")
    listener = network.server.popen(sys.executable, "-c", _LISTEN, str(_OCTETS))
    _wait_ready(listener)

    sent, received, expected = network.client.python(_CONNECT, SERVER6, str(_OCTETS)).stdout.split()

    assert listener.stdout is not None
    assert listener.stdout.readline().split() == ["192.168.240.33", sent]
    assert received == expected
    outcomes = only.ask("outcomes")
    assert outcomes["TO_IPV4_TCP"] > 100
    assert outcomes["TO_IPV6_TCP"] > 100
    assert outcomes["LOST"] == 0
    assert not {"IPv6:6", "IPv4:6"} & only.ask("arrived").keys()


def test_udp_of_all_lengths_and_as_segments_is_answered(only: FastPathOnly) -> None:
    _wait_ready(only.network.server.popen(sys.executable, "-c", _ECHO))

    only.network.client.python(_ASK, SERVER6)

    outcomes = only.ask("outcomes")
    assert outcomes["TO_IPV4_UDP"] >= 7
    assert outcomes["TO_IPV6_UDP"] >= 7
    assert not {"IPv6:17", "IPv4:17"} & only.ask("arrived").keys()


@pytest.mark.parametrize(
    ("only", "accepts"),
    [(("--udp-zero", "fwd"), "1"), (("--udp-zero", "calc"), "0")],
    ids=["fwd", "calc"],
    indirect=["only"],
)
def test_rfc7915_4_5_udp_without_a_checksum_is_answered(only: FastPathOnly, accepts: str) -> None:
    """Under `fwd` neither side has one; under `calc` the client takes none without."""
    _wait_ready(only.network.server.popen(sys.executable, "-c", _ECHO_WITHOUT_CHECKSUM))

    only.network.client.python(_ASK_WITHOUT_CHECKSUM, SERVER6, accepts)

    outcomes = only.ask("outcomes")
    assert (outcomes["TO_IPV4_UDP"], outcomes["TO_IPV6_UDP"]) == (7, 7)


def test_udp_without_a_checksum_that_is_to_be_dropped_is_left_to_the_daemon(only: FastPathOnly) -> None:
    _wait_ready(only.network.server.popen(sys.executable, "-c", _ECHO_WITHOUT_CHECKSUM))

    assert only.network.client.run(
        sys.executable, "-c", _ASK_WITHOUT_CHECKSUM, SERVER6, "1", check=False
    ).returncode

    assert only.ask("outcomes")["PASSED_UDP_WITHOUT_CHECKSUM"] == 1


@pytest.mark.parametrize("only", [("--udp-zero", "calc")], indirect=True)
def test_a_tunnel_without_a_checksum_whose_inner_one_is_unfinished_is_left_to_the_daemon(
    only: FastPathOnly,
) -> None:
    network = only.network
    assert network.ping()  # so that the neighbours know one another
    router, own = (
        space.run("cat", f"/sys/class/net/{device}/address").stdout.strip()
        for space, device in ((network.router4, "wan0"), (network.server, "eth0"))
    )

    network.server.python(_UNFINISHED_WITHIN, SERVER, "192.168.240.33", router, own)

    wait_until(lambda: only.ask("outcomes")["PASSED_CHECKSUM_UNFINISHED"] == 1, "the tunnel's packet")
    assert only.ask("arrived")["IPv4:17"] >= 1


def test_rfc7915_5_1_1_fragments_that_fit_are_translated_one_by_one(only: FastPathOnly) -> None:
    network = only.network
    network.server.run("ip", "route", "change", "default", "via", "203.0.113.1", "mtu", "1250")
    _wait_ready(network.server.popen(sys.executable, "-c", _ECHO))

    network.client.python(_ASK_LONG, SERVER6)

    outcomes = only.ask("outcomes")
    assert outcomes["TO_IPV4_UDP"] == 2 + 3 + 14  # of at most 1448 octets, the UDP header with them
    assert outcomes["TO_IPV6_UDP"] == 2 + 4 + 17  # of at most 1224
    assert not {"IPv6:44", "IPv4:17"} & only.ask("arrived").keys()


def test_fragments_that_do_not_fit_are_left_to_the_daemon(only: FastPathOnly) -> None:
    _wait_ready(only.network.server.popen(sys.executable, "-c", _ECHO))

    assert only.network.client.run(sys.executable, "-c", _ASK_LONG, SERVER6, check=False).returncode

    outcomes = only.ask("outcomes")
    assert (outcomes["TO_IPV4_UDP"], outcomes["TO_IPV6_UDP"], outcomes["PASSED_TOO_BIG"]) == (2, 0, 1)
    assert only.ask("arrived")["IPv4:17"] == 1


def test_what_a_server_and_a_router_refuse_is_told_to_the_client(only: FastPathOnly) -> None:
    network = only.network
    refused = network.client.run(sys.executable, "-c", _REFUSED, SERVER6).stdout
    shown = network.client.run("ping", "-c1", "-W5", "-t5", SERVER6, check=False).stdout

    assert refused == "refused\n"
    assert "From 2001:db8:64:ff9b::c633:6401 icmp_seq=1 Time exceeded: Hop limit" in shown
    assert only.ask("outcomes")["ERROR_TO_IPV6"] == 2


@pytest.mark.parametrize("size", ["0", "8", "56", "1212"])
def test_an_echo_request_comes_back(only: FastPathOnly, size: str) -> None:
    assert only.network.ping("-s", size)

    outcomes = only.ask("outcomes")
    assert (outcomes["TO_IPV4_ICMP"], outcomes["TO_IPV6_ICMP"]) == (1, 1)


def test_a_reply_that_has_to_be_fragmented_is_left_to_the_daemon(only: FastPathOnly) -> None:
    assert not only.network.ping("-W1", "-s", "1400", check=False)

    outcomes = only.ask("outcomes")
    assert (outcomes["TO_IPV4_ICMP"], outcomes["TO_IPV6_ICMP"], outcomes["PASSED_TOO_BIG"]) == (1, 0, 1)
    assert only.ask("arrived")["IPv4:1"] == 1


def test_without_a_heartbeat_packets_go_to_the_daemon_as_they_came(only: FastPathOnly) -> None:
    only.ask("stop")
    assert not only.network.ping("-W1", check=False)
    assert only.ask("arrived")["IPv6:58"] >= 1
    assert only.ask("outcomes")["PASSED_NO_HEARTBEAT"] >= 1

    only.ask("go on")
    assert only.network.ping()


def _send_unfinished(only: FastPathOnly, kind: str) -> None:
    network = only.network
    assert network.ping()  # so that the neighbours know one another
    addresses = [
        space.run("cat", "/sys/class/net/lan0/address").stdout.strip()
        for space in (network.router6, network.client)
    ]
    network.client.python(_UNFINISHED, CLIENT, SERVER6, *addresses, kind)


@pytest.mark.parametrize(("kind", "protocol"), [("echo", "IPv6:58"), ("tunnel", "IPv6:17")])
def test_what_lacks_another_checksum_than_tcps_or_udps_own_is_left_to_the_daemon(
    only: FastPathOnly, kind: str, protocol: str
) -> None:
    _send_unfinished(only, kind)

    wait_until(lambda: only.ask("outcomes")["PASSED_CHECKSUM_UNFINISHED"] == 1, f"the {kind}")
    assert only.ask("arrived")[protocol] >= 1


def test_a_datagram_that_lacks_its_own_checksum_is_translated(only: FastPathOnly) -> None:
    echo = only.network.server.popen(sys.executable, "-c", _ECHO)
    _wait_ready(echo)

    _send_unfinished(only, "datagram")

    wait_until(lambda: only.ask("outcomes")["TO_IPV6_UDP"] == 1, "the answer")  # the server took it for right
