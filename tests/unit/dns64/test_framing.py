"""Messages on a stream: RFC 1035 section 4.2.2, RFC 7766 section 8."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nat64.dns64.framing import Framing, framed

messages = st.lists(st.one_of(st.binary(max_size=40), st.binary(min_size=4000, max_size=9000)), max_size=12)


@given(messages, st.lists(st.integers(min_value=1, max_value=5000), max_size=40), st.integers(0, 3))
def test_rfc7766_8_messages_come_out_as_they_went_in_however_the_stream_is_cut(
    sent: list[bytes], cuts: list[int], taken_early: int
) -> None:
    stream = b"".join(map(framed, sent))
    framing = Framing()
    taken = []
    for cut in [*cuts, len(stream)]:
        framing.add(stream[:cut])
        stream = stream[cut:]
        for _ in range(taken_early):
            is_ready, message = framing.is_ready, framing.take()
            assert is_ready == (message is not None)
            if message is not None:
                taken.append(message)
    while (message := framing.take()) is not None:
        taken.append(message)
    assert taken == sent
    assert len(framing) == 0
    assert not framing.is_ready


@given(st.binary(min_size=1, max_size=300))
def test_a_message_is_not_whole_before_its_last_byte(message: bytes) -> None:
    framing = Framing()
    framing.add(framed(message)[:-1])
    assert framing.take() is None
    assert len(framing) == len(message) + 1
    framing.add(message[-1:])
    assert framing.take() == message


def test_what_was_taken_is_not_kept() -> None:
    framing = Framing()
    for _ in range(1000):
        framing.add(framed(bytes(100)) + b"\0")
        assert framing.take() == bytes(100)
        framing.add(b"\1x")
        assert framing.take() == b"x"
        assert len(framing._data) < 9000
