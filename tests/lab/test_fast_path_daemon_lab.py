"""nat64d with its fast path: known hosts' packets go through the kernel, whatever becomes of the daemon."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.lab.gateway_network import CLIENT, COMMANDS, CONFIG, SERVER, SERVER6, GatewayNetwork
from tests.lab.namespaces import stop, wait_until
from tests.lab.peers import UDP_ECHO, listen
from tests.lab.steady_flow import SteadyFlow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.lab

RESTARTS: Final = int(os.environ.get("RESTARTS", "2"))
"""Of each kind; `make hitless` has more."""


@pytest.fixture
def bpffs() -> Iterator[Path]:
    """A BPF file system of the test's own, which every user reaches, and commands in namespaces see as well."""
    with tempfile.TemporaryDirectory(prefix="nat64-bpf-") as name:
        directory = Path(name)
        subprocess.run(["mount", "-t", "bpf", "bpf", directory], check=True)
        try:
            directory.chmod(0o755)
            yield directory
        finally:
            subprocess.run(["umount", directory], check=True)


@pytest.fixture
def fast_path() -> str:
    return "auto"


@pytest.fixture
def fast(bare: GatewayNetwork, bpffs: Path) -> GatewayNetwork:
    """The network with a persistent TUN and a daemon that has the fast path."""
    write_config(bare, bpffs)
    bare.command("--mktun")
    bare.start()
    return bare


def write_config(network: GatewayNetwork, bpffs: Path, *lines: str, base: str = CONFIG) -> None:
    network.write_config(f"bpffs {bpffs}", *lines, base=base)


def kill(network: GatewayNetwork) -> None:
    assert network.daemon is not None
    network.daemon.kill()
    network.daemon.wait()


def in_kernel(network: GatewayNetwork) -> int:
    """Return how many packets the kernel has translated."""
    counters = network.ask("status")["counters"]
    return sum(count for name, count in counters.items() if name.startswith("fast_path_to_"))


def pins(bpffs: Path) -> set[str]:
    directory = bpffs / "nat64" / "nat64"
    return {path.name for path in directory.iterdir()} if directory.exists() else set()


def test_the_first_packet_of_a_host_is_translated_in_python_and_the_rest_in_the_kernel(
    fast: GatewayNetwork,
) -> None:
    assert fast.ping()
    first = fast.ask("status")
    assert first["fast_path"] == "live"
    fast.client.run("ping", "-c10", "-i0.01", SERVER6)
    counters = fast.ask("status")["counters"]
    assert counters["fast_path_to_ipv4_icmp"] == 10
    assert counters["fast_path_to_ipv6_icmp"] >= 10
    assert counters["fast_path_passed_unknown_address"] == 1
    assert counters["translated_to_ipv4_icmp"] == 11


def test_stats_says_what_was_left_to_the_daemon_and_why(fast: GatewayNetwork) -> None:
    fast.ping()
    fast.ping("-t", "1", check=False)
    rows = {row["name"]: row for row in fast.ask("stats")["rows"]}
    assert rows["fast_path_passed_unknown_address"] == {
        "name": "fast_path_passed_unknown_address",
        "count": 1,
        "meaning": "fast path: a new host, or an address without a mapping",
    }
    assert rows["fast_path_lost"]["count"] == 0


_FROM_NEW_HOSTS: Final = """
import socket, sys
for number in range(1, 301):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as channel:
        channel.setsockopt(socket.IPPROTO_IPV6, 78, 1)  # IPV6_FREEBIND
        channel.bind((f"2001:db8:1::{sys.argv[2]}:{number:x}", 0))
        channel.sendto(b"new", (sys.argv[1], 9))
"""


def new_hosts(network: GatewayNetwork, which: str) -> dict[str, int]:
    """Have 300 hosts that are not known send a packet each; return what grew by that of the counters."""

    def look() -> dict[str, int]:
        counters: dict[str, int] = network.ask("status")["counters"]
        return counters

    def seen(since: dict[str, int]) -> dict[str, int]:
        now = look()
        return {name: now[name] - count for name, count in since.items()}

    before = look()
    network.client.python(_FROM_NEW_HOSTS, SERVER6, which)
    up, over = "fast_path_passed_unknown_address", "fast_path_over_budget"
    wait_until(lambda: seen(before)[up] + seen(before)[over] >= 300, "the packets of 300 hosts")
    return seen(before)


