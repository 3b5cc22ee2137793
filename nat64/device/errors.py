"""What the system refuses, told in one line."""

from __future__ import annotations


class DeviceError(Exception):
    """The system refused something the daemon needs; the text is ``what went wrong; what to do``."""


class DeviceBusy(DeviceError):  # noqa: N818 - it reads as what the device is
    """Another process serves the device."""
