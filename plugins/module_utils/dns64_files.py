# Copyright (c) 2026 the nat64 authors
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""The files of a host that the DNS64 server is to use: certificates, their keys, and its query log."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.nat64.gateway.plugins.module_utils.file_access import may_read, owner

USER = "dns64"
# What the unit hides from the service.
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - no file is made there
# It stands in the unit and in a shell script, too.
LOG_FILE = re.compile(r"(/[A-Za-z0-9_.+-]+){2,}")


def read_tls_files(listen_tls: Any, found: list[str]) -> list[str]:  # noqa: ANN401 - from YAML
    """Return the certificates and keys; what is wrong is added to `found`, but for what is wrong with the list itself."""
    files: list[str] = []
    for each in listen_tls if isinstance(listen_tls, list) else ():
        for name in ("certificate", "key") if isinstance(each, dict) and "address" in each else ():
            path = each.get(name)
            if isinstance(path, str) and path.startswith("/"):
                files.append(path)
            else:
                found.append(
                    f"dns64_listen_tls: {each['address']} has no {name}; write it as {name}: /etc/nat64/tls/{name}.pem"
                )
    return files


def read_query_log(given: Any, found: list[str]) -> str:  # noqa: ANN401 - from YAML
    """Return the log's path, empty for none; what is wrong is added to `found`."""
    if isinstance(given, str) and (not given or (LOG_FILE.fullmatch(given) and ".." not in given.split("/"))):
        return given
    found.append(
        f"dns64_query_log: {given!r} is not the absolute path of a file of letters, digits, '.', '_', '+' and '-';"
        " write it as /var/log/dns64d/queries.log"
    )
    return ""


def file_findings(tls_files: list[str], query_log: str) -> list[str]:
    """Say what is wrong with the files of this host that the server is to use."""
    found = [
        f"{variable}: the service cannot see {path}; give another place, such as {example}"
        for variable, example, paths in (
            ("dns64_listen_tls", "/etc/nat64/tls", tls_files),
            ("dns64_query_log", "/var/log/dns64d/queries.log", [query_log]),
        )
        for path in paths
        if path and any(PurePosixPath(path).is_relative_to(hidden) for hidden in HIDDEN)
    ]
    for path in dict.fromkeys(tls_files):
        if not Path(path).is_file():
            found.append(f"dns64_listen_tls: this host has no file {path}; bring it there first")
        elif may_read(USER, path) is False:
            found.append(
                f"dns64_listen_tls: the user {USER} may not read {path}; let it, such as by:"
                f" chgrp {USER} {path} && chmod g+r {path}, and likewise (g+x) the directories above"
            )
    directory = str(PurePosixPath(query_log).parent)
    if query_log and owner(directory) not in {None, USER}:
        found.append(
            f"dns64_query_log: {directory} belongs to {owner(directory)}, and the log must be in a directory of the"
            " server's own; choose one that is not there yet, such as in /var/log/dns64d/queries.log"
        )
    return found
