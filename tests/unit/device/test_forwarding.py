"""The loop between device and translator, with socket pairs in the device's place."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, cast

import pytest

from nat64.device.errors import DeviceError
from nat64.device.forwarding import BURST, INTERNAL_ERROR, WRITE_FAILED, Forwarding
from nat64.device.tun import OpenTun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nat64.siit.offload import Offload
    from nat64.siit.translator import Translator
    from nat64.siit.verdicts import Packets

Pair = tuple[socket.socket, socket.socket]


class Doubling:
    """Sends each packet twice, behind a header of its own; some packets are trouble."""

    def receive(self, packet: memoryview, now: float) -> Packets:
        if bytes(packet) == b"fault":
            raise RuntimeError("a fault of the program")
        head = b"%d:" % now
        return ((head, packet), (head, packet[:2]))

    def receive_offloaded(self, packet: memoryview, left: Offload, now: float) -> tuple[bytes, Packets]:
        return left.as_ipv4, ((b"%d;%d:" % (left.checksum_start, now), packet),)


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    one.setblocking(False)
    other.settimeout(5)
    with one, other:
        yield one, other


def forwarding(one: socket.socket) -> Forwarding:
    return Forwarding(OpenTun(one.fileno(), offloads=False), cast("Translator", Doubling()), lambda: 7.0)


def test_packets_are_read_translated_and_written(pair: Pair) -> None:
    one, other = pair
    other.send(b"abcdef")
    other.send(b"xyz")
    forwarding(one).forward_burst()
    assert [other.recv(100) for _ in range(4)] == [b"7:abcdef", b"7:ab", b"7:xyz", b"7:xy"]


def test_what_is_left_to_do_comes_and_goes_before_the_packet(pair: Pair) -> None:
    one, other = pair
    to_finish = struct.pack("=BBHHHH", 1, 0, 0, 0, 40, 16)
    finished_after_all = struct.pack(
        "=BBHHHH", 2, 0, 0, 0, 0, 0
    )  # checksum known to be right: nothing is left
    other.send(to_finish + b"abc")
    other.send(finished_after_all + b"xyz")
    Forwarding(
        OpenTun(one.fileno(), offloads=True), cast("Translator", Doubling()), lambda: 7.0
    ).forward_burst()
    assert [other.recv(100) for _ in range(3)] == [
        struct.pack("=BBHHHH", 1, 0, 0, 0, 20, 16) + b"40;7:abc",
        bytes(10) + b"7:xyz",
        bytes(10) + b"7:xy",
    ]


def test_a_burst_is_bounded(pair: Pair) -> None:
    one, other = pair
    loop = forwarding(one)
    for _ in range(BURST + 1):
        other.send(b"fault")
    loop.forward_burst()
    assert loop.counts[INTERNAL_ERROR] == BURST
    loop.forward_burst()
    assert loop.counts[INTERNAL_ERROR] == BURST + 1


def test_a_fault_of_the_program_drops_the_packet_and_is_logged_once(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = pair
    for data in (b"fault", b"fault", b"good"):
        other.send(data)
    loop = forwarding(one)
    loop.forward_burst()
    assert other.recv(100) == b"7:good"
    assert loop.counts[INTERNAL_ERROR] == 2
    assert caplog.text.count("fault on a packet, please report it") == 1


def test_a_packet_that_the_device_does_not_take_is_counted(pair: Pair) -> None:
    one, other = pair
    other.send(b"data")
    other.shutdown(socket.SHUT_RD)
    loop = forwarding(one)
    loop.forward_burst()
    assert loop.counts[WRITE_FAILED] == 2


def test_a_device_that_is_gone_ends_the_loop() -> None:
    one, other = socket.socketpair()
    loop = forwarding(one)
    one.close()
    other.close()
    with pytest.raises(DeviceError, match="the TUN device is gone"):
        loop.forward_burst()
