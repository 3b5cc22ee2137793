"""The packages that the life of one goes through, and the gateways it goes through it on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.platforms import platform_named
from lab.running import Lab
from tests.packages.gateway_host import DebianHost

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
NAME = "debtest"


@pytest.fixture(autouse=True, scope="session")
def _root_only() -> None:
    if os.geteuid():
        pytest.skip("needs root: it boots hosts")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this tree."""
    return build(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def next_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of another bundle, whose commands call themselves 999.0."""
    directory = tmp_path_factory.mktemp("next-package")
    bundle = directory / "bundle.tar.gz"
    other = PROJECT / "molecule/shared/files/other_bundle.py"
    subprocess.run(
        [sys.executable, other, PROJECT / "roles/bundle/files/nat64-bundle.tar.gz", bundle], check=True
    )
    return build(directory, "--bundle", str(bundle))


def build(directory: Path, *options: str) -> Path:
    """Build a package into a directory, and return it."""
    script = str(PROJECT / "packaging/build_deb.py")
    builder = [sys.executable, script, "--directory", str(directory), *options]
    subprocess.run(builder, check=True, stdout=subprocess.DEVNULL)
    (built,) = directory.glob("*.deb")
    return built


@pytest.fixture(scope="module", params=["debian12", "debian13"])
def host(request: pytest.FixtureRequest) -> Iterator[DebianHost]:
    """A bare gateway that forwards and masquerades."""
    lab = Lab(NAME, platform_named(request.param))
    try:
        lab.up()
        gateway = DebianHost(lab)
        gateway.make_it_a_gateway()
        yield gateway
    finally:
        lab.down()
