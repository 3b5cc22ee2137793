"""The TUN device: opened, made persistent, removed. Source: the kernel's Documentation/networking/tuntap.rst."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from pathlib import Path
from typing import Final, NamedTuple

from nat64.device.errors import DeviceBusy, DeviceError
from nat64.siit.offload import HEADER_LENGTH

DEVICE_NODE: Final = "/dev/net/tun"

_TUNSETIFF: Final = 0x400454CA
_TUNGETIFF: Final = 0x800454D2
_TUNSETPERSIST: Final = 0x400454CB
_TUNSETOWNER: Final = 0x400454CC
_TUNSETGROUP: Final = 0x400454CE
_IFF_TUN: Final = 0x0001
_IFF_MULTI_QUEUE: Final = 0x0100
_IFF_PERSIST: Final = 0x0800
_IFF_NO_PI: Final = 0x1000  # packets come and go bare, without a header of the driver's
_IFF_VNET_HDR: Final = 0x4000  # each has virtio's header before it, with what is left to do
_TUNSETOFFLOAD: Final = 0x400454D0
_TUNSETVNETHDRSZ: Final = 0x400454D8
_CHECKSUM: Final = 0x01
_TCP_SEGMENTATION: Final = 0x02 | 0x04 | 0x08  # over IPv4, over IPv6, with congestion marks
_UDP_SEGMENTATION: Final = 0x20 | 0x40  # Linux 6.2
_OFFLOADS: Final = (
    _CHECKSUM | _TCP_SEGMENTATION | _UDP_SEGMENTATION,
    _CHECKSUM | _TCP_SEGMENTATION,
    _CHECKSUM,
)
"""What is asked for, the best first."""

_SIOCGIFMTU: Final = 0x8921
_REQUEST: Final = struct.Struct("16sH22x")  # struct ifreq: the name, then a union of 24 octets
_MTU_REQUEST: Final = struct.Struct("16si20x")

_REMEDIES: Final = {
    errno.ENOENT: "load the module (modprobe tun), or give the container /dev/net/tun",
    errno.ENODEV: "load the module (modprobe tun)",
    errno.EACCES: "run as root or as the device's owner, or make /dev/net/tun readable and writable to this user",
    errno.EPERM: "run as root or with CAP_NET_ADMIN, or create the device for this user: nat64d --mktun -u USER",
    errno.EBUSY: "stop the other process that uses it",
    errno.EINVAL: "another kind of interface has this name; set tun-device to another one, or remove it",
}


class OpenTun(NamedTuple):
    """An open queue of a TUN device, whose descriptor does not block.

    With `offloads` the packets come and go as the kernel holds them, large and with checksums to finish, and each has a
    header of `nat64.siit.offload.HEADER_LENGTH` octets before it.
    """

    descriptor: int
    offloads: bool


def open_tun(name: str, *, offloads: bool = False, queues: int = 1) -> list[OpenTun]:
    """Open the TUN device `name`, with offloads if they are wanted and the kernel has them, and with so many queues.

    A device that exists is adopted; one that does not is made, and goes away when all are closed. One that was made
    with a single queue gives but that. Raises `DeviceError`.
    """
    flags = _IFF_TUN | _IFF_NO_PI
    if queues > 1 or _has_flag(name, _IFF_MULTI_QUEUE):
        flags |= _IFF_MULTI_QUEUE
    if exists(name) and not _has_flag(name, _IFF_MULTI_QUEUE):
        flags &= ~_IFF_MULTI_QUEUE
        queues = 1
    if offloads:
        flags |= _IFF_VNET_HDR
    opened: list[OpenTun] = []
    try:
        for _ in range(queues):
            opened.append(OpenTun(_open(name, flags), offloads))  # noqa: PERF401 - those that are open are closed again
    except DeviceError:
        _close(opened)
        raise
    if not offloads:
        give_back_offloads(opened[0].descriptor)  # a persistent device remembers what the last one took
    elif not _take_offloads(opened[0].descriptor):
        _close(opened)
        return open_tun(name, queues=queues)
    return opened


def _take_offloads(descriptor: int) -> bool:
    for kinds in _OFFLOADS:
        try:
            fcntl.ioctl(descriptor, _TUNSETVNETHDRSZ, struct.pack("i", HEADER_LENGTH))
            fcntl.ioctl(descriptor, _TUNSETOFFLOAD, kinds)
        except OSError:
            continue
        return True
    return False


def _close(opened: list[OpenTun]) -> None:
    for tun in opened:
        os.close(tun.descriptor)


def give_back_offloads(descriptor: int) -> None:
    """Let the next one that opens a persistent device get packets ready for a link, whoever it is."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, _TUNSETOFFLOAD, 0)


