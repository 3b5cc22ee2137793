"""The real nat64d in network namespaces, with Linux's own stacks as its peers."""

from __future__ import annotations

import ipaddress
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from scapy.compat import raw
from scapy.layers.inet import IP, UDP

from tests.lab.gateway_network import (
    CLIENT,
    COMMANDS,
    CONFIG,
    GATEWAY6,
    OWN4,
    OWN6,
    ROUTER6,
    SERVER,
    SERVER6,
    GatewayNetwork,
)
from tests.lab.namespaces import stop, wait_until
from tests.lab.peers import TCP_PEER, UDP_ASK, UDP_ECHO, listen, transfer

pytestmark = pytest.mark.lab


@pytest.fixture(params=["off", "require"], ids=["python", "fast_path"])
def fast_path(request: pytest.FixtureRequest) -> str:
    """The kernel's part may do nothing that Python's would not do."""
    return str(request.param)


# Puts packets, in hex, on the wire to a neighbour as they are; no kernel writes their headers.
SEND_AS_THEY_ARE = """
import socket, sys
_, device, neighbour, *packets = sys.argv
rows = [line.split() for line in open("/proc/net/arp").readlines()[1:]]
(mac,) = [bytes.fromhex(row[3].replace(":", "")) for row in rows if row[0] == neighbour]
channel = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
for packet in packets:
    channel.sendto(bytes.fromhex(packet), (device, 0x0800, 0, 1, mac))
"""


@pytest.fixture(params=["yes", "no"], ids=["offloads", "no_offloads"])
def either(bare: GatewayNetwork, request: pytest.FixtureRequest) -> GatewayNetwork:
    """The network with and without offloads: what arrives must be the same."""
    bare.write_config(f"offload {request.param}")
    bare.start()
    return bare


def test_ping_both_ways(network: GatewayNetwork) -> None:
    assert network.ping()
    assert network.ping("-s", "1400")
    network.server.run("ping", "-c1", "-W5", network.lease())


def test_the_translator_answers_on_both_its_addresses(network: GatewayNetwork) -> None:
    assert network.ping(of=OWN6)
    network.server.run("ping", "-c1", "-W5", OWN4)


def test_tcp_streams_arrive_unchanged(either: GatewayNetwork) -> None:
    transfer(either)


def test_rfc1812_5_2_2_damaged_ipv4_headers_never_reach_the_translator(network: GatewayNetwork) -> None:
    network.ping()
    before = network.counter("translated_to_ipv6")
    right = raw(IP(src=SERVER, dst=network.lease()) / UDP(sport=1, dport=2) / b"x")
    damaged = right[:10] + bytes((right[10] ^ 1,)) + right[11:]
    network.router4.python(SEND_AS_THEY_ARE, "down0", "198.51.100.2", damaged.hex(), right.hex())
    wait_until(lambda: network.counter("translated_to_ipv6") > before, "the sound packet is translated")
    assert network.counter("translated_to_ipv6") == before + 1


def test_large_packets_go_through_whole(network: GatewayNetwork) -> None:
    octets = 2_000_000
    transfer(network, octets)
    status = network.ask("status")
    assert status["offloads"] is True
    assert status["counters"]["translated_to_ipv4"] < octets / 1400
    assert status["counters"]["translated_to_ipv6"] < octets / 1400


def test_a_persistent_tun_goes_to_one_that_knows_no_offloads(bare: GatewayNetwork) -> None:
    bare.command("--mktun")
    bare.start()
    assert bare.daemon is not None
    bare.daemon.kill()
    bare.daemon.wait()
    bare.write_config("offload no")
    bare.start()
    transfer(bare)
    assert bare.ask("status")["offloads"] is False


def test_udp_datagrams_come_back_also_in_fragments(either: GatewayNetwork) -> None:
    listen(either.server, UDP_ECHO, SERVER)
    for octets in (0, 1, 1200, 1452, 1472, 4000, 20000):
        assert either.client.python(UDP_ASK, SERVER6, str(octets)).stdout == "right\n", octets


