"""Opening the TUN device where a kernel lacks what is asked for; the kernel is played."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nat64.device import tun
from nat64.device.errors import DeviceBusy

if TYPE_CHECKING:
    from collections.abc import Iterator

SETIFF, SETOFFLOAD = 0x400454CA, 0x400454D0
VNET_HDR, MULTI_QUEUE = 0x4000, 0x0100
CHECKSUM, TCP, UDP = 0x01, 0x0E, 0x60


class Kernel:
    """Takes the requests for a device, and refuses what it lacks."""

    def __init__(self, knows: int, queues: int = 256) -> None:
        self.knows = knows
        self.queues = queues
        self.flags: list[int] = []
        self.offloads: list[int] = []
        self.there = False
        self.multi_queue = False

    def ioctl(self, _descriptor: int, request: int, argument: bytes | int = 0) -> int:
        if request == SETIFF:
            assert isinstance(argument, bytes)
            (flags,) = struct.unpack_from("16xH", argument)
            if self.there and bool(flags & MULTI_QUEUE) is not self.multi_queue:
                raise OSError(errno.EINVAL, "Invalid argument")
            if len(self.flags) == self.queues:
                raise OSError(errno.EBUSY, "Device or resource busy")
            self.flags.append(flags)
        elif request == SETOFFLOAD:
            assert isinstance(argument, int)
            if argument & ~self.knows:
                raise OSError(errno.EINVAL, "Invalid argument")
            self.offloads.append(argument)
        return 0


@pytest.fixture
def opened() -> Iterator[list[int]]:
    descriptors: list[int] = []
    yield descriptors
    for descriptor in descriptors:
        os.close(descriptor)


def play(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tun, "DEVICE_NODE", os.devnull)
    monkeypatch.setattr(fcntl, "ioctl", kernel.ioctl)
    monkeypatch.setattr(tun, "exists", lambda _: kernel.there)
    monkeypatch.setattr(tun, "_has_flag", lambda _, flag: flag == MULTI_QUEUE and kernel.multi_queue)


@pytest.mark.parametrize(
    ("knows", "taken"),
    [
        (CHECKSUM | TCP | UDP, CHECKSUM | TCP | UDP),
        (CHECKSUM | TCP, CHECKSUM | TCP),  # Linux before 6.2
        (CHECKSUM, CHECKSUM),
    ],
)
def test_the_best_offloads_that_the_kernel_has_are_taken(
    knows: int, taken: int, monkeypatch: pytest.MonkeyPatch, opened: list[int]
) -> None:
    kernel = Kernel(knows)
    play(kernel, monkeypatch)
    (device,) = tun.open_tun("nat64", offloads=True)
    opened.append(device.descriptor)
    assert device.offloads
    assert kernel.flags[0] & VNET_HDR
    assert kernel.offloads == [taken]


def test_without_any_offload_packets_come_ready_and_without_a_header(
    monkeypatch: pytest.MonkeyPatch, opened: list[int]
) -> None:
    kernel = Kernel(0)
    play(kernel, monkeypatch)
    (device,) = tun.open_tun("nat64", offloads=True)
    opened.append(device.descriptor)
    assert not device.offloads
    assert not kernel.flags[-1] & VNET_HDR
    assert kernel.offloads == [0]


def test_what_another_one_took_of_a_persistent_device_is_given_back(
    monkeypatch: pytest.MonkeyPatch, opened: list[int]
) -> None:
    kernel = Kernel(CHECKSUM | TCP)
    play(kernel, monkeypatch)
    (device,) = tun.open_tun("nat64")
    opened.append(device.descriptor)
    assert kernel.offloads == [0]


@pytest.mark.parametrize(
    ("there", "multi_queue", "queues"), [(False, False, 3), (True, True, 3), (True, False, 1)]
)
def test_a_device_gives_as_many_queues_as_it_was_made_for(
    there: bool, multi_queue: bool, queues: int, monkeypatch: pytest.MonkeyPatch, opened: list[int]
) -> None:
    kernel = Kernel(CHECKSUM | TCP)
    kernel.there, kernel.multi_queue = there, multi_queue
    play(kernel, monkeypatch)
    devices = tun.open_tun("nat64", offloads=True, queues=3)
    opened += [device.descriptor for device in devices]
    assert len(devices) == queues
    assert len({device.descriptor for device in devices}) == queues


def test_one_worker_is_served_by_a_device_made_for_several(
    monkeypatch: pytest.MonkeyPatch, opened: list[int]
) -> None:
    kernel = Kernel(CHECKSUM | TCP)
    kernel.there = kernel.multi_queue = True
    play(kernel, monkeypatch)
    (device,) = tun.open_tun("nat64")
    opened.append(device.descriptor)


def test_queues_that_were_opened_are_closed_when_another_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel = Kernel(CHECKSUM | TCP, queues=2)
    play(kernel, monkeypatch)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(DeviceBusy, match="stop the other process that uses it"):
        tun.open_tun("nat64", offloads=True, queues=3)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
