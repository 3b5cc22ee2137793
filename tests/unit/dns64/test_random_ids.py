"""RFC 5452 section 9.2: IDs are unpredictable and use the whole range."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

from nat64.dns64.random_ids import random_ids

if TYPE_CHECKING:
    import pytest


def test_rfc5452_9_2_ids_come_from_all_that_the_kernel_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [os.urandom(512) for _ in range(3)]
    given = iter(blocks)
    monkeypatch.setattr(os, "urandom", lambda size: next(given) if size == 512 else b"")
    ids = b"".join(each.to_bytes(2, "big") for each in islice(random_ids(), 3 * 256))
    assert ids == b"".join(blocks)


def test_rfc5452_9_2_no_two_sequences_are_alike() -> None:
    assert list(islice(random_ids(), 64)) != list(islice(random_ids(), 64))