def _open(name: str, flags: int) -> int:
    fd = -1
    try:
        fd = os.open(DEVICE_NODE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(fd, _TUNSETIFF, _REQUEST.pack(name.encode(), flags))
    except OSError as error:
        if fd >= 0:
            os.close(fd)
        raise _refused(f"cannot open the TUN device {name}", error) from None
    return fd


def make_persistent(name: str, user: int | None, group: int | None, *, queues: int = 1) -> None:
    """Make the TUN device `name`, which stays until `remove`; who may open it beside root: `user`, `group` (ids).

    With more than one of `queues` it is made for several. A persistent device that exists is kept as it was made, with
    its owner changed; one that a daemon serves just now is left as it is. Raises `DeviceError`.
    """
    try:
        (tun, *others) = open_tun(name, queues=queues)
    except DeviceBusy:
        if _has_flag(name, _IFF_PERSIST):
            return
        raise
    _close(others)
    fd = tun.descriptor
    try:
        if user is not None:
            fcntl.ioctl(fd, _TUNSETOWNER, user)
        if group is not None:
            fcntl.ioctl(fd, _TUNSETGROUP, group)
        fcntl.ioctl(fd, _TUNSETPERSIST, 1)
    except OSError as error:
        raise _refused(f"cannot make the TUN device {name} persistent", error) from None
    finally:
        os.close(fd)


def remove(name: str) -> None:
    """Remove the persistent TUN device `name`; none is fine too. Raises `DeviceError`."""
    if not exists(name):
        return
    fd = open_tun(name)[0].descriptor
    try:
        fcntl.ioctl(fd, _TUNSETPERSIST, 0)
    except OSError as error:
        raise _refused(f"cannot remove the TUN device {name}", error) from None
    finally:
        os.close(fd)


def exists(name: str) -> bool:
    """Whether an interface of this name exists in our network namespace."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def is_persistent(descriptor: int) -> bool:
    """Whether the open TUN device stays when nobody has it open any more; one that is gone does not."""
    try:
        answer = fcntl.ioctl(descriptor, _TUNGETIFF, _REQUEST.pack(b"", 0))
    except OSError:
        return False
    return bool(_REQUEST.unpack(answer)[1] & _IFF_PERSIST)


def _has_flag(name: str, flag: int) -> bool:
    """Whether the TUN device `name` exists and has the flag."""
    flags = Path("/sys/class/net", name, "tun_flags")
    try:
        return bool(int(flags.read_text(encoding="ascii"), 16) & flag)
    except OSError:
        return False


def mtu(name: str) -> int:
    """Return the interface's MTU in octets. Raises `DeviceError`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            answer = fcntl.ioctl(channel, _SIOCGIFMTU, _MTU_REQUEST.pack(name.encode(), 0))
        except OSError as error:
            raise _refused(f"cannot read the MTU of {name}", error) from None
    return int(_MTU_REQUEST.unpack(answer)[1])


def _refused(what: str, error: OSError) -> DeviceError:
    remedy = _REMEDIES.get(error.errno or 0, "see the kernel's log (dmesg)")
    kind = DeviceBusy if error.errno == errno.EBUSY else DeviceError
    return kind(f"{what}: {error.strerror}; {remedy}")