def test_traceroute_shows_every_hop(network: GatewayNetwork) -> None:
    network.ping()
    shown = network.client.run("traceroute", "-n", "-q2", "-w5", "-m8", SERVER6).stdout
    hops = [re.findall(r"[0-9a-f:.]*:[0-9a-f:.]+", line) for line in shown.splitlines()[1:]]
    assert [hop[0] for hop in hops if hop] == [
        ROUTER6,
        GATEWAY6,
        OWN6,
        "2001:db8:64:ff9b::c633:6482",  # the gateway's kernel, on the TUN
        "2001:db8:64:ff9b::c633:6401",  # router4
        SERVER6,
    ], shown


def test_traceroute_from_the_ipv4_side(network: GatewayNetwork) -> None:
    network.ping()
    lease = network.lease()
    shown = network.server.run("traceroute", "-n", "-q2", "-w5", "-m8", lease).stdout
    hops = [re.findall(r"\d+\.\d+\.\d+\.\d+", line) for line in shown.splitlines()[1:]]
    assert [hop[0] for hop in hops if hop] == ["203.0.113.1", "198.51.100.2", OWN4, OWN4, OWN4, lease], shown


def test_rfc6791_traceroute_from_the_ipv4_side_tells_routers_apart(bare: GatewayNetwork) -> None:
    bare.write_config("rfc6791-pool 192.168.239.0/24", "tun-route 192.168.239.0/24", "rfc5837 yes")
    bare.router4.run("ip", "route", "add", "192.168.239.0/24", "via", "198.51.100.2")
    bare.start()
    bare.ping()
    shown = bare.server.run("traceroute", "-n", "-e", "-q2", "-w5", "-m8", bare.lease()).stdout
    hops = [re.findall(r"\d+\.\d+\.\d+\.\d+", line) for line in shown.splitlines()[1:]]
    first, second, third, *routers, last = [hop[0] for hop in hops if hop]
    assert (first, second, third, last) == ("203.0.113.1", "198.51.100.2", OWN4, bare.lease())
    assert len(set(routers)) == 2, shown
    assert all(ipaddress.ip_address(router) in ipaddress.ip_network("192.168.239.0/24") for router in routers)
    for address in (GATEWAY6, "2001:db8:2::1"):  # as traceroute shows an object: class, type, and words
        assert f"<2/4:00020000,{ipaddress.ip_address(address).packed.hex(',', 4)}>" in shown
    asked = bare.server.run("ping", "-c1", "-W5", routers[0], check=False)
    assert f"From {OWN4} icmp_seq=1 Destination Host Unreachable" in asked.stdout


def test_a_large_ping_that_ends_on_the_ipv6_side_is_told_to_its_sender(network: GatewayNetwork) -> None:
    """The translator fragments it, and the IPv6 router's error shows the first fragment."""
    network.ping()
    completed = network.server.run(
        "ping", "-c1", "-W5", "-M", "dont", "-s", "1400", "-t5", network.lease(), check=False
    )
    assert f"From {OWN4} icmp_seq=1 Time to live exceeded" in completed.stdout


def test_path_mtu_discovery_with_a_small_link_on_the_ipv4_side(either: GatewayNetwork) -> None:
    either.gateway.run("ip", "link", "set", "wan0", "mtu", "1300")
    either.router4.run("ip", "link", "set", "down0", "mtu", "1300")
    transfer(either)
    counters = either.ask("status")["counters"]
    assert counters["translated_errors_to_ipv6"] >= counters.get("fast_path_error_to_ipv6", 1) > 0


def test_path_mtu_discovery_with_a_small_link_on_the_ipv6_side(either: GatewayNetwork) -> None:
    either.gateway.run("ip", "link", "set", "lan0", "mtu", "1300")
    either.router6.run("ip", "link", "set", "up0", "mtu", "1300")
    transfer(either)
    assert either.counter("translated_errors_to_ipv4") > 0


