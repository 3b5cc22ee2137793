"""The networks that lab tests run in."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible.plugins.loader import init_plugin_loader

from tests.lab.gateway_network import GatewayNetwork, gateway_network

if TYPE_CHECKING:
    from collections.abc import Iterator

# As tests/unit/conftest.py does, for tests of what the roles write.
init_plugin_loader([str(Path(sys.prefix) / "share" / "ansible" / "collections")])


@pytest.fixture(autouse=True, scope="session")
def _root_only() -> None:
    if os.geteuid():
        pytest.skip("needs root: network namespaces and TUN devices")


@pytest.fixture
def fast_path() -> str:
    """What the config says of the fast path."""
    return "off"


@pytest.fixture
def bare(fast_path: str) -> Iterator[GatewayNetwork]:
    """A network whose gateway is to run nat64d, and files where also a daemon that gave up root reaches them."""
    with tempfile.TemporaryDirectory(prefix="nat64d-") as directory:
        Path(directory).chmod(0o755)
        with gateway_network(Path(directory), fast_path) as there:
            yield there


@pytest.fixture
def network(bare: GatewayNetwork) -> GatewayNetwork:
    """The same with the daemon."""
    bare.start()
    return bare
