"""How the demo judges what the tools print, and what it reports."""

import pytest

from lab import demo_checks
from lab.demo import Report

ANSWER = """\
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 6142
;; flags: qr rd ra; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1

ipv4only.example.	300	IN	AAAA	2001:db8:64:ff9b::cb00:7150
"""
HOPS = """\
traceroute to ipv4only.example (2001:db8:64:ff9b::cb00:7150), 8 hops max, 80 byte packets
 1  2001:db8:64:1::1 (2001:db8:64:1::1)  0.102 ms
 2  isp.example (2001:db8:64:ff9b::c633:6401)  0.230 ms
 3  ipv4only.example (2001:db8:64:ff9b::cb00:7150)  0.310 ms
"""


def test_a_client_with_an_ipv4_address_fails() -> None:
    assert demo_checks.only_loopback("lo               UNKNOWN        127.0.0.1/8 \n") is None
    problem = demo_checks.only_loopback("lo UNKNOWN 127.0.0.1/8\nlan0@if2 UP 192.0.2.7/24\n")
    assert problem is not None
    assert "lan0@if2" in problem


def test_rfc6052_2_2_the_synthesized_address_is_the_embedded_one() -> None:
    assert str(demo_checks.SYNTHESIZED) == "2001:db8:64:ff9b::cb00:7150"
    assert demo_checks.synthesized(ANSWER) is None
    alias = ANSWER + "alias.example. 300 IN CNAME alias2.example.\n"
    assert demo_checks.synthesized(alias) is None


@pytest.mark.parametrize(
    "answer",
    [
        "",
        ANSWER.replace("NOERROR", "SERVFAIL"),
        ANSWER.replace("7150", "7151"),
        ANSWER + "ipv4only.example. 300 IN AAAA 3fff:0:80::80\n",
        ";; communications error to 2001:db8:64:1::1#53: timed out\n",
    ],
)
def test_any_other_answer_fails(answer: str) -> None:
    assert demo_checks.synthesized(answer) is not None


def test_a_lost_ping_fails() -> None:
    assert demo_checks.all_pings_answered("3 packets transmitted, 3 received, 0% packet loss") is None
    assert demo_checks.all_pings_answered("3 packets transmitted, 2 received, 33% packet loss") is not None


def test_a_traceroute_must_reach_the_server_itself() -> None:
    assert demo_checks.destination_reached(HOPS) is None
    assert demo_checks.destination_reached(HOPS.rsplit(" 3 ", 1)[0]) is not None
    assert demo_checks.destination_reached(HOPS + " 4  *\n") is not None
    assert demo_checks.destination_reached(HOPS.rstrip() + " !X\n") is not None


def test_a_step_that_raises_is_reported_as_failed() -> None:
    report = Report()
    with report.timed("one"):
        pass
    assert report.passed
    with pytest.raises(ZeroDivisionError), report.timed("two"):
        _ = 1 / 0
    assert not report.passed
    first, second, _ = report.table().splitlines()
    assert first.split()[:2] == ["PASS", "one"]
    assert second.split()[:2] == ["FAIL", "two"]
