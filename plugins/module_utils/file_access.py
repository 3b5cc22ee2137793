# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Whether a user may read a file, and whose a directory is. The kernel is asked, as it alone knows of every rule."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path


def may_read(user: str, path: str) -> bool | None:
    """Tell whether the user may read the file; None if there is no such user, or it is not root who asks."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return None
    groups = os.getgrouplist(user, entry.pw_gid)
    child = os.fork()
    if child == 0:
        status = 1
        # Whatever happens, the child must not go on as the module.
        with contextlib.suppress(BaseException):
            os.setgroups(groups)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            status = 0 if os.access(path, os.R_OK) else 1
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def owner(directory: str) -> str | None:
    """Return whose a directory is; None if there is none. Of a user without a name it is the number."""
    try:
        uid = Path(directory).stat().st_uid
    except OSError:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
