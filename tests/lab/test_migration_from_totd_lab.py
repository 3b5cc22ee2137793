"""A totd.conf as it is, with every keyword that totd 1.5 knows: dns64d starts with it and answers. dnspython asks."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dns.flags
import dns.message
import dns.rcode
import dns.reversename
import pytest

from tests.lab.asker import Asker
from tests.lab.dns64_daemon import Daemon, dns64d
from tests.lab.dns64_upstreams import Dns64, data
from tests.lab.namespaces import link, namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.namespaces import Namespace

pytestmark = pytest.mark.lab

GATEWAY6, GATEWAY4 = "2001:db8:64:1::1", "192.0.2.1"
TOTD_CONF: Final = """\
; totd.conf of a gateway, written for totd 1.5
# name servers, in order of preference
Forwarder 127.0.0.1 Port 5301
forwarder ::1 port 5302     ; if the first is down
FORWARDER 198.51.100.53

prefix 2001:db8:64:ff9b::   # the lower 32 bits are the IPv4 address
prefix 3fff:64:ff9b::

port 53
pidfile /var/run/totd.pid
interfaces lan0 lo
allow 192.0.2.10
allow 2001:db8:64:1::c
retry 60
scoped 2001:db8:: fec0:: 48
stf
"""
PREFIXES: Final = {"2001:db8:64:ff9b::c000:221", "3fff:64:ff9b::c000:221"}


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[Namespace, Asker]]:
    server = str(Path(__file__).with_name("fake_name_server.py"))
    with ExitStack() as stack:
        client, gateway = stack.enter_context(namespaces("client", "gateway"))
        link(client, "lan0", gateway, "lan0")
        for namespace, *addresses in (
            (client, "2001:db8:64:1::c/64", "192.0.2.10/24"),
            (gateway, f"{GATEWAY6}/64", f"{GATEWAY4}/24"),
        ):
            for address in addresses:
                namespace.run("ip", "address", "add", address, "dev", "lan0")
        for address, port in (("127.0.0.1", "5301"), ("::1", "5302")):
            forwarder = gateway.popen(sys.executable, server, port, address, port)
            assert forwarder.stdout is not None
            assert forwarder.stdout.readline() == "serving\n"
        yield gateway, Asker(client)


@pytest.fixture(scope="module")
def daemon(places: tuple[Namespace, Asker], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with dns64d(places[0], tmp_path_factory.mktemp("totd"), TOTD_CONF, "-d1") as daemon:
        yield daemon


@pytest.fixture(params=[GATEWAY6, GATEWAY4])
def dns64(request: pytest.FixtureRequest, daemon: Daemon, places: tuple[Namespace, Asker]) -> Dns64:
    assert daemon.process.poll() is None
    return Dns64(places[1], request.param)


def test_forwarders_and_the_port_mean_what_they_meant(dns64: Dns64) -> None:
    assert data(dns64.ask("who.example.", "TXT")) == ['"5301"']


@pytest.mark.usefixtures("daemon")
def test_prefixes_take_turns_as_totd_meant_them_to(places: tuple[Namespace, Asker]) -> None:
    # Each worker gives turns of its own, and an answer that is kept stays with its prefix: so, many questions.
    answers = [
        data(places[1].ask(GATEWAY6, name, flags=flags, want_dnssec=dnssec_ok))[-1]
        for name in ("v4.example.", "alias.example.", "alias2.example.")
        for flags, dnssec_ok in (
            (dns.flags.RD, False),
            (dns.flags.RD, True),
            (dns.flags.RD | dns.flags.CD, False),
        )
    ]
    assert set(answers) == PREFIXES


def test_names_that_have_aaaa_none_or_an_alias_are_answered(dns64: Dns64) -> None:
    assert data(dns64.ask("v6.example.")) == ["2001:db8:6::6"]
    assert dns64.ask("none.example.").rcode() == dns.rcode.NXDOMAIN
    assert data(dns64.ask("alias.example."))[:2] == ["alias2.example.", "v4.example."]


@pytest.mark.parametrize("address", sorted(PREFIXES))
def test_reverse_names_of_every_prefix_are_answered(dns64: Dns64, address: str) -> None:
    response = dns64.ask(str(dns.reversename.from_address(address)), "PTR")
    assert data(response) == ["33.2.0.192.in-addr.arpa.", "v4.example."]


def test_what_totd_could_not_do_is_there_too(dns64: Dns64) -> None:
    assert dns64.ask("big.example.").flags & dns.flags.TC
    assert len(data(dns64.ask("big.example.", tcp=True))) == 200


def test_the_pid_file_is_where_it_was(daemon: Daemon) -> None:
    assert (daemon.run / "totd.pid").read_text().strip() == str(daemon.process.pid)


@pytest.mark.parametrize("keyword", ["allow", "scoped"])
def test_a_keyword_without_effect_is_told_by_its_line(daemon: Daemon, keyword: str) -> None:
    (line, *_) = (number for number, text in enumerate(TOTD_CONF.splitlines(), 1) if text.startswith(keyword))
    (told,) = (text for text in daemon.log.read_text().splitlines() if f"/dns64.conf:{line} " in text)
    assert f"'{keyword}'" in told


@pytest.mark.parametrize(
    ("options", "served"),
    [
        (("-6", "-no4", "-d2"), [GATEWAY6]),
        (("-4", "-no6", "-d1"), [GATEWAY4]),
        (("-64", "-d1"), [GATEWAY6, GATEWAY4]),
        (("-u", "nobody", "-p", "5353"), [GATEWAY6, GATEWAY4]),
    ],
)
def test_totds_options_mean_what_they_meant(
    places: tuple[Namespace, Asker], tmp_path: Path, options: tuple[str, ...], served: list[str]
) -> None:
    gateway, asker = places
    port = 5353 if "-p" in options else 54
    config = TOTD_CONF.replace("port 53\n", "port 54\n")
    with dns64d(gateway, tmp_path, config, *options):
        for address in (GATEWAY6, GATEWAY4):
            query = dns.message.make_query("v4.example.", "AAAA")
            response = asker.send(address, query, port=port, tcp=True)
            assert (response is not None) == (address in served)
