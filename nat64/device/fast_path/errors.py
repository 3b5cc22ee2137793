"""Why there is no fast path, told in one line."""

from __future__ import annotations

from nat64.device.errors import DeviceError


class FastPathError(DeviceError):
    """The fast path cannot work here; the text is ``what is missing; what to do``. `log` is the kernel's, may be empty."""

    def __init__(self, text: str, log: str = "") -> None:
        super().__init__(text)
        self.log = log