def test_a_packet_too_long_for_the_tun_is_told_to_its_sender(network: GatewayNetwork) -> None:
    network.ping()
    completed = network.server.run(
        "ping", "-c1", "-W5", "-M", "do", "-s", "1470", network.lease(), check=False
    )
    assert "mtu = 1480" in completed.stdout + completed.stderr
    assert network.counter("icmp_too_big") == 1


def test_a_tun_with_another_mtu_is_followed(network: GatewayNetwork) -> None:
    network.gateway.run("ip", "link", "set", "nat64", "mtu", "1400")
    wait_until(lambda: network.ask("status")["mtu"] == 1400, "the daemon to see the MTU")
    transfer(network)


def test_two_hosts_reach_each_other_through_the_pool(network: GatewayNetwork) -> None:
    network.client.run("ip", "address", "add", "2001:db8:1::d/64", "dev", "lan0", "nodad")
    network.ping("-I", "2001:db8:1::d")
    (lease,) = [row["address"] for row in network.ask("hosts")["rows"] if row["host"] == "2001:db8:1::d"]
    embedded = ipaddress.IPv6Address(
        int(ipaddress.IPv6Address("2001:db8:64:ff9b::")) + int(ipaddress.IPv4Address(lease))
    )
    assert network.ping("-I", CLIENT, of=str(embedded))


def test_rfc7757_4_two_hosts_speak_by_their_ipv4_addresses(network: GatewayNetwork) -> None:
    """TCP and UDP there and back, fragments too, and what a router and the host itself refuse."""
    network.write_config("map 192.168.240.77 2001:db8:2::1", "map 192.168.240.78 2001:db8:2::99")
    network.ask("reload")
    router = "2001:db8:64:ff9b::192.168.240.77"  # router6, a host like any other here
    assert network.ping(of=router)
    assert network.ping("-s", "1400", of=router)
    server = listen(network.router6, TCP_PEER, "server", "2001:db8:2::1", "2000000")
    client = network.client.python(TCP_PEER, "client", router, "2000000")
    assert client.stdout == "right\n"
    assert server.stdout is not None
    assert server.stdout.readline() == "right\n"
    listen(network.router6, UDP_ECHO, "2001:db8:2::1")
    assert network.client.python(UDP_ASK, router, "100").stdout == "right\n"
    assert network.client.python(UDP_ASK, router, "5000").stdout == "right\n"
    trace = network.client.run("traceroute", "-6", "-n", "-q1", "-w5", "-m6", "-p", "40000", router).stdout
    hops = [line.split()[1] for line in trace.splitlines()[1:]]
    assert hops[-1] == "2001:db8:64:ff9b::c0a8:f04d"  # the port unreachable, from whom it was asked of
    gone = network.client.run("ping", "-c1", "-W5", "2001:db8:64:ff9b::192.168.240.78", check=False)
    assert f"From {OWN6}" in gone.stdout  # a router's, which has no IPv4 address
    counters = network.ask("status")["counters"]
    if network.fast_path == "require":  # what the kernel turned back counts in both
        assert counters["translated_hairpinned"] >= counters["fast_path_turned_back"] > 100
    else:
        assert counters["translated_hairpinned"] > 1000
    assert network.counter("translated_to_ipv4") == 0
    assert network.counter("translated_to_ipv6") == 0


