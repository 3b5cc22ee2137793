"""A worker between its queue and the daemon, both played by socket pairs, and what they tell each other."""

from __future__ import annotations

import socket
import threading
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.compat import raw
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6

from nat64.device import worker_messages
from nat64.device.tun import OpenTun
from nat64.device.tun_worker import TELLS_EVERY, TunWorker
from nat64.device.worker_messages import Used
from nat64.siit import counters
from nat64.siit.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = Settings(IPv4Address("192.168.240.1").packed, IPv6Address("2001:db8::1").packed)
ADDRESSES = IPv6Address("2001:db8:1::5").packed + IPv6Address("2001:db8:64:ff9b::cb00:7150").packed
TRANSLATED = IPv4Address("192.168.240.10").packed + IPv4Address("203.0.113.80").packed
PACKET = raw(IPv6(src="2001:db8:1::5", dst="2001:db8:64:ff9b::cb00:7150") / UDP() / b"x")
COUNTS = st.integers(0, 2**64 - 1)
ADDRESS4 = st.binary(min_size=4, max_size=4)


@given(
    st.builds(
        Used,
        st.tuples(*[COUNTS] * len(worker_messages.COUNTED)),
        COUNTS,
        COUNTS,
        st.lists(ADDRESS4, max_size=9000),
    )
)
def test_what_was_used_is_told_in_messages_that_fit(used: Used) -> None:
    messages = list(worker_messages.write_used(used))
    assert all(len(message) < worker_messages.LARGEST for message in messages)
    parts = [worker_messages.read_used(message[1:]) for message in messages]
    assert [address for part in parts for address in part.addresses] == used.addresses
    assert tuple(map(sum, zip(*(part.counts for part in parts), strict=True))) == used.counts
    assert sum(part.write_failed for part in parts) == used.write_failed
    assert sum(part.not_passed_on for part in parts) == used.not_passed_on


@given(
    st.sampled_from([(32, 8), (8, 32)]), st.binary(min_size=40, max_size=40), st.sampled_from([b"", b"1234"])
)
def test_a_pair_is_told(lengths: tuple[int, int], octets: bytes, leased: bytes) -> None:
    addresses, translated = octets[: lengths[0]], octets[lengths[0] :]
    message = worker_messages.write_pair(addresses, translated, leased)
    assert message[:1] == worker_messages.PAIR
    assert worker_messages.read_pair(message[1:]) == (addresses, translated, leased)


class Served:
    """A worker that runs in a thread, the far end of its queue, and the daemon's end of its channel."""

    def __init__(self) -> None:
        near, self.kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.daemon, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setblocking(False)
        theirs.setblocking(False)
        self.kernel.settimeout(5)
        self.daemon.settimeout(5)
        self.now = 100.0
        worker = TunWorker(OpenTun(near.fileno(), offloads=False), theirs, SETTINGS, lambda: self.now)
        self._sockets = (near, theirs)
        self.thread = threading.Thread(target=worker.run)
        self.thread.start()

    def close(self) -> None:
        self.daemon.close()
        self.thread.join(5)
        assert not self.thread.is_alive()
        for end in (*self._sockets, self.kernel):
            end.close()

    def tell_pair(self) -> None:
        """Tell the pair, and wait until one packet of it was translated."""
        self.daemon.send(worker_messages.write_pair(ADDRESSES, TRANSLATED, TRANSLATED[:4]))
        self.kernel.settimeout(0.05)
        for _ in range(100):
            self.kernel.send(PACKET)
            try:
                self.kernel.recv(100)
            except TimeoutError:  # it was read before the pair was heard of
                continue
            self.kernel.settimeout(5)
            return
        raise AssertionError("the worker does not translate")

    def hear(self, kind: bytes) -> bytes:
        """Return the next message of this kind."""
        while True:
            message = self.daemon.recv(worker_messages.LARGEST)
            if message[:1] == kind:
                return message[1:]


@pytest.fixture
def served() -> Iterator[Served]:
    one = Served()
    yield one
    one.close()


def test_an_unknown_packet_goes_to_the_daemon_and_a_known_one_to_the_device(served: Served) -> None:
    served.kernel.send(PACKET)
    assert served.hear(worker_messages.PACKET) == PACKET
    served.tell_pair()
    served.kernel.send(PACKET)
    assert IP(served.kernel.recv(100)).src == "192.168.240.10"


def test_uses_are_told_and_counted(served: Served) -> None:
    served.tell_pair()
    served.now += TELLS_EVERY
    served.kernel.send(PACKET)
    served.kernel.recv(100)
    used = worker_messages.read_used(served.hear(worker_messages.USED))
    counts = dict(zip(worker_messages.COUNTED, used.counts, strict=True))
    assert counts.pop(counters.TO_IPV4) == counts.pop(counters.TO_IPV4_UDP) >= 2
    assert not any(counts.values())
    assert used[1:] == (0, 0, [TRANSLATED[:4]])


def test_new_settings_make_it_forget(served: Served) -> None:
    served.tell_pair()
    served.daemon.send(worker_messages.write_settings(SETTINGS))
    served.kernel.settimeout(0.05)
    for _ in range(100):
        served.kernel.send(PACKET)
        try:
            served.kernel.recv(100)
        except TimeoutError:
            break
    assert served.hear(worker_messages.PACKET) == PACKET


def test_it_ends_with_the_daemon(served: Served) -> None:
    served.daemon.shutdown(socket.SHUT_RDWR)
    served.thread.join(5)
    assert not served.thread.is_alive()


def test_it_ends_with_the_device(served: Served) -> None:
    served.kernel.shutdown(socket.SHUT_RDWR)
    served.thread.join(5)
    assert not served.thread.is_alive()
