"""A forwarder's reply: whether it is one to what was asked, and what it says. No I/O."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nat64.dns64 import wire
from nat64.dns64.message import HEADER_SIZE, MalformedMessage, Message, RCode, parse

if TYPE_CHECKING:
    from nat64.dns64.message import Edns
    from nat64.dns64.wire import PlainReply


class CaseMismatch(Exception):  # noqa: N818 - it says what came in, and is an error only of the sender
    """All of a reply fits but the case of its question's name."""


@dataclass(slots=True)
class Reply:
    """What a forwarder said: plain, or a whole message, or both once somebody wants to see the message."""

    data: bytes
    plain: PlainReply | None
    authentic: bool
    """Whether its AD bit may be believed."""
    parsed: Message | None = None

    @property
    def message(self) -> Message:
        """All that it says, with AD only where that may be believed."""
        if self.parsed is None:
            self.parsed = parse(self.data)  # what is plain is well-formed
            self.parsed.authentic_data = self.parsed.authentic_data and self.authentic
        return self.parsed

    @property
    def rcode(self) -> int:
        """The response code."""
        return RCode.NOERROR if self.plain is not None else self.message.rcode

    @property
    def truncated(self) -> bool:
        """The TC bit."""
        return self.plain is None and self.message.truncated

    @property
    def edns(self) -> Edns | None:
        """Its OPT record, where that says something."""
        return None if self.plain is not None else self.message.edns


def read_reply(data: bytes, asked: bytes, question: bytes, *, exact: bool, authentic: bool) -> Reply | None:
    """Read the reply to what was `asked`; ``None`` when the bytes are not that (RFC 5452 section 9.1).

    `question` is the question section as a client wrote it, whose case the reply has from here on. Raises
    `CaseMismatch` when it must be `exact` in the case of what was asked, and is not.
    """
    if len(data) < HEADER_SIZE or data[:2] != asked[:2]:
        return None
    _, flags, questions = struct.unpack_from("!HHH", data)
    if flags & (wire.QR | wire.OPCODE) != wire.QR:
        return None
    if len(data) == HEADER_SIZE:
        return _bare_error(data, asked, authentic=authentic)
    end = HEADER_SIZE + len(question)
    theirs = data[HEADER_SIZE:end]
    if questions != 1 or theirs[-4:] != question[-4:] or theirs.lower() != question.lower():
        return None
    if exact and theirs != asked[HEADER_SIZE:end]:
        raise CaseMismatch
    if theirs != question:
        data = data[:HEADER_SIZE] + question + data[end:]
    plain = wire.read_plain_reply(data, end)
    reply = Reply(data, plain, authentic)
    if plain is None:
        try:
            reply.message  # noqa: B018 - read now, so that what is no message is known for none
        except MalformedMessage:
            return None
    return reply


def _bare_error(data: bytes, asked: bytes, *, authentic: bool) -> Reply | None:
    """Read an error that is a header alone, as some servers of before EDNS answer an OPT record."""
    ident, flags, *counts = struct.unpack("!HHHHHH", data)
    rcode = flags & wire.RCODE
    if any(counts) or rcode in (RCode.NOERROR, RCode.NXDOMAIN):
        return None
    question = parse(asked).question
    message = Message(id=ident, question=question, is_response=True, rcode=rcode)
    return Reply(data, None, authentic, message)