def test_each_of_two_prefixes_has_its_own_leases(network: GatewayNetwork) -> None:
    network.ping()
    network.write_config(
        "prefix 2001:db8:65::/64 pool 192.168.250.0/24",
        "tun-route 2001:db8:65::/64",
        "tun-route 192.168.250.0/24",
        base=CONFIG.replace("192.168.240.0/20", "192.168.240.0/21"),
    )
    network.ask("reload")
    network.router4.run("ip", "route", "add", "192.168.250.0/24", "via", "198.51.100.2")
    through = "2001:db8:65:0:cb:71:5000::"  # SERVER, RFC 6052 section 2.2
    assert network.ping()
    assert network.ping(of=through)

    def leases() -> dict[str, str]:
        return {row["prefix"]: row["address"] for row in network.ask("hosts")["rows"]}

    before = leases()
    assert before.keys() == {"2001:db8:64:ff9b::/96", "2001:db8:65::/64"}
    assert before["2001:db8:65::/64"].startswith("192.168.250.")
    server = listen(network.server, TCP_PEER, "server", SERVER, "2000000")
    assert network.client.python(TCP_PEER, "client", through, "2000000").stdout == "right\n"
    stop(server)
    for address in before.values():  # also from the IPv4 side
        network.server.run("ping", "-c1", "-W5", address)
    assert network.stop() == 0
    network.start()
    assert leases() == before
    assert [pool["leased"] for pool in network.ask("status")["pools"]] == [1, 1]


def test_unmapped_destinations_are_refused_at_once(network: GatewayNetwork) -> None:
    completed = network.server.run("ping", "-c1", "-W5", "192.168.240.99", check=False)
    assert "Destination Host Unreachable" in completed.stdout
    assert f"From {OWN4}" in completed.stdout


def test_an_exhausted_pool_refuses_new_hosts_and_keeps_the_others(bare: GatewayNetwork) -> None:
    bare.write_config(
        base=CONFIG.replace("192.168.240.0/20", "192.168.240.4/31").replace(OWN4, "192.168.241.1")
    )
    bare.router4.run("ip", "route", "add", "192.168.240.4/31", "via", "198.51.100.2")
    bare.start()
    assert bare.ping()
    bare.client.run("ip", "address", "add", "2001:db8:1::d/64", "dev", "lan0", "nodad")
    completed = bare.client.run("ping", "-c1", "-W5", "-I", "2001:db8:1::d", SERVER6, check=False)
    assert "Address unreachable" in completed.stdout
    bare.wait_for_log("the dynamic pool is exhausted")
    assert bare.ping("-I", CLIENT)


# Leases and restarts


def test_a_lease_survives_a_restart(network: GatewayNetwork) -> None:
    network.ping()
    before = network.lease()
    assert network.stop() == 0
    lines = (network.directory / "dynamic.map").read_text().splitlines()
    assert lines[-1].split("\t")[:2] == [before, CLIENT]
    network.start()
    assert network.lease() == before
    network.server.run("ping", "-c1", "-W5", before)  # without a packet of the client's first


def test_a_lease_older_than_the_save_interval_survives_kill_9(network: GatewayNetwork) -> None:
    network.ping()
    before = network.lease()
    saved = network.directory / "dynamic.map"
    wait_until(lambda: saved.exists() and CLIENT in saved.read_text(), "the lease to be saved")
    assert network.daemon is not None
    network.daemon.kill()
    network.daemon.wait()
    wait_until(
        lambda: network.gateway.run("ip", "link", "show", "nat64", check=False).returncode, "the TUN to go"
    )
    network.start()
    assert network.lease() == before


def test_leases_come_back_with_a_pool_that_a_reload_brings_back(network: GatewayNetwork) -> None:
    network.ping()
    before = network.lease()
    saved = network.directory / "dynamic.map"
    wait_until(lambda: saved.exists() and CLIENT in saved.read_text(), "the lease to be saved")
    network.write_config(base=CONFIG.replace("dynamic-pool 192.168.240.0/20\n", ""))
    network.ask("reload")
    assert network.ask("status")["pools"] == []
    network.write_config()
    network.ask("reload")
    assert network.lease() == before


