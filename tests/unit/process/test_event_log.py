"""The event log's lines, as a collector reads them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from nat64.process import event_log

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _root_logger_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_an_event_is_one_line_of_keys_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    event_log.start()

    logging.getLogger("nat64.test").info("lease made", extra={"host": "2001:db8::1", "note": "two\nlines"})

    assert capsys.readouterr().err == 'level=INFO msg="lease made" host=2001:db8::1 note="two\\nlines"\n'


def test_events_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    event_log.start(logging.WARNING)

    logging.getLogger("nat64.test").info("lease made")

    assert capsys.readouterr().err == ""


def test_what_pyroute2_warns_of_at_its_import_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    event_log.start()

    logging.getLogger("pyroute2").setLevel(logging.NOTSET)  # as its import does
    logging.getLogger("pyroute2.netlink.rtnl.tcmsg.common").warning(
        "the tc subsystem functionality is limited"
    )

    assert capsys.readouterr().err == ""
