"""The loads: each is put on one way for a bounded time, and gives one number."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.gateway import SERVER4, SERVER6
from tests.lab.namespaces import stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.gateway import BenchNetwork
    from bench.subjects import Subject
    from tests.lab.namespaces import Namespace

_SPARE: Final = 20.0
"""Seconds after its own time at which a load is given up."""

_PINGS_PER_SECOND: Final = 200
_EASY_RATE: Final = 20_000
"""Packets a second."""
_LOOKS_FOR: Final = 0.5
_MOST_BY_OTHERS: Final = 0.1
"""Of all processors' time, when processor time is measured."""
_IPERF3: Final = 5201
_SMALL: Final = ("--udp", "--length", "64")

# Serves connections one after the other: takes an octet, gives one back.
_ACCEPT: Final = """
import socket, sys
listener = socket.create_server(("::", 5300), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    try:
        connection.recv(1)
        connection.send(b"r")
    except OSError:
        pass
    connection.close()
"""

# Keeps 32 connections in the making: connect, an octet each way, and away with it by a reset, which leaves no
# TIME_WAIT anywhere. Prints how many there were a second.
_CONNECT: Final = """
import selectors, socket, struct, sys, time
address, seconds = sys.argv[1], float(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
selector = selectors.DefaultSelector()
reset = struct.pack("ii", 1, 0)
def begin():
    channel = socket.socket(family, socket.SOCK_STREAM)
    channel.setblocking(False)
    channel.connect_ex((address, 5300))
    selector.register(channel, selectors.EVENT_WRITE)
done = 0
start = time.monotonic()
for _ in range(32):
    begin()
while (now := time.monotonic()) < start + seconds:
    for key, events in selector.select(0.1):
        channel = key.fileobj
        if events & selectors.EVENT_WRITE:
            channel.send(b"q")
            selector.modify(channel, selectors.EVENT_READ)
        else:
            if channel.recv(1) != b"r":
                sys.exit("a connection ended without its answer")
            done += 1
            selector.unregister(channel)
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            channel.close()
            begin()
print(done / (now - start))
"""


# Takes datagrams and throws them away: without it the server would answer each with an ICMP error.
_SINK: Final = """
import signal, socket, sys
sink = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sink.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
sink.bind(("::", int(sys.argv[1])))
print("listening", flush=True)
signal.pause()
"""
_SINK_PORT: Final = 5401

# Sends so many datagrams a second, some each millisecond, and sleeps between: iperf3 spins, and costs what it likes.
_PACED: Final = """
import socket, sys, time
address, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
channel = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
channel.connect((address, int(sys.argv[4])))
data = bytes(64)
sent = 0
start = time.monotonic()
while (passed := time.monotonic() - start) < seconds:
    for _ in range(int(passed * rate) - sent):
        channel.send(data)
        sent += 1
    time.sleep(0.001)
"""


class LoadFailedError(Exception):
    """A load gave no number; the text is what its tool said."""


@dataclass(frozen=True, slots=True)
class Load:
    """One load. `measure` takes the network, the way that it is put on, and seconds; it raises `LoadFailedError`.

    `segments` says that segmentation offloads matter to it.
    """

    name: str
    unit: str
    measure: Callable[[BenchNetwork, Subject, int], float]
    more_is_better: bool = True
    segments: bool = False


def _iperf3(network: BenchNetwork, address: str, seconds: int, *options: str) -> dict[str, Any]:
    """Run iperf3 once between client and server and return the end of its report."""
    server = _iperf3_server(network, address, _IPERF3)
    command = ("iperf3", "--client", address, "--time", str(seconds), "--json", *options)
    return _end_of_report(_ask(network, server, command, seconds))


def _iperf3_server(network: BenchNetwork, address: str, port: int) -> subprocess.Popen[str]:
    bind = SERVER6 if address == SERVER6 else SERVER4
    return network.server.popen(
        *("iperf3", "--server", "--one-off", "--bind", bind, "--port", str(port), "--forceflush"),
        stderr=subprocess.STDOUT,
    )