def test_a_persistent_tun_and_its_routes_survive_restarts(bare: GatewayNetwork) -> None:
    bare.command("--mktun")
    index = bare.gateway.run("cat", "/sys/class/net/nat64/ifindex").stdout
    routes = bare.gateway.run("ip", "route", "show", "dev", "nat64").stdout
    assert "192.168.240.0/20 proto 64" in routes
    redirects = "/proc/sys/net/ipv4/conf/nat64/send_redirects"
    assert bare.gateway.run("cat", redirects).stdout == "0\n"
    bare.gateway.run("sh", "-c", f"echo 1 >{redirects}")
    for _ in range(2):
        bare.start()
        assert bare.ping()
        assert bare.stop() == 0
        assert bare.gateway.run("cat", "/sys/class/net/nat64/ifindex").stdout == index
        assert bare.gateway.run("ip", "route", "show", "dev", "nat64").stdout == routes
        assert bare.gateway.run("cat", redirects).stdout == "0\n"
    bare.command("--rmtun")
    assert "does not exist" in bare.gateway.run("ip", "link", "show", "nat64", check=False).stderr
    bare.command("--rmtun")  # none is fine too


def test_mktun_adds_what_is_missing_and_removes_only_routes_of_ours(bare: GatewayNetwork) -> None:
    bare.command("--mktun")
    bare.gateway.run("ip", "route", "add", "192.0.2.0/24", "dev", "nat64")  # somebody else's
    bare.gateway.run("ip", "route", "del", "2001:db8:64:ff9b::/96", "dev", "nat64")
    bare.write_config("tun-route 192.168.16.0/24", base=CONFIG.replace("tun-route 192.168.240.0/20\n", ""))
    bare.command("--mktun")
    routes = bare.gateway.run("ip", "route", "show", "dev", "nat64").stdout
    assert "192.0.2.0/24" in routes
    assert "192.168.16.0/24 proto 64" in routes
    assert "192.168.240.0/20" not in routes
    assert "2001:db8:64:ff9b::/96" in bare.gateway.run("ip", "-6", "route", "show", "dev", "nat64").stdout


def test_sigterm_ends_within_a_second(network: GatewayNetwork) -> None:
    assert network.daemon is not None
    network.daemon.send_signal(signal.SIGTERM)
    assert network.daemon.wait(timeout=5) == 0  # one second, and what a loaded test machine needs
    assert "msg=ended" in network.log.read_text()
    assert not network.socket.exists()


def test_a_tun_taken_away_ends_the_daemon_with_a_reason(network: GatewayNetwork) -> None:
    network.gateway.run("ip", "link", "del", "nat64")
    assert network.daemon is not None
    assert network.daemon.wait(timeout=20) == 1
    assert "the TUN device is gone" in network.log.read_text()


# Config


def test_reload_takes_a_new_map_and_keeps_connections_and_leases(network: GatewayNetwork) -> None:
    network.ping()
    lease = network.lease()
    server = listen(network.server, TCP_PEER, "server", SERVER, "20000000")
    client = network.client.popen("python3", "-c", TCP_PEER, "client", SERVER6, "20000000")
    network.write_config("map 192.168.240.77 2001:db8:1::77")
    for _ in range(5):
        assert network.ask("reload") == {"warnings": []}
    assert client.stdout is not None
    assert client.stdout.readline() == "right\n"
    stop(server)
    assert network.lease() == lease
    assert {
        "host": "2001:db8:1::77",
        "address": "192.168.240.77",
        "prefix": "2001:db8:64:ff9b::/96",
        "kind": "static",
        "last_used": None,
    } in network.ask("hosts")["rows"]
    network.client.run("ip", "address", "add", "2001:db8:1::77/64", "dev", "lan0", "nodad")
    network.server.run("ping", "-c1", "-W5", "192.168.240.77")


def test_reload_by_sighup_applies_routes(network: GatewayNetwork) -> None:
    network.write_config("tun-route 192.168.99.0/24")
    assert network.daemon is not None
    network.daemon.send_signal(signal.SIGHUP)
    network.wait_for_log('msg="config reloaded"')
    assert "192.168.99.0/24" in network.gateway.run("ip", "route", "show", "dev", "nat64").stdout