def test_invented_hosts_get_no_more_of_the_daemon_than_new_hosts_says_and_known_ones_go_on(
    bare: GatewayNetwork, bpffs: Path
) -> None:
    write_config(bare, bpffs, "new-hosts 2")
    bare.command("--mktun")
    bare.start()
    assert bare.ping()

    of_new = new_hosts(bare, "77")

    assert 0 < of_new["fast_path_passed_unknown_address"] < 150
    assert of_new["fast_path_over_budget"] > 150
    assert bare.ask("status")["pools"][0]["leased"] <= 1 + of_new["fast_path_passed_unknown_address"]
    translated = in_kernel(bare)
    bare.client.run("ping", "-c10", "-i0.01", SERVER6)
    assert in_kernel(bare) - translated >= 20

    write_config(bare, bpffs, "new-hosts unlimited")
    reload(bare)
    assert new_hosts(bare, "78")["fast_path_over_budget"] == 0


def test_where_not_every_host_has_a_place_in_the_kernel_none_is_taken_for_a_new_one(
    bare: GatewayNetwork, bpffs: Path
) -> None:
    """A pool of two million addresses: the kernel does not know all the hosts that Python does."""
    base = CONFIG.replace("192.168.240.0/20", "10.0.0.0/11").replace(
        "ipv4-addr 192.168.240.1", "ipv4-addr 10.0.0.1"
    )
    write_config(bare, bpffs, "new-hosts 2", base=base)
    bare.command("--mktun")
    bare.start()

    assert new_hosts(bare, "77")["fast_path_over_budget"] == 0


def restart_by(number: signal.Signals) -> Callable[[GatewayNetwork], None]:
    def restart(network: GatewayNetwork) -> None:
        assert network.daemon is not None
        network.daemon.send_signal(number)
        network.daemon.wait()
        time.sleep(0.2)
        network.start()

    return restart


def reload(network: GatewayNetwork) -> None:
    assert network.ask("reload") == {"warnings": []}


def other_maps(network: GatewayNetwork) -> None:
    """Reload with a map more or less, and another MTU for what may be fragmented."""
    text = network.config.read_text()
    line = "map 192.0.2.77 2001:db8:77::1\nofflink-mtu 1400\n"
    network.config.write_text(text.replace(line, "") if line in text else text + line)
    reload(network)


def other_pools(network: GatewayNetwork) -> None:
    """Reload with a prefix more or less, by which the maps are made anew."""
    text = network.config.read_text()
    line = "prefix 2001:db8:64:64::/96 pool 10.64.0.0/24\n"
    network.config.write_text(text.replace(line, "") if line in text else text + line)
    reload(network)


def other_pools_by_restart(network: GatewayNetwork) -> None:
    text = network.config.read_text()
    line = "prefix 2001:db8:64:64::/96 pool 10.64.0.0/24\n"
    network.config.write_text(text.replace(line, "") if line in text else text + line)
    restart_by(signal.SIGKILL)(network)


@pytest.mark.parametrize(
    "change",
    [
        restart_by(signal.SIGKILL),
        restart_by(signal.SIGTERM),
        reload,
        other_maps,
        other_pools,
        other_pools_by_restart,
    ],
    ids=["kill -9", "restart", "reload", "reload of maps", "reload of prefixes", "kill -9, other prefixes"],
)
@pytest.mark.timeout(60 + 6 * RESTARTS)
def test_a_flow_of_a_known_host_loses_nothing(
    fast: GatewayNetwork, change: Callable[[GatewayNetwork], None]
) -> None:
    listen(fast.server, UDP_ECHO, SERVER)
    flow = SteadyFlow(fast.client, SERVER6)
    wait_until(lambda: in_kernel(fast) > 100, "the flow goes through the kernel")
    lease = fast.lease()
    for _ in range(RESTARTS):
        change(fast)
        assert fast.ask("status")["fast_path"] == "live"
        time.sleep(0.1)
    account = flow.finish()
    assert account.lost == [], f"of {account.sent}"
    assert account.sent > 300 * RESTARTS * 0.1
    assert fast.lease() == lease


def test_a_lease_that_was_never_saved_survives_kill_9(fast: GatewayNetwork) -> None:
    fast.ping()
    lease = fast.lease()
    kill(fast)
    assert not (fast.directory / "dynamic.map").exists()
    fast.start()
    assert fast.lease() == lease
    assert fast.ping()
    assert fast.ask("status")["counters"]["fast_path_to_ipv4_icmp"] == 1


def test_the_counters_outlive_the_daemon(fast: GatewayNetwork) -> None:
    fast.client.run("ping", "-c20", "-i0.01", SERVER6)
    kill(fast)
    fast.start()
    assert fast.ask("status")["counters"]["fast_path_to_ipv4_icmp"] == 19


