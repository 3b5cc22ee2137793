"""The life of the Alpine package on the lab's stand-in for Alpine: the tests follow one another, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.platforms import platform_named
from lab.running import Lab
from tests.lab.playbooks import play
from tests.packages import aport
from tests.packages.gateway_host import LEASES, NAT64_CONF, AlpineHost
from tests.packages.release import build_sources
from tests.packages.role_with_packages import BY_PACKAGE, PLAYBOOK, run_roles
from tests.packages.stand_in_repository import write_repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

NAME = "apktest"
REPOSITORY = "/root/packages"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packages of this tree, and the same released as 999.0."""
    scratch = tmp_path_factory.mktemp("aport")
    sources = build_sources(scratch / "sources")
    this = aport.build_packages(sources / "alpine", scratch / "this")
    other = build_sources(scratch / "next-sources", "999.0")
    return {"this": this, "999.0": aport.build_packages(other / "alpine", scratch / "next")}


@pytest.fixture(scope="module")
def host() -> Iterator[AlpineHost]:
    """A bare gateway that forwards and masquerades, with a repository of ours beside its own."""
    lab = Lab(NAME, platform_named("alpine"))
    try:
        lab.up()
        gateway = AlpineHost(lab)
        gateway.make_it_a_gateway()
        with gateway.path("/etc/apk/repositories").open("a") as repositories:
            repositories.write(f"{REPOSITORY}\n")
        yield gateway
    finally:
        lab.down()


def test_an_installation_starts_nothing_and_touches_no_route(
    host: AlpineHost, packages: dict[str, Path]
) -> None:
    routes = host.routes()
    write_repository(aport.stand_ins(packages["this"]), host.path(REPOSITORY))
    said = host.install("nat64")
    assert "Neither nat64d nor dns64d is started" in said
    assert host.routes() == routes
    for service in ("nat64d", "dns64d"):
        assert not host.is_started(service)
    assert host.must("rc-update", "show").count("64d") == 0
    assert "nat64" in host.must("id", "-nG", "dns64").split()
    # Its scripts came along, for the host has OpenRC; its documentation did not.
    assert host.must("apk", "info", "-e", "nat64-openrc").strip() == "nat64-openrc"
    assert host.run("apk", "info", "-e", "nat64-doc").returncode != 0


def test_a_service_with_the_config_as_installed_does_not_start(host: AlpineHost) -> None:
    assert host.run("rc-service", "nat64d", "start").returncode != 0
    assert host.tun() == ""


def test_with_a_real_config_it_carries_traffic(host: AlpineHost) -> None:
    host.configure()
    for service in ("nat64d", "dns64d"):
        host.must("rc-update", "add", service)
        host.must("rc-service", service, "start")
    assert host.carries_traffic()


def test_an_upgrade_keeps_configs_leases_tun_and_the_dns64_process(
    host: AlpineHost, packages: dict[str, Path]
) -> None:
    before = (host.tun(), host.leases(), host.status("dns64d")["pid"])
    assert before[1]
    write_repository(aport.stand_ins(packages["999.0"]), host.path(REPOSITORY))
    host.must("apk", "upgrade")
    assert host.version("nat64d") == host.version("dns64d") == "999.0"
    assert (host.tun(), host.leases(), host.status("dns64d")["pid"]) == before
    assert host.path("/etc/nat64/nat64.conf").read_text() == NAT64_CONF
    assert host.carries_traffic()
    bundles = host.must("ls", "/usr/lib/nat64").split()
    assert len(bundles) == 2, bundles


def test_an_upgrade_beside_a_wrong_config_leaves_what_runs(
    host: AlpineHost, packages: dict[str, Path]
) -> None:
    config = host.path("/etc/nat64/nat64.conf")
    config.write_text("no-such-directive\n")
    running = host.status("nat64d")["pid"]
    write_repository(aport.stand_ins(packages["this"]), host.path(REPOSITORY))
    host.must("apk", "upgrade")
    assert (host.status("nat64d")["pid"], host.version("nat64d")) == (running, "999.0")
    assert host.carries_traffic()
    config.write_text(NAT64_CONF)
    host.must("rc-service", "nat64d", "restart")
    assert host.version("nat64d") == host.version("dns64d") != "999.0"


def test_removing_stops_all_and_keeps_configs_and_leases(host: AlpineHost) -> None:
    host.must("apk", "del", "nat64")
    assert host.tun() == ""
    assert host.run("pgrep", "-f", "nat64d|dns64d").stdout == ""
    assert host.path("/etc/nat64/nat64.conf").read_text() == NAT64_CONF
    assert host.run("test", "-s", LEASES).returncode == 0
    assert host.run("test", "-e", "/usr/lib/nat64").returncode != 0
    assert host.run("test", "-e", "/etc/init.d/nat64d").returncode != 0
    assert host.must("rc-update", "show").count("64d") == 0


def test_installed_again_it_goes_on_with_its_configs_and_leases(host: AlpineHost) -> None:
    leases = host.must("cat", LEASES)
    host.install("nat64")
    for service in ("nat64d", "dns64d"):
        host.must("rc-service", service, "start")
    assert host.carries_traffic()
    kept = {line.split()[0] for line in leases.splitlines() if line[:1].isdigit()}
    assert set(host.leases().values()) & kept


@pytest.mark.usefixtures("host")
def test_the_role_refuses_a_file_before_anything_changes() -> None:
    refused = play(NAME, PLAYBOOK, bundle_install_method="package", bundle_package="dist/nat64-0.1.0-r0.apk")
    assert refused.returncode != 0
    assert "is a file, and those are for Debian; on Alpine build the package there" in refused.stdout


def test_the_roles_take_the_package_for_the_program(host: AlpineHost) -> None:
    run_roles(NAME, BY_PACKAGE)
    assert host.carries_traffic()