def test_a_sighup_while_it_starts_waits(bare: GatewayNetwork) -> None:
    with bare.log.open("w") as log:
        bare.daemon = bare.gateway.popen(
            *(str(COMMANDS / "nat64d"), "-c", str(bare.config), "-n"), stdout=subprocess.DEVNULL, stderr=log
        )
    bare.wait_for_log("interface changed")
    bare.daemon.send_signal(signal.SIGHUP)
    bare.wait_for_log('msg="config reloaded"')
    shown = bare.log.read_text()
    assert shown.index("msg=translating") < shown.index('msg="config reloaded"')


def test_a_broken_config_never_replaces_one_that_runs(network: GatewayNetwork) -> None:
    network.write_config("prefex 64:ff9b::/96", "offlink-mtu 5")
    mistakes = network.ask("reload", check=False)["error"]
    assert f"{network.config}:14: unknown directive 'prefex'; did you mean 'prefix'?" in mistakes
    assert f"{network.config}:15: '5' is not a valid offlink-mtu" in mistakes
    assert network.daemon is not None
    network.daemon.send_signal(signal.SIGHUP)
    network.wait_for_log("the old one stays")
    assert network.ping()


def test_sighup_reads_the_map_file_again_and_a_bad_one_keeps_the_old_maps(network: GatewayNetwork) -> None:
    def maps() -> list[str]:
        return [row["address"] for row in network.ask("hosts")["rows"] if row["kind"] == "static"]

    assert network.daemon is not None
    file = network.directory / "maps"
    file.write_text("map 192.168.240.77 2001:db8:1::77\n")
    network.write_config(f"map-file {file}")
    network.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: maps() == ["192.168.240.77"], "the map of the file")
    file.write_text("map 192.168.240.78 2001:db8:1::78\nmap 192.168.240.79 2001:db8:1::78\n")
    network.daemon.send_signal(signal.SIGHUP)
    network.wait_for_log(f"{file}:2: 2001:db8:1::78/128 is already mapped at {file}:1")
    assert maps() == ["192.168.240.77"]
    file.write_text("map 192.168.240.78 2001:db8:1::78\n")
    network.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: maps() == ["192.168.240.78"], "the map of the mended file")
    assert network.ping()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_of_thousands_of_maps_loses_no_packet(bare: GatewayNetwork, workers: int) -> None:
    file = bare.directory / "maps"
    bare.write_config(f"map-file {file}", f"workers {workers}")
    maps = [f"map 10.0.{i >> 8}.{i & 255} 2001:db8:77::{i:x}\n" for i in range(1, 5001)]
    file.write_text("".join(maps))
    bare.start()
    assert bare.ping()
    pings = bare.client.popen("ping", "-q", "-i0.002", "-c1000", SERVER6)
    for more in range(3):
        file.write_text("".join(maps[more:]))
        assert bare.ask("reload") == {"warnings": []}
    assert pings.stdout is not None
    assert " 0% packet loss" in pings.stdout.read()


def test_a_change_that_needs_a_restart_is_told(network: GatewayNetwork) -> None:
    network.write_config(base=CONFIG.replace("tun-device nat64", "tun-device other"))
    assert network.ask("reload") == {"warnings": ["tun-device changed; restart nat64d to use it"]}
    assert network.ping()


def test_a_broken_config_is_refused_with_status_2(bare: GatewayNetwork) -> None:
    bare.write_config("no-such-thing 1")
    for arguments in (("-n",), ("--check",), ("--mktun",), ("--rmtun",)):
        completed = bare.command(*arguments, check=False)
        assert completed.returncode == 2
        assert completed.stderr.startswith(f"{bare.config}:14: unknown directive 'no-such-thing'; ")
    assert bare.gateway.run("ip", "link", "show", "nat64", check=False).returncode


