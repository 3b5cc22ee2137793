"""What playbooks/verify.yml asks of a host."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.roles.scripts import load

PROJECT = Path(__file__).parents[2]
probe = load("playbooks/files/probe.py")


# RFC 6052 section 2.4, table 2.
@pytest.mark.parametrize(
    ("prefix", "embedded"),
    [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
    ],
)
def test_rfc6052_2_4_examples_are_embedded(prefix: str, embedded: str) -> None:
    found = probe.embed(ipaddress.IPv4Address("192.0.2.33"), ipaddress.IPv6Network(prefix))
    assert found == ipaddress.IPv6Address(embedded)


@given(st.binary(min_size=2, max_size=64).filter(lambda octets: len(octets) % 2 == 0))
def test_rfc1071_sum_with_its_checksum_is_all_ones(octets: bytes) -> None:
    with_checksum = octets + probe.checksum(octets).to_bytes(2, "big")
    assert probe.checksum(with_checksum) == 0


def test_a_probe_that_fails_is_told_and_gives_the_exit_status() -> None:
    asked = subprocess.run(
        [
            sys.executable,
            PROJECT / "playbooks/files/probe.py",
            json.dumps([["loads", "http://127.0.0.1:1/"]]),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 1
    assert asked.stdout.startswith("FAILED: loads http://127.0.0.1:1/: ")
