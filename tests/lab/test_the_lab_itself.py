"""The lab leaves nothing behind, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import rootfs
from lab.container import wait_for
from lab.mounts import mounted
from lab.running import RUN, Lab, State

if TYPE_CHECKING:
    from collections.abc import Iterator

# Building the root file systems, where they are not cached yet, takes a minute or two.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
NAME = "selftest"


@pytest.fixture(autouse=True)
def lab() -> Iterator[Lab]:
    rootfs.ready(rootfs.cache_directory())
    made = Lab(NAME)
    yield made
    made.down()


def lab_command(verb: str) -> list[str]:
    return [sys.executable, "-m", "lab", "--name", NAME, verb]


def start_booting(lab: Lab) -> subprocess.Popen[bytes]:
    # Tests that are run in the background inherit from their shell that Ctrl-C means nothing.
    command = ["env", "--default-signal=INT", *lab_command("up")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert wait_for(lambda: all(container.watcher() for container in lab.containers), 60)
    return process


def what_is_left() -> list[str]:
    """Name everything on the machine that belongs to the lab."""
    namespaces = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    left = [line for line in namespaces.splitlines() if f"nat64-{NAME}-" in line]
    left += [str(mount.point) for mount in mounted() if NAME in str(mount.point)]
    left += [str(path) for path in RUN.glob(f"{NAME}*")]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if f"nat64-{NAME}-".encode() in command:
            left.append(command.decode(errors="replace"))
    return left


def test_down_clears_what_a_lab_killed_while_booting_left(lab: Lab) -> None:
    booting = start_booting(lab)
    booting.kill()
    booting.wait()
    assert what_is_left() != []
    subprocess.run(lab_command("down"), cwd=ROOT, check=True)
    assert what_is_left() == []


def test_ctrl_c_while_booting_leaves_nothing_even_when_pressed_twice(lab: Lab) -> None:
    booting = start_booting(lab)
    booting.send_signal(signal.SIGINT)
    booting.send_signal(signal.SIGINT)
    assert booting.wait(60) == 130
    assert what_is_left() == []


def test_a_second_up_of_a_running_lab_is_refused_and_changes_nothing(lab: Lab) -> None:
    lab.up()
    before = [container.init() for container in lab.containers]
    second = subprocess.run(lab_command("up"), cwd=ROOT, check=False, capture_output=True, text=True)
    assert second.returncode == 1
    assert "already up" in second.stderr
    assert [container.init() for container in lab.containers] == before
    assert lab.state() is State.UP


def test_a_host_that_reboots_keeps_its_links_and_files(lab: Lab) -> None:
    lab.up()
    gateway = lab.container("gateway")
    gateway.run(["touch", "/etc/kept"])
    before = gateway.init()
    gateway.run(["systemctl", "reboot"])
    assert wait_for(lambda: gateway.init() not in {None, before}, 60)
    gateway.wait_until_booted()
    assert gateway.run(["test", "-e", "/etc/kept"]).returncode == 0
    assert wait_for(
        lambda: lab.container("client").run(["ping", "-c1", "2001:db8:64:1::1"]).returncode == 0, 30
    )
    assert wait_for(lambda: lab.container("isp").run(["ping", "-c1", "198.51.100.2"]).returncode == 0, 30)


def test_a_host_that_reboots_has_nothing_left_in_its_network_but_the_wires(lab: Lab) -> None:
    lab.up()
    gateway = lab.container("gateway")
    links = ["ls", "/sys/class/net"]
    wires = gateway.run(links, capture_output=True, text=True).stdout
    made = (
        "ip tuntap add left mode tun && ip address add 192.0.2.9/32 dev lo && ip route add 192.0.2.8/32 dev lo"
        " && sysctl -q -w net.ipv4.ip_forward=1"
    )
    assert gateway.run(["sh", "-c", made]).returncode == 0
    before = gateway.init()
    gateway.ask_to_reboot()
    assert wait_for(lambda: gateway.init() not in {None, before}, 60)
    gateway.wait_until_booted()
    assert gateway.run(links, capture_output=True, text=True).stdout == wires
    left = "ip route show 192.0.2.8/32; ip -oneline address show dev lo; cat /proc/sys/net/ipv4/ip_forward"
    said = gateway.run(["sh", "-c", left], capture_output=True, text=True).stdout
    assert "192.0.2." not in said
    assert said.splitlines()[-1] == "0"


def test_no_interface_of_the_lab_is_in_the_machines_own_namespace(lab: Lab) -> None:
    show = ["ip", "-oneline", "link", "show"]
    before = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    lab.up()
    assert subprocess.run(show, check=True, capture_output=True, text=True).stdout == before
