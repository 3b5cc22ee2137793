"""Giving up root: another user and group, and of the capabilities only the one that is needed (capabilities(7))."""

from __future__ import annotations

import ctypes
import enum
import grp
import os
import pwd
from dataclasses import dataclass
from typing import Final

from nat64.process.errors import ProcessError

_PR_SET_KEEPCAPS: Final = 8
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_CAPABILITY_VERSION: Final = 0x20080522
_INHERITABLE: Final = 2  # after effective and permitted


class Capability(enum.IntEnum):
    """A capability to keep (linux/capability.h)."""

    NET_BIND_SERVICE = 10
    """Bind ports below 1024."""
    NET_ADMIN = 12
    """Configure interfaces and routes."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom to become; None keeps what is."""

    user: int | None
    group: int | None
    groups: tuple[int, ...] = ()
    """`group` and the groups that have the user as a member."""


def look_up(user: str | None, group: str | None) -> Identity:
    """Find the ids of a user and a group, given by name or number; a user alone brings its own group.

    Raises `ProcessError`.
    """
    user_id = group_id = None
    if user is not None:
        try:
            entry = pwd.getpwuid(int(user)) if user.isascii() and user.isdigit() else pwd.getpwnam(user)
            user_id, group_id = entry.pw_uid, entry.pw_gid
        except KeyError:
            raise ProcessError(f"no user '{user}'; create it, or give -u another one") from None
    if group is not None:
        try:
            found = grp.getgrgid(int(group)) if group.isascii() and group.isdigit() else grp.getgrnam(group)
            group_id = found.gr_gid
        except KeyError:
            raise ProcessError(f"no group '{group}'; create it, or give -g another one") from None
    if group_id is None:
        return Identity(None, None)
    name = pwd.getpwuid(user_id).pw_name if user_id is not None else None
    # Looked up here, where the databases can be read: after a chroot they cannot.
    groups = os.getgrouplist(name, group_id) if name is not None else [group_id]
    return Identity(user_id, group_id, tuple(groups))


def become(identity: Identity, keep: Capability = Capability.NET_ADMIN) -> None:
    """Become `identity`, in all its groups, and keep one capability of root's.

    Does nothing when we are that already. Raises `ProcessError`.
    """
    user, group = identity.user, identity.group
    if user in {None, os.geteuid()} and group in {None, os.getegid()}:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if group is not None:
            os.setgroups(identity.groups or (group,))
            os.setresgid(group, group, group)
        if user is not None:
            _succeed(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
            os.setresuid(user, user, user)
            _keep_only(libc, 1 << keep)
    except OSError as error:
        raise ProcessError(f"cannot change user and group: {error.strerror}; start as root") from None


def give_up(capability: Capability) -> None:
    """Go on without a capability, in this process and what it starts. Raises `OSError` where that is forbidden."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _read_capabilities(libc)
    for each in range(3):
        data[each] &= ~(1 << capability)
    _succeed(libc.capset(header, data))


def keep_over_exec(capability: Capability) -> None:
    """Let the program that takes this one's place have a capability that this one has, too.

    Root's programs have it anyway. Raises `OSError` where it is not ours to give.
    """
    if not os.geteuid():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _read_capabilities(libc)
    if not data[_INHERITABLE] & 1 << capability:
        data[_INHERITABLE] |= 1 << capability
        _succeed(libc.capset(header, data))
    _succeed(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, int(capability), 0, 0))


def _read_capabilities(
    libc: ctypes.CDLL,
) -> tuple[ctypes.Array[ctypes.c_uint32], ctypes.Array[ctypes.c_uint32]]:
    """Return the header for capset(2) and this thread's sets, of which only the first 32 capabilities matter here."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)()
    _succeed(libc.capget(header, data))
    return header, data


def _keep_only(libc: ctypes.CDLL, capabilities: int) -> None:
    """Set the effective and permitted capabilities of this thread, none inheritable (capset(2))."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)(capabilities, capabilities, 0, 0, 0, 0)
    _succeed(libc.capset(header, data))


def _succeed(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
