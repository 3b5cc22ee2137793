"""When leases are saved, and that nothing is lost by it."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from nat64.addressing.pool import DynamicPool
from nat64.device.errors import DeviceError
from nat64.device.lease_file import LeaseFile
from nat64.device.state_file import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path

HOST = bytes.fromhex("20010db8000000000000000000000005")
NETWORK = IPv4Network("192.168.240.0/24")


def pool_with_lease() -> DynamicPool:
    pool = DynamicPool(NETWORK)
    pool.assign(HOST, None, 1000)
    return pool


def save(leases: LeaseFile, pool: DynamicPool, now: float) -> None:
    leases.save(leases.begin([pool], now), None, now)


def test_leases_are_loaded_as_they_were_saved(tmp_path: Path) -> None:
    pool = pool_with_lease()
    save(LeaseFile(StateDirectory(tmp_path)), pool, 1010)
    again = DynamicPool(NETWORK)
    LeaseFile(StateDirectory(tmp_path)).load({None: again}, 50)
    assert [(lease.host, lease.address) for lease in again] == [(lease.host, lease.address) for lease in pool]
    (lease,) = again
    assert lease.last_use == pytest.approx(40, abs=2)  # the file holds whole seconds


class Clocks:
    """A `LeaseFile` asked at moments of two clocks: `unix_ahead` is what Unix time is ahead of the leases' clock."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.leases = LeaseFile(StateDirectory(directory))
        self.unix_ahead = 1_800_000_000.0
        self._now = 0.0
        monkeypatch.setattr("time.time", lambda: self._now + self.unix_ahead)

    def is_due(self, pool: DynamicPool, now: float) -> bool:
        self._now = now
        return self.leases.is_due([pool], now)

    def save(self, pool: DynamicPool, now: float) -> None:
        self._now = now
        save(self.leases, pool, now)


@pytest.fixture
def clocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(tmp_path, monkeypatch)


def test_a_changed_pool_is_saved_after_5_seconds_an_unchanged_one_after_10_minutes(clocks: Clocks) -> None:
    pool = pool_with_lease()
    assert clocks.is_due(pool, 1000)
    clocks.save(pool, 1000)
    assert not clocks.is_due(pool, 1599)
    assert clocks.is_due(pool, 1600)
    pool.assign(HOST[:-1] + b"\x06", None, 1001)
    assert not clocks.is_due(pool, 1004)
    assert clocks.is_due(pool, 1005)


def test_another_pool_of_the_same_revision_is_saved(clocks: Clocks) -> None:
    clocks.save(pool_with_lease(), 1000)
    assert clocks.is_due(pool_with_lease(), 1005)


def test_leases_are_saved_anew_once_a_machine_that_started_in_1970_knows_the_time(clocks: Clocks) -> None:
    pool = pool_with_lease()
    clocks.unix_ahead = 0.0
    clocks.save(pool, 1000)
    clocks.unix_ahead = 1_800_000_000.0
    assert not clocks.is_due(pool, 1004)
    assert clocks.is_due(pool, 1005)
    clocks.save(pool, 1005)
    assert not clocks.is_due(pool, 1010)


def test_a_save_that_fails_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = tmp_path / "state"
    state.mkdir()
    pool = pool_with_lease()
    leases = LeaseFile(StateDirectory(state))
    state.rmdir()
    save(leases, pool, 1000)
    assert "cannot save the leases" in caplog.text
    assert leases.is_due([pool], 1005)


def test_a_file_with_unusable_lines_is_kept_before_it_is_written_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "192.168.240.9 2001:db8::9 1000\nnonsense\n" + "10.0.0.1 2001:db8::1 1000\n" * 20
    (tmp_path / "dynamic.map").write_text(text)
    pool = DynamicPool(NETWORK)
    leases = LeaseFile(StateDirectory(tmp_path))
    leases.load({None: pool}, 0)
    assert len(pool) == 1
    assert (tmp_path / "dynamic.map.skipped").read_text() == text
    assert sum(record.message == "saved lease skipped" for record in caplog.records) == 10
    assert "more saved leases skipped" in caplog.text


def test_a_file_that_cannot_be_read_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "dynamic.map").mkdir()  # reading it fails, also for root
    with pytest.raises(DeviceError, match=r"cannot read the saved leases in .*dynamic\.map"):
        LeaseFile(StateDirectory(tmp_path)).load({None: DynamicPool(NETWORK)}, 0)
