"""The whole life of the Debian package on one host of each release: the tests follow one another, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.packages.gateway_host import LEASES, NAT64_CONF

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages.gateway_host import DebianHost

# Building the root file systems, where they are not cached yet, takes half a minute a release.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def test_an_installation_starts_nothing_and_touches_no_route(host: DebianHost, package: Path) -> None:
    routes = host.routes()
    host.apt("install", host.carry(package))
    assert host.state() == "install ok installed"
    assert host.routes() == routes
    for unit in ("nat64d", "nat64-tun", "dns64d"):
        assert not host.is_active(unit)
    for unit in ("nat64d", "dns64d"):
        assert host.run("systemctl", "is-enabled", "--quiet", unit).returncode != 0
    assert "nat64" in host.must("id", "-nG", "dns64").split()
    assert (
        host.must("getent", "passwd", "nat64")
        .strip()
        .endswith(":NAT64 translator:/nonexistent:/usr/sbin/nologin")
    )


def test_a_service_with_the_config_as_installed_does_not_start(host: DebianHost) -> None:
    assert host.run("systemctl", "start", "nat64d").returncode != 0
    assert host.tun() == ""
    host.must("systemctl", "stop", "nat64d", "nat64-tun")
    host.must("systemctl", "reset-failed")


def test_with_a_real_config_it_carries_traffic(host: DebianHost) -> None:
    host.configure()
    host.must("systemctl", "enable", "--now", "nat64d", "dns64d")
    assert host.carries_traffic()


def test_the_units_are_sound_and_the_bundle_is_compiled(host: DebianHost) -> None:
    host.must(
        "systemd-analyze", "verify", "--man=no", "nat64d.service", "nat64-tun.service", "dns64d.service"
    )
    program = "/usr/lib/nat64/current/lib/nat64/commands"
    assert host.must("sh", "-c", f"ls {program}/__pycache__").count("nat64d.") >= 1


def test_when_debians_python_becomes_another_the_bundle_is_compiled_for_it(host: DebianHost) -> None:
    compiled = "/usr/lib/nat64/current/lib/nat64/commands/__pycache__"
    host.must("py3clean", "-p", "nat64")
    assert host.run("ls", compiled).returncode != 0
    # As py3compile's own package calls it from its postinst: what is to be done, from which version, to which.
    host.must("/usr/share/python3/runtime.d/nat64.rtupdate", "rtupdate", "python3.10", "python3.11")
    assert "nat64d." in host.must("ls", compiled)


def test_an_upgrade_keeps_configs_leases_tun_and_the_dns64_process(
    host: DebianHost, package: Path, next_package: Path
) -> None:
    before = (host.tun(), host.leases(), host.status("dns64d")["pid"])
    assert before[1]
    host.apt("install", host.carry(next_package))
    assert host.version("nat64d") == host.version("dns64d") == "999.0"
    assert (host.tun(), host.leases(), host.status("dns64d")["pid"]) == before
    assert host.path("/etc/nat64/nat64.conf").read_text() == NAT64_CONF
    assert host.carries_traffic()
    bundles = host.must("ls", "/usr/lib/nat64").split()
    assert len(bundles) == 2, bundles
    # And back, as apt does when it is told to.
    host.apt("install", "--allow-downgrades", host.carry(package))
    assert host.version("nat64d") == host.version("dns64d") != "999.0"
    assert (host.tun(), host.leases(), host.status("dns64d")["pid"]) == before


def test_an_upgrade_beside_a_wrong_config_leaves_what_runs(host: DebianHost, next_package: Path) -> None:
    config = host.path("/etc/nat64/nat64.conf")
    config.write_text("no-such-directive\n")
    running = host.must("systemctl", "show", "--property=MainPID", "nat64d")
    said = host.apt("install", host.carry(next_package))
    assert host.state() == "install ok installed", said
    assert host.must("systemctl", "show", "--property=MainPID", "nat64d") == running
    assert host.carries_traffic()
    config.write_text(NAT64_CONF)
    host.must("systemctl", "restart", "nat64d")
    assert host.version("nat64d") == "999.0"


def test_a_dpkg_that_was_killed_while_it_unpacked_is_finished_by_a_second_run(
    host: DebianHost, package: Path
) -> None:
    name = host.carry(package)
    host.apt("remove", "nat64")
    unpacking = "ls /usr/lib/nat64/*/lib >/dev/null 2>&1"
    host.run(
        "sh", "-c", f"setsid dpkg --install {name} & until {unpacking}; do :; done; kill -9 $(pidof dpkg)"
    )
    assert host.state() != "install ok installed"
    _install_once_more(host, name)


def test_a_dpkg_that_was_killed_while_it_configured_is_finished_by_a_second_run(
    host: DebianHost, next_package: Path
) -> None:
    name = host.carry(next_package)
    # What the package's script calls kills dpkg in its midst.
    compiler = host.path("/usr/bin/py3compile")
    aside = compiler.rename(compiler.with_name("py3compile.aside"))
    compiler.write_text('#!/bin/sh\nkill -9 "$(pidof dpkg)"\n')
    compiler.chmod(0o755)
    host.run("dpkg", "--install", name)
    aside.replace(compiler)
    assert host.state() == "install ok half-configured"
    _install_once_more(host, name)
    assert host.version("nat64d") == host.version("dns64d") == "999.0"


def _install_once_more(host: DebianHost, name: str) -> None:
    host.must("dpkg", "--install", name)
    assert host.state() == "install ok installed"
    host.must("apt-get", "check")
    # All files are as the package has them but for the configs.
    changed = host.run("dpkg", "--verify", "nat64").stdout.splitlines()
    assert [line for line in changed if " c /etc/nat64/" not in line] == []
    host.must("systemctl", "restart", "nat64d", "dns64d")
    assert host.carries_traffic()


def test_removing_stops_all_and_keeps_configs_and_leases(host: DebianHost) -> None:
    host.apt("remove", "nat64")
    assert host.tun() == ""
    assert host.run("pgrep", "-f", "nat64d|dns64d").stdout == ""
    assert host.path("/etc/nat64/nat64.conf").read_text() == NAT64_CONF
    assert host.run("test", "-s", LEASES).returncode == 0
    assert host.run("test", "-e", "/usr/lib/nat64").returncode != 0


def test_installed_again_it_goes_on_with_its_configs_and_leases(host: DebianHost, package: Path) -> None:
    leases = host.must("cat", LEASES)
    host.apt("install", host.carry(package))
    host.must("systemctl", "start", "nat64d", "dns64d")
    assert host.carries_traffic()
    assert set(host.leases().values()) & {
        line.split()[0] for line in leases.splitlines() if line[:1].isdigit()
    }


def test_purging_leaves_nothing_but_the_users(host: DebianHost) -> None:
    host.apt("purge", "nat64")
    assert host.left() == []
    assert host.run("test", "-e", "/etc/nat64").returncode != 0
    assert host.run("getent", "passwd", "nat64", "dns64").returncode == 0
    assert (
        host.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "*nat64*", "*dns64*").stdout
        == ""
    )


def test_after_a_purge_it_can_be_installed_anew(host: DebianHost, package: Path) -> None:
    host.apt("install", host.carry(package))
    host.configure()
    host.must("systemctl", "enable", "--now", "nat64d", "dns64d")
    assert host.carries_traffic()
