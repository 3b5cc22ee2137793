"""dns64d, confined, before forwarders that it asks over TLS and HTTPS. dnspython asks."""

from __future__ import annotations

import base64
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import dns.rcode
import pytest

from tests.lab import encrypted_name_server as server
from tests.lab.asker import Asker
from tests.lab.dns64_daemon import dns64d
from tests.lab.dns64_upstreams import Dns64, data
from tests.lab.namespaces import namespaces, stop, wait_until
from tests.unit.dns64.certificates import make_certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab

NAME: Final = "dns.example"
CONFIG: Final = """
forwarder 127.0.0.1 {how}
prefix 2001:db8:64:ff9b::/96
listen 127.0.0.1
control-socket none
"""
SYNTHESIZED: Final = "2001:db8:64:ff9b::c000:221"


@pytest.fixture
def dns64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Dns64]]:
    """Return what starts dns64d before a forwarder that is asked in a way; ``{pin}`` in it is the right one."""
    certificate = tmp_path / "certificate.pem"
    pin = base64.b64encode(make_certificate(certificate, NAME)).decode()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    (tmp_path / "jail").mkdir()
    with ExitStack() as stack:
        (gateway,) = stack.enter_context(namespaces("gateway"))
        stack.callback(stop, gateway.popen(sys.executable, server.__file__, "127.0.0.1", str(certificate)))

        def serves() -> bool:
            listening = gateway.run("ss", "-Hltn").stdout
            return ":853 " in listening and ":443 " in listening

        wait_until(serves, "the name server to serve")

        def start(how: str) -> Dns64:
            config = CONFIG.format(how=how.format(pin=pin))
            options = ("-t", str(tmp_path / "jail"), "-u", "nobody")
            stack.enter_context(dns64d(gateway, tmp_path / "dns64d", config, *options))
            return Dns64(Asker(gateway), "127.0.0.1")

        yield start


@pytest.mark.parametrize(
    "how",
    [f"tls {NAME}", "tls-pin {pin}", f"tls {NAME} tls-pin {{pin}}", f"https https://{NAME}{server.PATH}"],
)
def test_who_shows_that_it_is_the_right_one_is_asked(dns64: Callable[[str], Dns64], how: str) -> None:
    daemon = dns64(how)
    assert data(daemon.ask("v4.example.")) == [SYNTHESIZED]
    assert data(daemon.ask("v4.example.", "A")) == [server.TRUE]


@pytest.mark.parametrize(
    "how",
    [
        "tls other.example",
        f"tls-pin {base64.b64encode(bytes(32)).decode()}",
        f"https https://other.example{server.PATH}",
        f"https https://{NAME}/elsewhere",
    ],
)
def test_who_does_not_is_not_believed(dns64: Callable[[str], Dns64], how: str) -> None:
    assert dns64(how).ask("v4.example.").rcode() == dns.rcode.SERVFAIL
