"""What role dns64 says of the host's files that its server is to use."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils import dns64_files, file_access

if TYPE_CHECKING:
    from pathlib import Path

OTHER_USER = "nobody"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask for others")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a directory that the service may see, and that others may pass."""
    monkeypatch.setattr(dns64_files, "HIDDEN", ("/home",))
    monkeypatch.setattr(dns64_files, "USER", OTHER_USER)
    for directory in (tmp_path, *tmp_path.parents):
        if directory.owner() == pwd.getpwuid(os.geteuid()).pw_name and str(directory) not in {"/", "/tmp"}:  # noqa: S108 - not made here
            directory.chmod(0o755)
    return tmp_path


def findings(*files: Path | str, log: str = "") -> list[str]:
    return dns64_files.file_findings(list(map(str, files)), log)


def test_a_certificate_that_is_not_there_is_told(place: Path) -> None:
    (finding,) = findings(place / "chain.pem")
    assert finding == f"dns64_listen_tls: this host has no file {place}/chain.pem; bring it there first"


@needs_root
def test_a_key_that_the_servers_user_may_not_read_is_told_with_what_lets_it(place: Path) -> None:
    key = place / "key.pem"
    key.touch(0o640)
    (finding,) = findings(key)
    assert finding.startswith(f"dns64_listen_tls: the user {OTHER_USER} may not read {key}; ")
    assert f"chgrp {OTHER_USER} {key} && chmod g+r {key}" in finding
    os.chown(key, 0, pwd.getpwnam(OTHER_USER).pw_gid)
    assert findings(key) == []


@needs_root
def test_a_directory_above_that_keeps_the_user_out_counts(place: Path) -> None:
    private = place / "private"
    private.mkdir(0o700)
    (private / "key.pem").touch(0o644)
    assert len(findings(private / "key.pem")) == 1
    private.chmod(0o755)
    assert findings(private / "key.pem") == []


def test_of_a_user_that_is_not_there_yet_nothing_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns64_files, "USER", "no-such-user")
    (place / "key.pem").touch(0o600)
    assert findings(place / "key.pem") == []
    assert file_access.may_read("no-such-user", "/etc/passwd") is None


@pytest.mark.parametrize("path", ["/home/admin/key.pem", "/root/key.pem", "/tmp/key.pem"])  # noqa: S108 - not made
def test_what_the_unit_hides_from_the_service_is_told(path: str) -> None:
    assert findings(path)[0].startswith(
        f"dns64_listen_tls: the service cannot see {path}; give another place"
    )
    assert findings(log=path)[0].startswith(
        f"dns64_query_log: the service cannot see {path}; give another place"
    )


def test_a_query_log_has_a_directory_of_its_own(place: Path) -> None:
    assert findings(log=f"{place}/new/queries.log") == []
    (finding,) = findings(log=f"{place}/queries.log")
    assert finding.startswith(f"dns64_query_log: {place} belongs to {place.owner()}, and the log must be in ")


@needs_root
def test_a_directory_that_is_the_servers_already_may_hold_the_log(place: Path) -> None:
    own = place / "own"
    own.mkdir()
    os.chown(own, pwd.getpwnam(OTHER_USER).pw_uid, -1)
    assert findings(log=f"{own}/queries.log") == []


@needs_root
def test_a_directory_of_a_user_who_is_gone_is_called_by_its_number(place: Path) -> None:
    os.chown(place, 54321, -1)
    assert file_access.owner(str(place)) == "54321"
    assert file_access.owner(f"{place}/none") is None
