"""Where dns64d listens, and from which address a response leaves."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
from ipaddress import IPv4Address, IPv6Address

import pytest

from nat64.config.totd import parse
from nat64.dns64.listening import Listening, adopted
from nat64.dns64.occupant import occupant
from nat64.dns64.sockets import BindError, Binding, Families, bindings, hear_no_more, open_bound, refuse_taken

FORWARDER = "forwarder 192.0.2.53\n"
LOOPBACK = IPv6Address("::1")
IPV6_FREEBIND = 78


@pytest.mark.parametrize(
    ("config", "families", "expected"),
    [
        ("", Families(), ["0.0.0.0:53", "[::]:53"]),
        ("interfaces *", Families(), ["0.0.0.0:53", "[::]:53"]),
        ("port 5353", Families(ipv4=False), ["[::]:5353"]),
        ("listen 2001:db8::1\nlisten 192.0.2.1 port 54", Families(), ["[2001:db8::1]:53", "192.0.2.1:54"]),
        (
            "interfaces lan0 lan1",
            Families(ipv6=False),
            ["0.0.0.0:53%lan0", "0.0.0.0:53%lan1", "127.0.0.1:53%lo"],
        ),
        ("interfaces lo", Families(ipv4=False), ["[::]:53%lo"]),
        (
            "interfaces lan0",
            Families(),
            ["0.0.0.0:53%lan0", "[::]:53%lan0", "127.0.0.1:53%lo", "[::1]:53%lo"],
        ),
    ],
)
def test_bindings(config: str, families: Families, expected: list[str]) -> None:
    assert list(map(str, bindings(parse(FORWARDER + config, "f"), families))) == expected


def free_port() -> int:
    """Return a port that nobody has over UDP or TCP, at whatever address; not one that others get by chance."""
    for _ in range(100):
        port = secrets.choice(range(20_000, 30_000))
        with contextlib.suppress(BindError):
            for address in (IPv4Address(0), IPv6Address(0)):
                refuse_taken(Binding(address, port))
            return port
    raise AssertionError("no port is free")


def test_a_taken_port_names_its_holder() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as holder:
        # Also from one that would share it.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        port = free_port()
        holder.bind(("::1", port))
        holder.listen()
        with pytest.raises(BindError, match=r"cannot listen on \[::1\]:\d+ \(tcp\): the port is taken by "):
            refuse_taken(Binding(LOOPBACK, port))
    refuse_taken(Binding(LOOPBACK, port))
    open_bound(Binding(LOOPBACK, port)).close()


def test_what_cannot_be_shared_leaves_nothing_open() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as holder:
        port = free_port()
        holder.bind(("::1", port))
        holder.listen()
        with pytest.raises(BindError, match=r"\(tcp\): the port is taken by "):
            open_bound(Binding(LOOPBACK, port))
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", port))


@pytest.mark.parametrize("tls", [False, True])
def test_our_own_sockets_are_in_nobodys_way_but_others_beside_them_are(tls: bool) -> None:
    port = free_port()
    ours = open_bound(Binding(LOOPBACK, port, tls=tls))
    inodes = {os.fstat(each.fileno()).st_ino for each in ours}
    assert len(inodes) == 2 - tls
    wildcard = Binding(IPv6Address("::"), port, tls=tls)
    try:
        refuse_taken(wildcard, inodes)
        with pytest.raises(BindError):
            refuse_taken(wildcard)
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as other:
            other.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            other.bind(("2001:db8::77", port))
            other.listen()
            with pytest.raises(BindError):
                refuse_taken(wildcard, inodes)
    finally:
        ours.close()


def test_the_sockets_of_several_workers_share_a_port() -> None:
    binding = Binding(LOOPBACK, free_port())
    listening = Listening()
    opened = listening.open_missing([binding], 3)
    listening.add(opened)
    assert [len(listening.of(number)) for number in range(4)] == [1, 1, 1, 0]
    assert not listening.open_missing([binding], 3)
    assert len(set(listening.descriptors)) == len(listening.inodes) == 6
    listening.close()
    refuse_taken(binding)


def test_of_sockets_that_cannot_all_be_opened_none_stays_open() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as holder:
        taken = Binding(LOOPBACK, free_port())
        holder.bind(("::1", taken.port))
        free = Binding(IPv4Address("127.0.0.1"), free_port())
        listening = Listening()
        with pytest.raises(BindError, match="udp"):
            listening.open_missing([free, taken], 2)
        assert not listening.bindings
        refuse_taken(free)


def datagrams_for_each(listening: Listening, binding: Binding, workers: int) -> list[int]:
    """Ask for many names from many ports, and count what came to each worker's socket."""
    for number in range(200):
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            query = bytes(12) + b"\x04n%03d\x07example\0\0\x1c\0\1" % number
            client.sendto(query, ("::1", binding.port))
    counts = []
    for number in range(workers):
        udp = listening.of(number)[binding].udp
        assert udp is not None
        counts.append(0)
        with contextlib.suppress(BlockingIOError):
            while udp.recv(1):
                counts[-1] += 1
    return counts


