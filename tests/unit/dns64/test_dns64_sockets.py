"""Where dns64d listens, and from which address a response leaves."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address

import pytest

from nat64.config.totd import parse
from nat64.dns64.occupant import occupant
from nat64.dns64.sockets import BindError, Binding, Families, bindings, open_pair
from nat64.dns64.udp_listener import source_control

FORWARDER = "forwarder 192.0.2.53\n"
LOOPBACK = IPv6Address("::1")


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


def test_a_taken_port_names_its_holder_and_leaves_nothing_open() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as holder:
        holder.bind(("::1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(
            BindError, match=r"cannot listen on \[::1\]:\d+ \(tcp\): the port is taken by "
        ) as error:
            open_pair(Binding(LOOPBACK, port))
        assert error.value.taken
    open_pair(Binding(LOOPBACK, port)).close()


def test_an_interface_that_does_not_exist_is_named() -> None:
    with pytest.raises(BindError, match="there is no interface 'nowhere0'; see: ip -brief link"):
        open_pair(Binding(LOOPBACK, 0, "nowhere0"))


def test_an_address_that_is_not_there_yet_can_be_bound() -> None:
    for address in (IPv6Address("2001:db8::77"), IPv4Address("192.0.2.77")):
        open_pair(Binding(address, 0)).close()


def test_nobody_holds_a_port_that_is_free() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    assert occupant(free, "udp") is None


def test_a_response_leaves_from_the_queries_destination_by_whatever_route() -> None:
    ours, destination = IPv4Address("192.0.2.1").packed, IPv4Address("192.0.2.255").packed
    received = (socket.IPPROTO_IP, 8, struct.pack("=i4s4s", 7, ours, destination))
    assert source_control([received]) == [(socket.IPPROTO_IP, 8, struct.pack("=i4s4s", 0, ours, bytes(4)))]


@pytest.mark.parametrize(("address", "interface"), [("2001:db8::1", 0), ("fe80::1", 7)])
def test_the_interface_is_named_only_for_link_local_addresses(address: str, interface: int) -> None:
    packed = IPv6Address(address).packed
    received = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, struct.pack("=16si", packed, 7))
    expected = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, struct.pack("=16si", packed, interface))
    assert source_control([received]) == [expected]


def test_other_control_messages_are_left_aside() -> None:
    assert source_control([(socket.SOL_SOCKET, 29, bytes(16))]) == []
