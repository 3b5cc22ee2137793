"""dns64d as a real daemon that serves clients over TLS and logs their queries. dnspython asks."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.lab.dns64_daemon import dns64d
from tests.lab.namespaces import namespaces, wait_until
from tests.unit.dns64 import certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.dns64_daemon import Daemon
    from tests.lab.namespaces import Namespace

pytestmark = pytest.mark.lab

NAME: Final = "dns64.example"
CONFIG: Final = """
forwarder 127.0.0.1 port 5301
prefix 2001:db8:64:ff9b::/96
listen 127.0.0.1
listen-tls 127.0.0.1 certificate {files.certificate} key {files.key}
query-log {log}
control-socket none
workers 2
"""
ASK: Final = """
import ssl, sys, dns.edns, dns.message, dns.query
options = [dns.edns.GenericOption(code, b"") for code in (dns.edns.OptionType.PADDING, 11)]
query = dns.message.make_query("ipv4only.arpa.", "AAAA", use_edns=0, options=options)
try:
    context = ssl.create_default_context(cafile=sys.argv[1])
    response = dns.query.tls(query, "127.0.0.1", 8, ssl_context=context, server_hostname="dns64.example")
except ssl.SSLCertVerificationError:
    print("another certificate")
else:
    told = {int(option.otype): option.to_wire() for option in response.options}
    print(len(response.wire), response.answer[0][0], int.from_bytes(told[11], "big"))
"""
ANSWERED: Final = ["468", "2001:db8:64:ff9b::c000:aa", "100"]


@pytest.fixture
def gateway() -> Iterator[Namespace]:
    with namespaces("gateway") as (made,):
        yield made


def ask(gateway: Namespace, files: certificates.Files) -> list[str]:
    """Ask over TLS, and return the words of what came: size, one address, and the idle time in units of 100 ms."""
    words = gateway.python(ASK, str(files.certificate)).stdout.split()
    if len(words) == 3:
        words[1] = words[1].replace("::c000:ab", "::c000:aa")  # which of the two comes first is not said
    return words


def reload(daemon: Daemon) -> None:
    """Have the config read again, and wait for what the log says of it."""

    def told() -> int:
        log = daemon.log.read_text()
        return log.count("msg=reloaded") + log.count("reload refused")

    before = told()
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: told() > before, "the reload")


def test_rfc7858_clients_are_served_over_tls_by_the_certificate_of_the_config(
    gateway: Namespace, tmp_path: Path
) -> None:
    for name in ("old", "new", "daemon"):
        (tmp_path / name).mkdir()
    old, new = certificates.make(tmp_path / "old", NAME), certificates.make(tmp_path / "new", NAME)
    config, log = tmp_path / "daemon" / "dns64.conf", tmp_path / "queries"
    with dns64d(gateway, config.parent, CONFIG.format(files=old, log=log)) as daemon:
        assert ask(gateway, old) == ANSWERED
        assert ask(gateway, new) == ["another", "certificate"]
        config.write_text(CONFIG.format(files=new, log=log))
        reload(daemon)
        assert ask(gateway, new) == ANSWERED
        new.key.write_text("no key")
        reload(daemon)
        assert f"{new.key}" in daemon.log.read_text()
        assert ask(gateway, new) == ANSWERED


def test_the_query_log_is_made_anew_at_a_reload_and_a_full_disk_stops_nothing(
    gateway: Namespace, tmp_path: Path
) -> None:
    files = certificates.make(tmp_path, NAME)
    disk = tmp_path / "disk"
    disk.mkdir()
    log, moved = disk / "queries", disk / "queries.1"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=True)
    try:
        with dns64d(gateway, tmp_path / "daemon", CONFIG.format(files=files, log=log)) as daemon:
            assert ask(gateway, files) == ANSWERED
            wait_until(lambda: b"transport=tls" in log.read_bytes(), "a line in the query log")
            assert b"name=ipv4only.arpa. type=AAAA rcode=NOERROR" in log.read_bytes()
            log.rename(moved)
            reload(daemon)
            assert ask(gateway, files) == ANSWERED
            wait_until(lambda: b"transport=tls" in log.read_bytes(), "a line in the new query log")
            (disk / "filling").write_bytes(bytes(48 << 10))
            gateway.python(
                "import dns.message, socket; from contextlib import closing\n"
                "asked = dns.message.make_query('ipv4only.arpa.', 'AAAA').to_wire()\n"
                "with closing(socket.socket(type=socket.SOCK_DGRAM)) as client:\n"
                "    client.connect(('127.0.0.1', 53))\n"
                "    for _ in range(300): client.send(asked); client.recv(1000)\n"
            )
            wait_until(lambda: "the query log cannot be written" in daemon.log.read_text(), "the warning")
            assert ask(gateway, files) == ANSWERED
            (disk / "filling").unlink()
            wait_until(
                lambda: "the query log is written again" in daemon.log.read_text(), "the disk to be used"
            )
    finally:
        subprocess.run(["umount", disk], check=True)
