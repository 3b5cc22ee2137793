"""Log lines about packets: the categories of `log`, and never more than a log can bear."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from scapy.compat import raw
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6

from nat64.device.packet_log import PacketLog
from nat64.siit import counters

if TYPE_CHECKING:
    import pytest

WITHOUT_CHECKSUM = memoryview(
    raw(IP(src="203.0.113.80", dst="192.168.240.10", proto=17) / UDP(sport=53, dport=1024, chksum=0))
)


def fields(record: logging.LogRecord, *names: str) -> list[object]:
    return [getattr(record, name) for name in names]


def test_rfc7915_4_5_udp_without_checksum_is_told_with_addresses_and_ports(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    PacketLog(frozenset({"drop"}), lambda: 0.0).observe(counters.UDP_ZERO_CHECKSUM, WITHOUT_CHECKSUM)
    (record,) = caplog.records
    assert fields(record, "source", "destination") == ["203.0.113.80", "192.168.240.10"]
    assert fields(record, "source_port", "destination_port") == [53, 1024]


def test_what_is_logged_is_chosen_by_category(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    packet = memoryview(raw(IPv6(src="2001:db8::1", dst="2001:db8::2")))
    packet_log = PacketLog(frozenset({"reject"}), lambda: 0.0)
    for counter in (counters.MALFORMED, counters.NO_MAPPING, counters.HOP_LIMIT, counters.SELF_ECHO):
        packet_log.observe(counter, packet)
    assert [record.reason for record in caplog.records] == [counters.NO_MAPPING]  # type: ignore[attr-defined]


def test_a_flood_is_told_by_how_many_lines_were_left_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    packet_log = PacketLog(frozenset({"drop"}), lambda: now)
    for _ in range(1000):
        packet_log.observe(counters.NOT_IP, memoryview(b"no packet"))
    assert len(caplog.records) == 100
    now = 1.0
    packet_log.observe(counters.NOT_IP, memoryview(b"no packet"))
    assert caplog.records[-1].left_out == 900  # type: ignore[attr-defined]
