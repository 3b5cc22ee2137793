"""What the system refuses of the device and its files, told in one line."""

from __future__ import annotations

from nat64.process.errors import ProcessError


class DeviceError(ProcessError):
    """The system refused something about the device or the state beside it."""


class DeviceBusy(DeviceError):  # noqa: N818 - it reads as what the device is
    """Another process serves the device."""