def test_status_tells_what_runs(network: GatewayNetwork) -> None:
    network.ping()
    status = network.ask("status")
    assert network.daemon is not None
    expected = {
        "daemon": "nat64d",
        "pid": network.daemon.pid,
        "config": str(network.config),
        "device": "nat64",
        "mtu": 1500,
        "ipv4_addr": OWN4,
        "ipv6_addr": OWN6,
        "prefixes": ["2001:db8:64:ff9b::/96"],
        "pools": [
            {
                "network": "192.168.240.0/20",
                "size": 4094,
                "leased": 1,
                "prefix": "2001:db8:64:ff9b::/96",
            }
        ],
        "hairpin": "intrinsic",
        "maps": 0,
    }
    assert {key: status[key] for key in expected} == expected
    assert status["counters"]["translated_to_ipv4"] >= 1
    assert network.ask("check-config") == {"config": str(network.config), "warnings": [], "mistakes": []}


# The process


def test_stats_tells_each_counter(network: GatewayNetwork) -> None:
    network.ping()
    rows = {row["name"]: row for row in network.ask("stats")["rows"]}
    assert rows["translated_to_ipv4_icmp"]["count"] == 1
    assert rows["device_write_failed"] == {
        "name": "device_write_failed",
        "count": 0,
        "meaning": "packets that the TUN device did not take",
    }


def test_readiness_is_told_to_systemd(bare: GatewayNetwork) -> None:
    address = bare.directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(20)
        bare.start("-n", NOTIFY_SOCKET=str(address))
        assert channel.recv(100) == b"READY=1"
        assert bare.daemon is not None
        bare.daemon.send_signal(signal.SIGHUP)
        assert channel.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert channel.recv(100) == b"READY=1"
        bare.stop()
        assert channel.recv(100) == b"STOPPING=1"


def test_privileges_are_dropped_but_for_those_that_are_needed(bare: GatewayNetwork) -> None:
    bare.directory.chmod(0o777)
    bare.start("-n", "-u", "nobody", "-g", "nogroup")
    assert bare.daemon is not None
    status = Path(f"/proc/{bare.daemon.pid}/status").read_text()
    nobody = 65534
    assert f"Uid:\t{nobody}\t{nobody}\t{nobody}\t{nobody}\n" in status
    assert f"Gid:\t{nobody}\t{nobody}\t{nobody}\t{nobody}\n" in status
    assert "Groups:\t65534 \n" in status
    kept = 1 << 12 | (1 << 39 if bare.fast_path == "require" else 0)  # CAP_NET_ADMIN, CAP_BPF
    assert f"CapEff:\t{kept:016x}\n" in status
    assert bare.ping()
    bare.write_config("tun-route 192.168.99.0/24")
    assert bare.ask("reload") == {"warnings": []}
    assert "192.168.99.0/24" in bare.gateway.run("ip", "route", "show", "dev", "nat64").stdout
    assert bare.stop() == 0
    assert CLIENT in (bare.directory / "dynamic.map").read_text()


def test_the_device_is_made_for_a_user(bare: GatewayNetwork) -> None:
    bare.command("--mktun", "-u", "nobody", "-g", "nogroup")
    for owner in ("owner", "group"):
        assert bare.gateway.run("cat", f"/sys/class/net/nat64/{owner}").stdout == "65534\n"
    bare.start()
    assert bare.ping()


def test_without_n_or_d_it_goes_into_the_background(bare: GatewayNetwork) -> None:
    pidfile = bare.directory / "pid"
    bare.command("-p", str(pidfile))
    pid = int(pidfile.read_text())
    try:
        assert bare.ask("status")["pid"] == pid
        assert bare.ping()
        assert os.getsid(pid) != os.getsid(0)
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not pidfile.exists(), "the pidfile to go")


def test_in_a_chroot_leases_are_still_saved(bare: GatewayNetwork) -> None:
    bare.directory.chmod(0o777)
    bare.start("-n", "-r", "-u", "nobody")
    assert bare.ping()
    before = bare.lease()
    assert bare.daemon is not None
    assert Path(f"/proc/{bare.daemon.pid}/root").readlink() == bare.directory
    bare.stop()
    assert before in (bare.directory / "dynamic.map").read_text()
