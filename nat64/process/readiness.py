"""Telling systemd how a daemon is: the datagrams of sd_notify(3), and nothing where nobody asked for them."""

from __future__ import annotations

import os
import socket
import time


def notify(state: str) -> None:
    """Send `state` (lines of ``NAME=value``) to the socket that NOTIFY_SOCKET names.

    Does nothing without NOTIFY_SOCKET; an abstract socket begins with ``@``. A manager that has gone away is
    not an error of ours.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.connect(address)
            channel.sendall(state.encode())
        except OSError:
            return


def ready() -> None:
    """Say that the daemon serves: after the start, and again after each reload."""
    notify("READY=1")


def reloading() -> None:
    """Say that a reload begins. ``ready`` ends it, also when the old config was kept."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping() -> None:
    """Say that the daemon is about to end."""
    notify("STOPPING=1")
