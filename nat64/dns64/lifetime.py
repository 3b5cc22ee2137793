"""For how long an answer may be kept (RFC 1035 section 3.2.1, RFC 2308 section 5). No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nat64.dns64.chain import answers_at_end
from nat64.dns64.message import CLASS_IN, RCode, RRType

if TYPE_CHECKING:
    from nat64.dns64.message import Message

LONGEST: Final = 86400
"""Seconds; RFC 2308 section 5 finds one to three hours good for what does not exist, RFC 8767 section 4 a week the most."""
LONGEST_WITHOUT: Final = 10800
"""Seconds, for what does not exist (RFC 2308 section 5)."""
FAILURE: Final = 1
"""Seconds that a failure is kept, so that those who ask again at once are not asked for (RFC 9520 section 3.2)."""


def lifetime(answer: Message) -> int:
    """Return the seconds that an answer may be kept; 0: not at all.

    It lives no longer than any of its records. That there is nothing is kept as long as the zone's SOA record says,
    and not without one.
    """
    if answer.truncated:
        return 0
    if answer.rcode not in (RCode.NOERROR, RCode.NXDOMAIN):
        return FAILURE
    longest = LONGEST
    if not _answers(answer):
        soa = [record for record in answer.authorities if record.rtype == RRType.SOA]
        if not soa:
            return 0
        longest = min(LONGEST_WITHOUT, *(record.rdata.times[4] for record in soa))
    records = (*answer.answers, *answer.authorities, *answer.additionals)
    return int(min(longest, *(record.ttl for record in records))) if records else longest


def _answers(answer: Message) -> bool:
    """Tell whether there is what was asked for."""
    if answer.rcode == RCode.NXDOMAIN:
        return False
    question = answer.question
    if question.qtype in (RRType.ANY, RRType.CNAME) or question.qclass != CLASS_IN:
        return bool(answer.answers)
    return bool(answers_at_end(answer, question.qtype))
