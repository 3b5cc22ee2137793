"""The program on the device: a classifier where packets leave by it (tc-bpf(8), clsact, direct action).

It stays when whoever attached it is gone, until it is detached or the device goes.
"""

from __future__ import annotations

import errno
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from nat64.device.fast_path.errors import FastPathError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")

NAME: Final = "nat64_fast_path"
_EGRESS: Final = 0xFFFFFFF3
_TAG, _ID = 10, 11  # TCA_BPF_TAG, TCA_BPF_ID
_PRIORITY: Final = 64
_HANDLE: Final = 1
_ALL_PROTOCOLS: Final = 3  # ETH_P_ALL


class Attached(NamedTuple):
    """A program of ours on a device: the kernel's number for it, and the digest of its instructions (`program.tag`)."""

    program_id: int
    tag: bytes


def attach(interface: str, descriptor: int) -> None:
    """Attach a loaded program, in place of one of ours that is there: no packet passes between the two.

    Raises `FastPathError`.
    """

    def act() -> None:
        with _netlink(f"attach the fast path to {interface}") as netlink:
            index = _index(interface)
            with suppress(FileExistsError), _as_os_error():
                netlink.tc("add", "clsact", index)
            netlink.tc(
                "replace-filter", "bpf", index, **_filter(), fd=descriptor, name=NAME, direct_action=True
            )

    _in_a_thread(act)


def detach(interface: str) -> bool:
    """Take the program of ours away; False if there was none. What others attached stays. Raises `FastPathError`."""

    def act() -> bool:
        with _netlink(f"detach the fast path from {interface}") as netlink:
            index = _index(interface)
            is_there = _find(netlink, index) is not None
            if is_there:
                netlink.tc("del-filter", "bpf", index, **_filter())
        return is_there

    return _in_a_thread(act)


def attached(interface: str) -> Attached | None:
    """Return what of ours is attached, None if nothing is. Raises `FastPathError`."""

    def act() -> Attached | None:
        with _netlink(f"see what is attached to {interface}") as netlink:
            return _find(netlink, _index(interface))

    return _in_a_thread(act)


def _in_a_thread(act: Callable[[], _T]) -> _T:
    """Do something and wait for it: pyroute2 has an event loop of its own, and there may be one here already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(act).result()


@contextmanager
def _netlink(doing: str) -> Iterator[Any]:
    """Yield a netlink socket, for a caller that is `doing` something. Raises `FastPathError`."""
    # pyroute2 takes a third of a second to import, which `nat64d --check` shall not wait for.
    from pyroute2 import IPRoute  # noqa: PLC0415 - see the line above

    try:
        with _as_os_error(), IPRoute() as netlink:
            yield netlink
    except OSError as error:
        raise FastPathError(f"cannot {doing}: {error.strerror}; {_remedy(error.errno)}") from None


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Raise what the kernel refuses by netlink as an `OSError`."""
    from pyroute2 import NetlinkError  # noqa: PLC0415 - as above

    try:
        yield
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code)) from None


def _index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from None


def _remedy(code: int | None) -> str:
    match code:
        case errno.EPERM | errno.EACCES:
            return "run as root or with CAP_NET_ADMIN"
        case errno.ENODEV:
            return "create it: nat64d --mktun"
        case errno.ENOENT | errno.EOPNOTSUPP:
            return "use a kernel with clsact and cls_bpf (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF)"
        case _:
            return "see the kernel's log (dmesg)"


def _find(netlink: Any, index: int) -> Attached | None:  # noqa: ANN401 - pyroute2 is not typed
    for message in netlink.get_filters(index=index, parent=_EGRESS):
        options = message.get_attr("TCA_OPTIONS")
        if message["handle"] != _HANDLE or options is None or options.get_attr("TCA_BPF_NAME") != NAME:
            continue
        # pyroute2 knows no names for these two: they are read as they stand.
        octets = {
            nla["header"]["type"]: bytes(nla.data[nla.offset + 4 : nla.offset + nla.length])
            for nla in (slot.nla for slot in options["attrs"] if slot.name == "UNKNOWN")
        }
        return Attached(int.from_bytes(octets.get(_ID, b""), "little"), octets.get(_TAG, b""))
    return None


def _filter() -> dict[str, Any]:
    return {"handle": _HANDLE, "parent": _EGRESS, "prio": _PRIORITY, "protocol": _ALL_PROTOCOLS}
