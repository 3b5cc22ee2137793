"""Why there is no fast path on a machine: one line that names what is missing and what to do."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

import pytest

from nat64.device.fast_path import availability, libbpf

if TYPE_CHECKING:
    from pathlib import Path

BPF, NET_ADMIN, SYS_ADMIN = 1 << 39, 1 << 12, 1 << 21


@pytest.fixture(autouse=True)
def _all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "read_object", lambda: b"")
    monkeypatch.setattr(libbpf, "library", lambda: None)
    monkeypatch.setattr(platform, "release", lambda: "5.15.0-91-generic")


def _process(directory: Path, capabilities: int, users: str = "         0          0 4294967295\n") -> Path:
    (directory / "status").write_text(
        f"Name:\tnat64d\nCapInh:\t0\nCapEff:\t{capabilities:016x}\nCapBnd:\t0\n"
    )
    (directory / "uid_map").write_text(users)
    return directory


def test_nothing_is_missing_with_the_two_capabilities(tmp_path: Path) -> None:
    assert availability.missing(_process(tmp_path, BPF | NET_ADMIN)) is None


def test_what_came_before_cap_bpf_counts_as_well(tmp_path: Path) -> None:
    assert availability.missing(_process(tmp_path, SYS_ADMIN | NET_ADMIN)) is None


@pytest.mark.parametrize(
    ("capabilities", "users", "reason"),
    [
        (
            NET_ADMIN,
            "0 0 4294967295",
            "nat64d lacks CAP_BPF, which the fast path needs; grant it, or set fast-path off",
        ),
        (
            BPF,
            "0 0 4294967295",
            "nat64d lacks CAP_NET_ADMIN, which the fast path needs; grant it, or set fast-path off",
        ),
        (
            BPF | NET_ADMIN,
            "0 100000 65536",
            "nat64d is in a container with users of its own, where CAP_BPF does not count; set fast-path off",
        ),
    ],
)
def test_a_privilege_that_is_missing_is_named(
    tmp_path: Path, capabilities: int, users: str, reason: str
) -> None:
    assert availability.missing(_process(tmp_path, capabilities, users)) == reason


@pytest.mark.parametrize("release", ["5.14.21-150500", "4.19.0-26-amd64", "unknown"])
def test_a_kernel_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch, release: str) -> None:
    monkeypatch.setattr(platform, "release", lambda: release)

    assert availability.missing() == f"Linux {release} is too old for the fast path; use 5.15 or later"


@pytest.mark.parametrize("release", ["5.15", "6.1.0-28-amd64", "10.0-rc1"])
def test_a_later_kernel_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: str) -> None:
    monkeypatch.setattr(platform, "release", lambda: release)

    assert availability.missing(_process(tmp_path, BPF | NET_ADMIN)) is None


def test_a_machine_of_the_other_byte_order_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "byteorder", "big")

    assert availability.missing() == "the fast path is built for little-endian machines; set fast-path off"


def test_a_missing_libbpf_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse() -> None:
        raise OSError("libbpf.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(libbpf, "library", refuse)

    reason = availability.missing(_process(tmp_path, BPF | NET_ADMIN))

    assert reason is not None
    assert reason.startswith("libbpf 1.0 or later cannot be loaded (libbpf.so.1: ")
    assert reason.endswith("; install libbpf")
