"""dns64d as a real daemon, and clients that take what they can get. dnspython asks beside them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import dns.message
import pytest

from tests.lab import stalling_clients
from tests.lab.asker import Asker
from tests.lab.dns64_daemon import dns64d
from tests.lab.namespaces import namespaces, stop

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lab

CONFIG: Final = """
forwarder 127.0.0.1 port 5301
prefix 2001:db8:64:ff9b::/96
listen 127.0.0.1
control-socket none
tcp-connections 100
workers 1
"""
"""Nobody is at the forwarder's port: what is asked for here needs none."""
QUESTIONS: Final = 30


def test_a_good_client_is_answered_beside_hundreds_that_stall(tmp_path: Path) -> None:
    with namespaces("gateway") as (gateway,), dns64d(gateway, tmp_path, CONFIG) as daemon:
        stalling = gateway.popen(sys.executable, stalling_clients.__file__, "53", stdin=subprocess.PIPE)
        try:
            assert stalling.stdout is not None
            assert stalling.stdout.readline() == "stalling\n"
            asker = Asker(gateway)
            query = dns.message.make_query("ipv4only.arpa.", "AAAA")
            for number in range(QUESTIONS):
                response = asker.send("127.0.0.1", query, tcp=number % 2 == 0)
                # As any stub resolver does, once more when the connection was closed before the query was read.
                if response is None:
                    response = asker.send("127.0.0.1", query, tcp=number % 2 == 0)
                assert response is not None, f"question {number}"
                assert response.answer
        finally:
            stop(stalling)
        assert "Traceback" not in daemon.log.read_text()
