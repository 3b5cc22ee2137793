"""The life of the Gentoo package on the lab's stand-in for Gentoo: the tests follow one another, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.platforms import platform_named
from lab.running import Lab
from tests.packages import ebuild_packages
from tests.packages.gateway_host import LEASES, NAT64_CONF, GentooHost
from tests.packages.release import build_sources
from tests.packages.stand_in_repository import StandIn, write_repository
from tests.packages.test_ebuild import VERSION, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

NAME = "ebuildtest"
REPOSITORY = "/root/packages"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[StandIn]]:
    """What Portage builds of this tree, and the same released as 999.0."""
    made = {}
    for name, version in (("this", None), ("999.0", "999.0")):
        sources = build_sources(tmp_path_factory.mktemp("sources"), version)
        tree = tree_of(sources, tmp_path_factory.mktemp("gentoo"))
        made[name] = ebuild_packages.build(tree, version or VERSION)
    return made


@pytest.fixture(scope="module")
def host() -> Iterator[GentooHost]:
    """A bare gateway that forwards and masquerades, with a repository of ours beside its own."""
    lab = Lab(NAME, platform_named("gentoo"))
    try:
        lab.up()
        gateway = GentooHost(lab)
        gateway.make_it_a_gateway()
        with gateway.path("/etc/portage/make.conf").open("a") as settings:
            settings.write(f'PORTAGE_BINHOST="$PORTAGE_BINHOST {REPOSITORY}"\n')
        yield gateway
    finally:
        lab.down()


def test_an_installation_starts_nothing_and_touches_no_route(
    host: GentooHost, packages: dict[str, list[StandIn]]
) -> None:
    routes = host.routes()
    write_repository(packages["this"], host.path(REPOSITORY))
    host.install("net-proxy/nat64")
    assert host.routes() == routes
    for service in ("nat64d", "dns64d"):
        assert not host.is_started(service)
    assert host.must("rc-update", "show").count("64d") == 0
    assert "nat64" in host.must("id", "-nG", "dns64").split()


def test_a_service_with_the_config_as_installed_does_not_start(host: GentooHost) -> None:
    assert host.run("rc-service", "nat64d", "start").returncode != 0
    assert host.tun() == ""


def test_with_a_real_config_it_carries_traffic(host: GentooHost) -> None:
    host.configure()
    for service in ("nat64d", "dns64d"):
        host.must("rc-update", "add", service)
        host.must("rc-service", service, "start")
    assert host.carries_traffic()


def test_an_upgrade_leaves_what_runs_until_it_is_told(
    host: GentooHost, packages: dict[str, list[StandIn]]
) -> None:
    before = (host.tun(), host.leases(), host.status("dns64d")["pid"])
    assert before[1]
    write_repository(packages["999.0"], host.path(REPOSITORY))
    host.install("net-proxy/nat64")
    assert host.version("nat64d") == host.version("dns64d") != "999.0"
    assert host.carries_traffic()
    assert host.path("/etc/nat64/nat64.conf").read_text() == NAT64_CONF
    # What pkg_postinst says.
    host.must("nat64ctl", "upgrade", "dns64d")
    host.must("rc-service", "nat64d", "restart")
    assert host.version("nat64d") == host.version("dns64d") == "999.0"
    assert (host.tun(), host.leases(), host.status("dns64d")["pid"]) == before
    assert host.carries_traffic()


def test_unmerging_keeps_configs_and_leases(host: GentooHost) -> None:
    for service in ("dns64d", "nat64d"):
        host.must("rc-service", service, "stop")
    host.must("rc-service", "nat64d", "rmtun")
    host.must("emerge", "--unmerge", "net-proxy/nat64")
    assert host.path("/etc/nat64/nat64.conf").read_text() == NAT64_CONF
    assert host.run("test", "-s", LEASES).returncode == 0
    # The stand-in has another Python than has compiled it; what that has written pkg_postrm removes, as test_ebuild shows.
    left = host.run("find", "/usr/lib/nat64", "!", "-type", "d", "!", "-path", "*/__pycache__/*")
    assert left.stdout == ""


def test_installed_again_it_goes_on_with_its_configs_and_leases(host: GentooHost) -> None:
    leases = host.must("cat", LEASES)
    host.install("net-proxy/nat64")
    for service in ("nat64d", "dns64d"):
        host.must("rc-service", service, "start")
    assert host.carries_traffic()
    kept = {line.split()[0] for line in leases.splitlines() if line[:1].isdigit()}
    assert set(host.leases().values()) & kept
