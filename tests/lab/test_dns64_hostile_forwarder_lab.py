"""dns64d before a forwarder that abuses it: its client has the truth or a failure by the deadline. dnspython asks."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import dns.flags
import dns.message
import dns.rcode
import pytest

from nat64.dns64.resolution import DEADLINE_SECONDS
from tests.lab import hostile_name_server as hostile
from tests.lab.asker import Asker
from tests.lab.dns64_daemon import dns64d
from tests.lab.dns64_upstreams import Dns64, data
from tests.lab.namespaces import namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab

PORT: Final = 5301
CONFIG: Final = f"""
forwarder 127.0.0.1 port {PORT}
prefix 2001:db8:64:ff9b::/96
listen 127.0.0.1
control-socket none
"""
SYNTHESIZED: Final = "2001:db8:64:ff9b::c000:221"
TRUTH_IN_THE_END: Final = (*hostile.LIES, "wrong-port", "wrong-address", "spray", "twice", "late", "good")
NO_ANSWER: Final = {"silent": "SERVFAIL", "flood": "SERVFAIL", "refused": "REFUSED", "servfail": "SERVFAIL"}
AT_ONCE: Final = 2.0
SLACK: Final = 1.0


@pytest.fixture(scope="module")
def dns64(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dns64]:
    with ExitStack() as stack:
        (gateway,) = stack.enter_context(namespaces("gateway"))
        server = gateway.popen(sys.executable, hostile.__file__, "127.0.0.1", str(PORT), "127.0.0.2")
        assert server.stdout is not None
        assert server.stdout.readline() == "serving\n"
        stack.enter_context(dns64d(gateway, tmp_path_factory.mktemp("dns64d"), CONFIG))
        yield Dns64(Asker(gateway), "127.0.0.1")


def ask(dns64: Dns64, deed: str, rdtype: str = "AAAA", *, tcp: bool = False) -> dns.message.Message:
    """Ask and see that the answer comes by the deadline, and that the next question is answered at once."""
    began = time.monotonic()
    response = dns64.ask(f"{deed}.example.", rdtype, tcp=tcp)
    assert time.monotonic() - began < DEADLINE_SECONDS + SLACK
    began = time.monotonic()
    assert data(dns64.ask("next.example.")) == [SYNTHESIZED]
    assert time.monotonic() - began < AT_ONCE
    return response


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize("deed", TRUTH_IN_THE_END)
def test_rfc5452_9_1_lies_from_anywhere_are_not_believed_and_the_truth_is(
    dns64: Dns64, deed: str, tcp: bool
) -> None:
    assert data(ask(dns64, deed, tcp=tcp)) == [SYNTHESIZED]
    assert data(ask(dns64, deed, "A", tcp=tcp)) == [hostile.TRUE]


@pytest.mark.parametrize("rdtype", ["A", "AAAA"])
@pytest.mark.parametrize("deed", NO_ANSWER)
def test_where_there_is_no_truth_there_is_a_failure(dns64: Dns64, deed: str, rdtype: str) -> None:
    response = ask(dns64, deed, rdtype)
    assert (dns.rcode.to_text(response.rcode()), data(response)) == (NO_ANSWER[deed], [])


@pytest.mark.parametrize("rdtype", ["A", "AAAA"])
@pytest.mark.parametrize("deed", ["closes", "stalls", "drops"])
def test_rfc7766_6_2_4_a_connection_that_ends_or_stalls_is_servfail(
    dns64: Dns64, deed: str, rdtype: str
) -> None:
    assert ask(dns64, deed, rdtype).rcode() == dns.rcode.SERVFAIL


def test_a_reply_of_sixty_thousand_bytes_arrives_over_tcp_and_is_truncated_over_udp(dns64: Dns64) -> None:
    cut = ask(dns64, "huge", "TXT")
    assert cut.flags & dns.flags.TC
    assert not data(cut)
    assert [text[1:4] for text in data(ask(dns64, "huge", "TXT", tcp=True))] == [
        f"{number:03}" for number in range(hostile.HUGE)
    ]
