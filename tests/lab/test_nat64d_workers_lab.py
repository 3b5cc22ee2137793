"""nat64d with several workers, each a process with a queue of the TUN device of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.lab.gateway_network import SERVER, SERVER6, GatewayNetwork
from tests.lab.namespaces import wait_until
from tests.lab.peers import UDP_ASK, UDP_ECHO, listen, transfer

pytestmark = pytest.mark.lab

# Asks once from each of 32 ports, twice at first, then for each line that comes; prints how many were answered.
FLOWS: Final = """
import select, socket, sys
channels = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(32)]
def ask():
    for channel in channels:
        channel.sendto(b"?", (sys.argv[1], 9000))
    waiting = set(channels)
    while waiting:
        ready, _, _ = select.select(waiting, (), (), 2)
        if not ready:
            break
        for channel in ready:
            channel.recv(100)
            waiting.discard(channel)
    return len(channels) - len(waiting)
ask()
print(ask(), flush=True)
while sys.stdin.readline():
    print(ask(), flush=True)
"""


@pytest.fixture
def with_workers(bare: GatewayNetwork) -> GatewayNetwork:
    bare.write_config("workers 4")
    bare.start()
    return bare


def workers_of(network: GatewayNetwork) -> list[int]:
    assert network.daemon is not None
    listed = Path(f"/proc/{network.daemon.pid}/task/{network.daemon.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


@pytest.mark.parametrize("offload", ["yes", "no"])
def test_workers_translate_what_they_know_without_the_daemon(bare: GatewayNetwork, offload: str) -> None:
    network = bare
    network.write_config("workers 4", f"offload {offload}")
    network.start()
    listen(network.server, UDP_ECHO, SERVER)
    client = network.client.popen("python3", "-c", FLOWS, SERVER6, stdin=subprocess.PIPE)
    assert client.stdout is not None
    assert client.stdin is not None
    assert client.stdout.readline() == "32\n"  # so many flows are known to the daemon, and told
    assert network.daemon is not None
    os.kill(network.daemon.pid, signal.SIGSTOP)
    try:
        client.stdin.write("\n")
        client.stdin.flush()
        answered = int(client.stdout.readline())
    finally:
        os.kill(network.daemon.pid, signal.SIGCONT)
    # By the kernel's hash some 8 of the 32 flows are in the daemon's own queue.
    assert 3 < answered < 32
    client.stdin.write("\n")
    client.stdin.flush()
    assert client.stdout.readline() == "32\n"


def test_counts_of_workers_come_together(with_workers: GatewayNetwork) -> None:
    network = with_workers
    listen(network.server, UDP_ECHO, SERVER)
    client = network.client.popen("python3", "-c", FLOWS, SERVER6, stdin=subprocess.PIPE)
    assert client.stdout is not None
    assert client.stdout.readline() == "32\n"
    assert network.ask("status")["workers"] == 4
    assert len(workers_of(network)) == 3
    wait_until(lambda: network.counter("translated_to_ipv4") >= 64, "the workers' counts")
    assert network.counter("translated_to_ipv4") == network.counter("translated_to_ipv6") == 64


def test_a_lease_that_only_workers_see_is_told_to_be_used(with_workers: GatewayNetwork) -> None:
    network = with_workers
    listen(network.server, UDP_ECHO, SERVER)
    network.client.python(UDP_ASK, SERVER6, "100")

    def last_used() -> float:
        (row,) = [row for row in network.ask("hosts")["rows"] if row["kind"] == "dynamic"]
        return float(row["last_used"])

    first = last_used()
    transfer(network, 300_000)
    wait_until(lambda: last_used() > first, "the lease's use to be told")


def test_a_worker_that_dies_is_replaced_by_the_daemon(with_workers: GatewayNetwork) -> None:
    network = with_workers
    transfer(network, 300_000)
    for pid in workers_of(network):
        os.kill(pid, signal.SIGKILL)
    network.wait_for_log("a worker has ended")
    for _ in range(8):
        transfer(network, 100_000)
    assert network.ask("status")["workers"] == 1


def test_there_is_a_worker_for_each_core(bare: GatewayNetwork) -> None:
    bare.start()
    assert bare.ask("status")["workers"] == len(os.sched_getaffinity(0))


def test_workers_follow_a_reload(with_workers: GatewayNetwork) -> None:
    network = with_workers
    for _ in range(4):
        transfer(network, 100_000)
    network.write_config("workers 4", "map 192.0.2.9 2001:db8:1::c")
    network.gateway.run("ip", "route", "add", "192.0.2.9", "dev", "nat64")
    network.router4.run("ip", "route", "add", "192.0.2.9", "via", "198.51.100.2")
    network.ask("reload")
    before = network.ask("hosts")["rows"]
    assert [row["address"] for row in before if row["kind"] == "static"] == ["192.0.2.9"]
    seen = listen(network.server, UDP_ECHO, SERVER)
    for _ in range(4):
        transfer(network, 100_000)
    assert seen.poll() is None


def test_workers_end_with_the_daemon_however_it_ends(with_workers: GatewayNetwork) -> None:
    network = with_workers
    pids = workers_of(network)
    assert network.daemon is not None
    network.daemon.kill()
    network.daemon.wait()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "the workers to end")
    network.start()
    pids = workers_of(network)
    assert network.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_workers_are_waited_for_also_where_the_end_of_children_was_ignored_before(
    bare: GatewayNetwork,
) -> None:
    bare.write_config("workers 2")
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # what we start inherits it
    try:
        bare.start()
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert len(workers_of(bare)) == 1
    transfer(bare, 100_000)
    assert bare.stop() == 0
    assert "Traceback" not in bare.log.read_text()


def test_a_device_made_for_one_worker_is_served_by_one(bare: GatewayNetwork) -> None:
    bare.write_config("workers 1")
    bare.command("--mktun")
    bare.write_config("workers 2")
    bare.start()
    bare.wait_for_log("was made for one worker")
    transfer(bare)
    assert bare.ask("status")["workers"] == 1
    bare.stop()
    bare.command("--rmtun")
    bare.command("--mktun")
    bare.start()
    assert bare.ask("status")["workers"] == 2
    bare.stop()
    bare.write_config("workers 1")
    bare.start()  # of a device with several queues
    transfer(bare)
