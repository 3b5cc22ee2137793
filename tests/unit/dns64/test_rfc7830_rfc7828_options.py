"""The options of connections: padding (RFC 7830, RFC 8467) and edns-tcp-keepalive (RFC 7828)."""

from __future__ import annotations

import dns.edns
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nat64.dns64 import keepalive, padding

sizes = st.integers(min_value=12, max_value=65535)


@given(sizes, st.sampled_from([padding.RESPONSE_BLOCK, padding.QUERY_BLOCK]))
def test_rfc8467_4_1_a_padded_message_is_a_multiple_of_the_block_or_as_long_as_may_be(
    size: int, block: int
) -> None:
    length = padding.padding_length(size, block)
    if length is None:
        assert size + 4 > 65535
        return
    padded = size + 4 + length
    assert length >= 0
    assert padded <= 65535
    assert padded % block == 0 or padded == 65535
    assert length < block


@given(st.integers(min_value=0, max_value=600), st.integers(min_value=512, max_value=1232))
def test_rfc7830_3_padding_never_makes_a_message_too_long_for_its_client(size: int, limit: int) -> None:
    length = padding.padding_length(size, padding.RESPONSE_BLOCK, limit)
    assert length is None if size + 4 > limit else length is not None and size + 4 + length <= limit


def test_rfc8467_4_1_as_dnspython_pads() -> None:
    query = dns.message.make_query("a.example.", "AAAA", use_edns=0)
    bare = len(query.to_wire())
    query.use_edns(0, pad=padding.QUERY_BLOCK)
    padded = dns.message.from_wire(query.to_wire())
    (option,) = padded.options
    assert option.otype == padding.OPTION_CODE
    assert len(option.to_wire() or b"") == padding.padding_length(bare, padding.QUERY_BLOCK)


@pytest.mark.parametrize(
    ("seconds", "units"), [(0, 0), (0.01, 1), (0.1, 1), (10, 100), (3600, 36000), (7000, 65535), (-1, 0)]
)
def test_rfc7828_3_1_a_timeout_is_told_in_units_of_100_ms(seconds: float, units: int) -> None:
    data = keepalive.timeout(seconds)
    assert len(data) == 2
    assert int.from_bytes(data, "big") == units


def test_rfc7828_3_2_1_a_query_tells_no_timeout() -> None:
    assert not keepalive.is_malformed(b"")
    assert keepalive.is_malformed(b"\0\x64")
    assert keepalive.is_malformed(b"\0")
