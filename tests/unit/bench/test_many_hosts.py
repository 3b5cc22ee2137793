"""The datagrams of many hosts that the bench sends."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from bench import many_hosts

DESTINATION = IPv6Address("2001:db8:64:1::cb00:7150")
ETHERNET = bytes.fromhex("02000000000102000000000286dd")


def test_each_host_has_an_address_of_its_own_on_the_lan() -> None:
    numbers = [*range(1000), *range(1 << 31, (1 << 31) + 1000), (1 << 32) - 1]

    addresses = {IPv6Address(many_hosts.host(number)) for number in numbers}

    assert len(addresses) == len(numbers)
    assert all(address in IPv6Network("2001:db8:1::/64") for address in addresses)


def test_every_frame_is_a_whole_datagram_with_a_right_checksum() -> None:
    hosts = range(65530, 65540)

    content = many_hosts.frames(DESTINATION.packed, ETHERNET, hosts)

    length = len(content) // len(hosts)
    for number, at in zip(hosts, range(0, len(content), length), strict=True):
        packet = Ether(content[at : at + length])
        assert IPv6Address(packet[IPv6].src) == IPv6Address(many_hosts.host(number))
        assert IPv6Address(packet[IPv6].dst) == DESTINATION
        assert len(packet[UDP].payload) == many_hosts.PAYLOAD
        checksum = packet[UDP].chksum
        del packet[UDP].chksum
        assert Ether(bytes(packet))[UDP].chksum == checksum