def test_workers_that_are_to_leave_get_nothing_new_and_the_rest_gets_all() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        one.bind(("::1", 0))
        binding = Binding(LOOPBACK, one.getsockname()[1])
    listening = Listening()
    listening.add(listening.open_missing([binding], 4))
    assert min(datagrams_for_each(listening, binding, 4)) > 0
    listening.share(2)
    *staying, third, fourth = datagrams_for_each(listening, binding, 4)
    assert (sum(staying), third, fourth) == (200, 0, 0)
    listening.close_beyond(2)
    assert sum(counts := datagrams_for_each(listening, binding, 2)) == 200
    assert min(counts) > 0
    listening.add(listening.open_missing([binding], 3))
    assert datagrams_for_each(listening, binding, 3)[2] == 0
    listening.share(3)
    assert min(datagrams_for_each(listening, binding, 3)) > 0
    listening.close()


@pytest.mark.parametrize(
    ("leaving", "staying"),
    [
        (LOOPBACK, IPv6Address("::")),
        (IPv6Address("::"), IPv6Address("::")),
        (IPv4Address("127.0.0.1"), IPv4Address("0.0.0.0")),  # noqa: S104 - on a free port, for a moment
        (IPv4Address("0.0.0.0"), IPv4Address("0.0.0.0")),  # noqa: S104 - as above
    ],
)
def test_a_socket_that_hears_no_more_leaves_all_to_the_others_and_can_send(
    leaving: IPv4Address | IPv6Address, staying: IPv4Address | IPv6Address
) -> None:
    family = socket.AF_INET6 if leaving.version == 6 else socket.AF_INET
    host = "::1" if leaving.version == 6 else "127.0.0.1"
    port = free_port()
    retired, other = open_bound(Binding(leaving, port)), open_bound(Binding(staying, port))
    assert retired.udp is not None
    assert other.udp is not None
    with socket.socket(family, socket.SOCK_DGRAM) as first:
        first.connect((host, port))
        hear_no_more(retired.udp)
        heard = 0
        for _ in range(100):
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                client.sendto(b"?", (host, port))
            heard += len(other.udp.recv(1))
        assert heard == 100
        retired.udp.sendto(b"!", first.getsockname())
        assert first.recv(1) == b"!"
    retired.close()
    other.close()


def test_sockets_are_taken_over_as_they_were_handed_over() -> None:
    port = free_port()
    wanted = [Binding(LOOPBACK, port), Binding(IPv4Address("127.0.0.1"), port, "lo", tls=True)]
    before, after = Listening(), Listening()
    before.add(before.open_missing(wanted, 2))
    rows = json.loads(json.dumps(before.hand_over()))
    for row in rows:  # the other program has numbers of its own for them
        row[-1] = [os.dup(each) for each in row[-1]]
    after.add(adopted(rows))
    assert (after.bindings, after.inodes) == (before.bindings, before.inodes)
    assert not any(map(os.get_inheritable, after.descriptors))
    udp = after.of(1)[wanted[0]].udp
    assert udp is not None
    assert udp.type == socket.SOCK_DGRAM
    before.close()
    after.close()


def test_an_interface_that_does_not_exist_is_named() -> None:
    with pytest.raises(BindError, match="there is no interface 'nowhere0'; see: ip -brief link"):
        refuse_taken(Binding(LOOPBACK, 0, "nowhere0"))


def test_an_address_that_is_not_there_yet_can_be_bound() -> None:
    for address in (IPv6Address("2001:db8::77"), IPv4Address("192.0.2.77")):
        open_bound(Binding(address, 0)).close()


def test_nobody_holds_a_port_that_is_free() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    assert occupant(free, "udp") is None
