"""Where dns64d listens, and from which address a response leaves."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest

from nat64.config.totd import parse
from nat64.dns64.occupant import occupant
from nat64.dns64.sockets import BindError, Binding, Families, bindings, open_pair

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
