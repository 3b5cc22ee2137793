"""Giving up root: another user and group, and of the capabilities only the one that is needed (capabilities(7))."""

from __future__ import annotations

import ctypes
import enum
import grp
import os
import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nat64.process.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_PR_SET_KEEPCAPS: Final = 8
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_CAPABILITY_VERSION: Final = 0x20080522
_EFFECTIVE, _PERMITTED, _INHERITABLE = _SETS = range(3)


class Capability(enum.IntEnum):
    """A capability to keep (linux/capability.h)."""

    NET_BIND_SERVICE = 10
    """Bind ports below 1024."""
    NET_ADMIN = 12
    """Configure interfaces and routes."""
    BPF = 39
    """Load BPF programs, and use their maps. Since Linux 5.8."""


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


def become(
    identity: Identity,
    keep: Capability = Capability.NET_ADMIN,
    *,
    keep_if_there: Collection[Capability] = (),
) -> None:
    """Become `identity`, in all its groups, and keep one capability of root's, with those of others that root has here.

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
            there = _Sets.read(libc)
            kept = [keep, *(other for other in keep_if_there if there.has(_PERMITTED, other))]
            _Sets.of(kept).write(libc)
    except OSError as error:
        raise ProcessError(f"cannot change user and group: {error.strerror}; start as root") from None


def give_up(capability: Capability) -> None:
    """Go on without a capability, in this process and what it starts. Raises `OSError` where that is forbidden."""
    libc = ctypes.CDLL(None, use_errno=True)
    sets = _Sets.read(libc)
    for each in _SETS:
        sets.remove(each, capability)
    sets.write(libc)


def keep_over_exec(capability: Capability) -> None:
    """Let the program that takes this one's place have a capability that this one has, too.

    Root's programs have it anyway. Raises `OSError` where it is not ours to give.
    """
    if not os.geteuid():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    sets = _Sets.read(libc)
    if not sets.has(_INHERITABLE, capability):
        sets.add(_INHERITABLE, capability)
        sets.write(libc)
    _succeed(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, int(capability), 0, 0))


class _Sets:
    """The three sets of this thread, as capset(2) takes them: 32 capabilities of each, then the further 32 of each."""

    def __init__(self) -> None:
        self._words = (ctypes.c_uint32 * (2 * len(_SETS)))()

    @classmethod
    def read(cls, libc: ctypes.CDLL) -> _Sets:
        """Return what the thread has now."""
        sets = cls()
        _succeed(libc.capget(_header(), sets._words))
        return sets

    @classmethod
    def of(cls, capabilities: Iterable[Capability]) -> _Sets:
        """Return sets with these effective and permitted, and none inheritable."""
        sets = cls()
        for capability in capabilities:
            sets.add(_EFFECTIVE, capability)
            sets.add(_PERMITTED, capability)
        return sets

    def write(self, libc: ctypes.CDLL) -> None:
        """Make it what the thread has."""
        _succeed(libc.capset(_header(), self._words))

    def has(self, which: int, capability: Capability) -> bool:
        return bool(self._words[self._at(which, capability)] & 1 << capability % 32)

    def add(self, which: int, capability: Capability) -> None:
        self._words[self._at(which, capability)] |= 1 << capability % 32

    def remove(self, which: int, capability: Capability) -> None:
        self._words[self._at(which, capability)] &= ~(1 << capability % 32)

    @staticmethod
    def _at(which: int, capability: Capability) -> int:
        return which + len(_SETS) * (capability // 32)


def _header() -> ctypes.Array[ctypes.c_uint32]:
    return (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)


def _succeed(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