def _end_of_report(completed: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    report = json.loads(completed.stdout or "{}")
    if completed.returncode or "error" in report:
        raise LoadFailedError(report.get("error") or completed.stderr.strip())
    end: dict[str, Any] = report["end"]
    return end


def _wait_for_listener(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None  # noqa: S101 - for the type checker: popen pipes it
    for line in server.stdout:
        if "listening" in line:
            return
    raise LoadFailedError("the server did not start")


def _tcp(network: BenchNetwork, subject: Subject, seconds: int, *options: str) -> float:
    received = _iperf3(network, subject.address, seconds, *options)["sum_received"]
    return float(received["bits_per_second"]) / 1e9


def _udp(network: BenchNetwork, subject: Subject, seconds: int, *, down: bool) -> float:
    """Return the thousands of packets that reached the other host each second, of as many as could be sent.

    Its interface counts them: iperf3 knows nothing of those lost at the end, and its own socket's buffer overflows.
    """
    receiver, device = (network.client, "lan0") if down else (network.server, "eth0")
    before = received(receiver, device)
    options = (*_SMALL, "--bitrate", "0", *(("--reverse",) if down else ()))
    end = _iperf3(network, subject.address, seconds, *options)
    return (received(receiver, device) - before) / float(end["sum_sent"]["seconds"]) / 1e3


def _udp_of_two(network: BenchNetwork, subject: Subject, seconds: int) -> float:
    """Return the same for two senders at a time, from the client to the server."""
    address = subject.address
    first = _iperf3_server(network, address, _IPERF3 + 1)
    command = ("iperf3", "--client", address, "--time", str(seconds), "--json", *_SMALL, "--bitrate", "0")
    try:
        _wait_for_listener(first)
        before = received(network.server, "eth0")
        other = network.client.popen(*command, "--port", str(_IPERF3 + 1))
        end = _end_of_report(_ask(network, _iperf3_server(network, address, _IPERF3), command, seconds))
        printed, complaint = other.communicate(timeout=seconds + _SPARE)
        _end_of_report(subprocess.CompletedProcess(command, other.returncode, printed, complaint))
    except subprocess.TimeoutExpired:
        raise LoadFailedError("the other iperf3 did not end in time") from None
    finally:
        stop(first)
    return (received(network.server, "eth0") - before) / float(end["sum_sent"]["seconds"]) / 1e3


def start_sink(network: BenchNetwork, port: int) -> subprocess.Popen[str]:
    """Start what takes datagrams on the server, and throws them away. Raises `LoadFailedError`."""
    sink = network.server.popen(sys.executable, "-c", _SINK, str(port))
    _wait_for_listener(sink)
    return sink


def _processor_time(network: BenchNetwork, subject: Subject, seconds: int) -> float:
    """Return the microseconds of processor time, of all together, for each packet that arrived, at a rate that all keep up with."""
    _check_idle()
    sink = start_sink(network, _SINK_PORT)
    command = (sys.executable, "-c", _PACED, subject.address, str(_EASY_RATE), str(seconds), str(_SINK_PORT))
    try:
        before, idle, began = received(network.server, "eth0"), idle_seconds(), time.monotonic()
        network.client.run(*command, timeout=seconds + _SPARE)
        busy = (time.monotonic() - began) * (os.cpu_count() or 1) - (idle_seconds() - idle)
        arrived = received(network.server, "eth0") - before
    finally:
        stop(sink)
    if arrived < _EASY_RATE * seconds * 0.95:
        raise LoadFailedError(f"{arrived} of {_EASY_RATE * seconds} packets arrived")
    return busy / arrived * 1e6


def _check_idle() -> None:
    """Raise `LoadFailedError` where others are at work on the machine: what they take would count as the packets'."""
    idle, began = idle_seconds(), time.monotonic()
    time.sleep(_LOOKS_FOR)
    others = 1 - (idle_seconds() - idle) / ((time.monotonic() - began) * (os.cpu_count() or 1))
    if others > _MOST_BY_OTHERS:
        raise LoadFailedError(f"others take {others:.0%} of the processors; try when the machine is idle")


def idle_seconds() -> float:
    """Return for how long the machine's processors have had nothing to do, all together.

    A processor that is idle gets no ticks, and is accounted to the microsecond; the time at work is only sampled, by ticks,
    which see little of what lasts less than one (proc_stat(5)).
    """
    _user, _nice, _system, idle, waiting, *_ = map(
        int, Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    )
    return (idle + waiting) / os.sysconf("SC_CLK_TCK")


def received(namespace: Namespace, device: str) -> int:
    """Return how many packets an interface has received."""
    return int(namespace.run("cat", f"/sys/class/net/{device}/statistics/rx_packets").stdout)


def _ping(network: BenchNetwork, subject: Subject, seconds: int, *, percent: int = 50) -> float:
    """Return the round trip in microseconds that so many of a hundred do not exceed."""
    count = seconds * _PINGS_PER_SECOND
    completed = network.client.run(
        *("ping", "-n", "-i", str(1 / _PINGS_PER_SECOND), "-c", str(count), "-w", str(seconds + 5)),
        subject.address,
        check=False,
        timeout=seconds + _SPARE,
    )
    times = [float(time) for time in re.findall(r"time=([\d.]+) ms", completed.stdout)]
    if len(times) < count / 2:
        raise LoadFailedError(f"{len(times)} of {count} pings came back")
    return statistics.quantiles(times, n=100)[percent - 1] * 1e3


def _ask(
    network: BenchNetwork, server: subprocess.Popen[str], command: Sequence[str], seconds: int
) -> subprocess.CompletedProcess[str]:
    """Run the client's command once the server listens, and stop the server."""
    try:
        _wait_for_listener(server)
        return network.client.run(*command, check=False, timeout=seconds + _SPARE)
    except subprocess.TimeoutExpired:
        raise LoadFailedError(f"{Path(command[0]).name} did not end in time") from None
    finally:
        stop(server)


def _connections(network: BenchNetwork, subject: Subject, seconds: int) -> float:
    """Return the connections made a second, each with an octet each way."""
    server = network.server.popen(sys.executable, "-c", _ACCEPT)
    command = (sys.executable, "-c", _CONNECT, subject.address, str(seconds))
    completed = _ask(network, server, command, seconds)
    if completed.returncode:
        raise LoadFailedError(completed.stderr.strip())
    return float(completed.stdout)


def _loss(network: BenchNetwork, subject: Subject, seconds: int) -> float:
    """Return how many of a hundred datagrams of one flow do not arrive, at a rate that all keep up with."""
    end = _iperf3(network, subject.address, seconds, *_SMALL, "--bitrate", str(_EASY_RATE * 64 * 8))
    return float(end["sum"]["lost_percent"])


def _tcp_load(name: str, *options: str) -> Load:
    return Load(name, "Gbit/s", lambda *where: _tcp(*where, *options), segments=True)


LOADS: Final = (
    _tcp_load("TCP 1 up"),
    _tcp_load("TCP 1 down", "--reverse"),
    _tcp_load("TCP 4 up", "--parallel", "4"),
    _tcp_load("TCP 4 down", "--parallel", "4", "--reverse"),
    Load("UDP 64 up", "kpps", lambda *where: _udp(*where, down=False)),
    Load("UDP 64 down", "kpps", lambda *where: _udp(*where, down=True)),
    Load("UDP 64 up, 2 senders", "kpps", _udp_of_two),
    Load("CPU", "us/packet", _processor_time, more_is_better=False),
    Load("ping", "us", _ping, more_is_better=False),
    Load("connections", "1/s", _connections),
)
"""All loads: "up" is from the client to the server, the number after TCP is how many streams there are."""

OF_KNOWN_HOST: Final = (
    _tcp_load("TCP 1 up"),
    _tcp_load("TCP 1 down", "--reverse"),
    Load("UDP lost", "%", _loss, more_is_better=False),
    Load("ping p99", "us", partial(_ping, percent=99), more_is_better=False),
    Load("connections", "1/s", _connections),
)
"""What a known host's traffic is measured by beside that of others."""