def test_the_time_of_last_use_is_that_of_packets_that_only_the_kernel_saw(fast: GatewayNetwork) -> None:
    fast.ping()
    time.sleep(2.1)
    fast.ping()
    (row,) = fast.ask("hosts")["rows"]
    assert time.time() - row["last_used"] < 1.5


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stopped_daemon_stops_translating_after_it_lingered(
    fast: GatewayNetwork, bpffs: Path, number: signal.Signals
) -> None:
    write_config(fast, bpffs, "linger 6")
    reload(fast)
    fast.ping()
    assert fast.daemon is not None
    fast.daemon.send_signal(number)
    ended = time.monotonic()
    fast.daemon.wait()
    assert fast.ping()
    time.sleep(7.2 - (time.monotonic() - ended))
    assert not fast.ping("-W1", check=False)
    fast.start()
    assert fast.ping()


def test_linger_0_ends_with_the_daemon(fast: GatewayNetwork, bpffs: Path) -> None:
    write_config(fast, bpffs, "linger 0")
    reload(fast)
    fast.ping()
    fast.stop()
    assert not fast.ping("-W1", check=False)


def test_rmtun_takes_everything_away(fast: GatewayNetwork, bpffs: Path) -> None:
    fast.ping()
    assert "nat64_fast_path" in pins(bpffs)
    fast.stop()
    assert "nat64_fast_path" in pins(bpffs)
    fast.command("--rmtun")
    assert not (bpffs / "nat64" / "nat64").exists()
    assert fast.gateway.run("ip", "link", "show", "nat64", check=False).returncode


def test_a_tun_that_goes_with_the_daemon_leaves_no_pins(bare: GatewayNetwork, bpffs: Path) -> None:
    write_config(bare, bpffs)
    bare.start()
    assert bare.ping()
    assert pins(bpffs)
    bare.stop()
    assert not pins(bpffs)


def test_pins_of_another_device_with_the_name_are_not_taken_up(fast: GatewayNetwork) -> None:
    fast.ping()
    fast.stop()
    (fast.directory / "dynamic.map").unlink()
    fast.gateway.run("ip", "link", "delete", "nat64")
    fast.start()
    assert fast.ask("hosts")["rows"] == []
    assert fast.ping()
    assert fast.ask("status")["fast_path"] == "live"


def test_a_reload_takes_it_away_and_brings_it_back(fast: GatewayNetwork, bpffs: Path) -> None:
    fast.ping()
    lease = fast.lease()
    fast.fast_path = "off"
    write_config(fast, bpffs)
    reload(fast)
    assert fast.ask("status")["fast_path"] == "off"
    assert "bpf" not in fast.gateway.run("tc", "filter", "show", "dev", "nat64", "egress").stdout
    assert not pins(bpffs)
    assert fast.ping()
    fast.fast_path = "require"
    write_config(fast, bpffs)
    reload(fast)
    assert fast.ping()
    assert in_kernel(fast) == 2
    assert fast.lease() == lease


def test_off_at_a_restart_keeps_the_leases_and_stops_the_kernel(fast: GatewayNetwork, bpffs: Path) -> None:
    fast.ping()
    lease = fast.lease()
    kill(fast)
    fast.fast_path = "off"
    write_config(fast, bpffs)
    fast.start()
    assert "bpf" not in fast.gateway.run("tc", "filter", "show", "dev", "nat64", "egress").stdout
    assert fast.lease() == lease
    assert fast.ping()


def test_fixed_maps_are_translated_in_the_kernel_as_reloads_have_them(
    fast: GatewayNetwork, bpffs: Path
) -> None:
    for address in ("192.168.255.7", "192.168.255.8"):
        fast.router4.run("ip", "route", "add", address, "via", "198.51.100.2")
        write_config(fast, bpffs, f"map {address} {CLIENT}", f"tun-route {address}")
        reload(fast)
        before = in_kernel(fast)
        fast.server.run("ping", "-c3", "-i0.01", "-W2", address)
        assert in_kernel(fast) == before + 6
    assert not fast.server.run("ping", "-c1", "-W1", "192.168.255.7", check=False).stdout.count("1 received")


def test_a_device_with_another_mtu_is_followed(fast: GatewayNetwork) -> None:
    fast.ping("-s", "1400")
    fast.gateway.run("ip", "link", "set", "nat64", "mtu", "1300")
    wait_until(lambda: fast.ask("status")["mtu"] == 1300, "the MTU")
    before = fast.counter("icmp_too_big")
    fast.ping("-M", "do", "-s", "1300", check=False)
    assert (
        fast.counter("icmp_too_big") > before or "fast_path_passed_too_big" in fast.ask("status")["counters"]
    )


