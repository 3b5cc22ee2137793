"""The lab's gateway on every platform: boots, installs, is known to Ansible, reboots, powers off."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.container import Container, wait_for
from lab.platforms import PLATFORMS
from lab.running import RUN, Lab
from tests.lab.playbooks import play

if TYPE_CHECKING:
    from collections.abc import Iterator

# Building the root file systems, where they are not cached yet, takes half a minute a platform.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
NAME = "platformtest"


@pytest.fixture(scope="module", params=PLATFORMS, ids=lambda platform: platform.name)
def gateway(request: pytest.FixtureRequest) -> Iterator[Container]:
    """The gateway of a lab that is up."""
    lab = Lab(NAME, request.param)
    try:
        lab.up()
        yield lab.container("gateway")
    finally:
        lab.down()


# What installs a package on each platform; its repository is reached over the gateway's own uplink.
INSTALL = {
    "alpine": ["apk", "add", "nftables"],
    "alpine-diskless": ["apk", "add", "nftables"],
    "gentoo": ["emerge", "--quiet", "net-firewall/nftables"],
    "gentoo-systemd": ["emerge", "--quiet", "net-firewall/nftables"],
}
APT = ["sh", "-c", "apt-get -q=2 update && DEBIAN_FRONTEND=noninteractive apt-get -q=2 install nftables"]
# What Debian has and the real distribution has not.
DEBIANS_TOOLS = "apt-get dpkg dpkg-query perl debconf-show invoke-rc.d deb-systemd-helper"


def test_a_gateway_of_each_platform_installs_from_the_repository(gateway: Container) -> None:
    assert gateway.run(INSTALL.get(gateway.platform.name, APT)).returncode == 0
    assert gateway.run(["nft", "list", "ruleset"]).returncode == 0


def test_check_mode_on_a_host_without_python_stops_with_one_line(gateway: Container) -> None:
    python = ["sh", "-c", "command -v python3"]
    if gateway.run(python).returncode == 0:
        pytest.skip("this platform comes with Python")
    checked = play(NAME, "--check", "playbooks/gateway.yml")
    assert checked.returncode == 2, checked.stdout + checked.stderr
    said = checked.stdout + checked.stderr
    assert said.count("[ERROR]") + said.count("fatal:") <= 2, said
    assert "This host has no Python, and check mode installs none; run once without --check" in said
    assert "Traceback" not in said
    assert "changed=0" in said
    assert gateway.run(python).returncode != 0


def test_ansible_knows_a_gateway_of_each_platform_for_what_it_is(gateway: Container) -> None:
    name = gateway.platform.name
    if name.startswith("alpine"):
        assert gateway.run(["sh", "-c", "command -v python3"]).returncode != 0
        gateway.run(["apk", "add", "python3"])
    command = ["ansible", "--inventory=gateway,", "--user=root", "gateway", "--module-name=setup"]
    command += ["--args=gather_subset=!all,min,distribution,pkg_mgr,service_mgr"]
    command += ["--ssh-common-args", f"-F {RUN / NAME}/ssh_config"]
    facts = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(RUN / NAME / "ssh")},
    ).stdout
    family, packages = {
        "debian": ("Debian", "apt"),
        "alpine": ("Alpine", "apk"),
        "gentoo": ("Gentoo", "portage"),
    }[name.split("-", maxsplit=1)[0].rstrip("123")]
    assert f"ansible_os_family: {family}\n" in facts
    assert f"ansible_pkg_mgr: {packages}\n" in facts
    assert f"ansible_service_mgr: {gateway.platform.init.name}\n" in facts


def test_a_stand_in_has_none_of_debians_tools(gateway: Container) -> None:
    there = gateway.run(
        ["sh", "-c", f"for tool in {DEBIANS_TOOLS}; do command -v $tool; done"],
        capture_output=True,
        text=True,
    ).stdout
    assert (there == "") is not gateway.platform.apt


def test_a_gateway_that_reboots_keeps_its_links_and_files(gateway: Container) -> None:
    lab = Lab(NAME)
    gateway.run(["touch", "/etc/kept"])
    if gateway.platform.runs_from_ram:
        gateway.run(["lbu", "commit"])
        gateway.run(["touch", "/etc/forgotten"])
    before = gateway.init()
    gateway.ask_to_reboot()
    assert wait_for(lambda: gateway.init() not in {None, before}, 60)
    gateway.wait_until_booted()
    assert gateway.run(["test", "-e", "/etc/kept"]).returncode == 0
    assert gateway.run(["test", "-e", "/etc/forgotten"]).returncode != 0
    assert wait_for(
        lambda: lab.container("client").run(["ping", "-c1", "2001:db8:64:1::1"]).returncode == 0, 30
    )
    assert wait_for(lambda: lab.container("isp").run(["ping", "-c1", "198.51.100.2"]).returncode == 0, 30)


def test_a_gateway_of_each_platform_powers_off_by_itself(gateway: Container) -> None:
    watcher = gateway.watcher()
    assert watcher is not None
    gateway.ask_to_power_off()
    assert wait_for(lambda: not watcher.is_alive(), 30)
