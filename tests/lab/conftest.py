"""The networks that lab tests run in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

# As tests/unit/conftest.py does, for tests of what the roles write.
init_plugin_loader([str(Path(sys.prefix) / "share" / "ansible" / "collections")])


@pytest.fixture(autouse=True, scope="session")
def _root_only() -> None:
    if os.geteuid():
        pytest.skip("needs root: network namespaces and TUN devices")