WITHOUT_BPF: Final = ("setpriv", "--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-bpf,-sys_admin")
MISSING: Final = "nat64d lacks CAP_BPF, which the fast path needs; grant it, or set fast-path off"


def test_auto_without_cap_bpf_says_what_is_missing_and_goes_on_in_python(
    bare: GatewayNetwork, bpffs: Path
) -> None:
    write_config(bare, bpffs)
    with bare.log.open("w") as log:
        bare.daemon = bare.gateway.popen(
            *(*WITHOUT_BPF, str(COMMANDS / "nat64d"), "-c", str(bare.config), "-n"),
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    bare.wait_for_log("msg=translating")
    assert bare.log.read_text().count("CAP_BPF") == 1
    assert bare.ping()
    status = bare.ask("status")
    assert (status["fast_path"], status["fast_path_problem"]) == ("missing", MISSING)
    assert not [name for name in status["counters"] if name.startswith("fast_path")]


def test_require_without_cap_bpf_does_not_start(bare: GatewayNetwork, bpffs: Path) -> None:
    bare.fast_path = "require"
    write_config(bare, bpffs)
    completed = bare.gateway.run(
        *(*WITHOUT_BPF, str(COMMANDS / "nat64d"), "-c", str(bare.config), "-n"), check=False
    )
    assert completed.returncode == 1
    assert completed.stderr.splitlines()[-1] == f"nat64d: {MISSING}"


def test_without_a_bpffs_it_translates_and_says_what_a_restart_will_lose(bare: GatewayNetwork) -> None:
    bare.write_config(f"bpffs {bare.directory}")
    bare.start()
    assert bare.log.read_text().count("a restart will lose what the fast path knows") == 1
    bare.ping()
    bare.ping()
    assert in_kernel(bare) == 3


# Begins as a unit's process does: another user, with two capabilities. What it reads of Python itself is read before.
UNPRIVILEGED: Final = """
import concurrent.futures.thread, encodings.ascii, sys
import pyroute2
from nat64.commands import nat64d, nat64d_service
from nat64.device import tun
from nat64.device.fast_path import libbpf, program
from nat64.process.privileges import Capability, Identity, become
program.read_object(), libbpf.library(), pyroute2.IPRoute().close()
tun.DEVICE_NODE = sys.argv.pop(1)
become(Identity(65534, 65534), keep_if_there=(Capability.BPF,))
sys.exit(nat64d.main(sys.argv[1:]))
"""


def test_an_unprivileged_daemon_takes_up_the_pins_that_mktun_gave_it(
    bare: GatewayNetwork, bpffs: Path
) -> None:
    bare.directory.chmod(0o777)
    device = bare.directory / "tun"  # that of the host may be root's alone
    os.mknod(device, stat.S_IFCHR, Path("/dev/net/tun").stat().st_rdev)
    device.chmod(0o666)
    bare.fast_path = "require"
    write_config(bare, bpffs)
    bare.command("--mktun", "-u", "nobody", "-g", "nogroup")
    for is_kept in (False, True):
        with bare.log.open("w") as log:
            bare.daemon = bare.gateway.popen(
                *(sys.executable, "-c", UNPRIVILEGED, str(device), "-c", str(bare.config), "-n"),
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        bare.wait_for_log("msg=translating")
        assert f"kept={str(is_kept).lower()}" in bare.log.read_text()
        bare.ping()
        assert bare.ask("status")["fast_path"] == "live"
        kill(bare)


def test_root_that_gives_up_its_rights_keeps_what_reloads_need(bare: GatewayNetwork, bpffs: Path) -> None:
    bare.directory.chmod(0o777)
    bare.fast_path = "require"
    write_config(bare, bpffs)
    bare.command("--mktun", "-u", "nobody", "-g", "nogroup")
    bare.start("-n", "-u", "nobody", "-g", "nogroup")
    assert bare.daemon is not None
    capabilities = Path(f"/proc/{bare.daemon.pid}/status").read_text()
    assert f"CapEff:\t{1 << 12 | 1 << 39:016x}\n" in capabilities
    bare.fast_path = "require"
    write_config(bare, bpffs, "prefix 2001:db8:64:64::/96 pool 10.64.0.0/24")
    reload(bare)
    assert bare.ask("status")["fast_path"] == "live"
    assert stop(bare.daemon) == 0
