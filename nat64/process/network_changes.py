"""Tells when this host's interfaces, addresses or routes change, by the kernel's notifications (rtnetlink(7))."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

# linux/rtnetlink.h
_RTMGRP_LINK: Final = 1
_RTMGRP_IPV4_IFADDR: Final = 0x10
_RTMGRP_IPV6_IFADDR: Final = 0x100
_RTMGRP_IPV4_ROUTE: Final = 0x40
_RTMGRP_IPV6_ROUTE: Final = 0x400
_OF_INTERFACES: Final = _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR
_OF_ROUTES: Final = _RTMGRP_IPV4_ROUTE | _RTMGRP_IPV6_ROUTE

_SETTLES_WITHIN: Final = 0.2
"""Seconds to wait for more of a burst of changes; an interface that comes up makes several."""
_LOOKS_EVERY: Final = 60.0
"""Seconds from one look to the next without any notification, should one have been missed."""
_LOOKS_BLINDLY_EVERY: Final = 5.0
"""The same where the kernel does not notify."""


class NetworkChanges:
    """Watches interfaces and addresses, and the routes too if asked to, until `close`."""

    def __init__(self, *, routes: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._socket = _subscribe(_OF_INTERFACES | (_OF_ROUTES if routes else 0))
        if self._socket is not None:
            self._loop.add_reader(self._socket, self._notified)

    async def follow(self, look: Callable[[], Awaitable[None]]) -> None:
        """Call `look` after each change, for ever. What it raises is logged, and changes nothing."""
        while True:
            patience = _LOOKS_BLINDLY_EVERY if self._socket is None else _LOOKS_EVERY
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._changed.wait()
                    await asyncio.sleep(_SETTLES_WITHIN)
            self._changed.clear()
            try:
                await look()
            except Exception:
                log.exception("the interfaces cannot be followed, everything stays as it was")

    def close(self) -> None:
        """Stop."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _notified(self) -> None:
        """Take the notifications. What they say is not read: all is looked at anew, also after some were lost."""
        if self._socket is None:
            return
        while True:
            try:
                self._socket.recv(1)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    log.warning("the kernel tells no more of the interfaces", extra={"why": error.strerror})
                    self.close()
                    break
        self._changed.set()


def _subscribe(groups: int) -> socket.socket | None:
    opened = None
    try:
        opened = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        opened.bind((0, groups))
    except OSError as error:
        log.warning(
            "the kernel does not notify of the interfaces, they are looked at from time to time",
            extra={"why": error.strerror},
        )
        if opened is not None:
            opened.close()
        return None
    return opened
