"""The networks that lab tests run in."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True, scope="session")
def _root_only() -> None:
    if os.geteuid():
        pytest.skip("needs root: network namespaces and TUN devices")
