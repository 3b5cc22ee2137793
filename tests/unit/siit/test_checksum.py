"""RFC 1071 and RFC 1624 against scapy's checksum."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import checksum as oracle

from nat64.siit.checksum import adjusted, checksum, word_sum


@given(st.binary(min_size=1, max_size=200).filter(any))
def test_rfc1071_checksum(data: bytes) -> None:
    assert checksum(data) == oracle(data)


@given(st.binary(min_size=2, max_size=64).filter(lambda data: len(data) % 2 == 0), st.binary(max_size=64))
def test_rfc1071_checksum_of_parts(first: bytes, last: bytes) -> None:
    assert any(first + last) is False or checksum(first, last) == oracle(first + last)


@given(
    st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8), st.binary(min_size=1, max_size=60)
)
def test_rfc1624_adjusting_equals_computing_anew(old: bytes, new: bytes, rest: bytes) -> None:
    rest = b"\x01" + rest  # a real packet is never all zero
    assert adjusted(oracle(old + rest), word_sum(new) - word_sum(old)) == oracle(new + rest)
