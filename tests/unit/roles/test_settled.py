"""What tells that a gateway still is what an earlier run left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.nat64.gateway.plugins.module_utils import settled_state
from ansible_collections.nat64.gateway.plugins.modules import settled

from tests.unit.roles.test_specs import ROLES

# Not written by a role as a file of its own: what packages bring, what is only read, what users and groups are.
NOT_LOOKED_AT = {"/etc/group", "/etc/lbu/lbu.conf", "/etc/passwd", "/etc/radvd.conf", "/etc/shadow"}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with a config and its kernel settings, where the service runs."""
    for module in (settled_state, settled):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for file, text in {
        "etc/nat64/nat64.conf": "prefix 64:ff9b::/96\n",
        "etc/sysctl.d/60-nat64.conf": "net/ipv4/conf/all/forwarding = 1\n",
        "proc/sys/net/ipv4/conf/all/forwarding": "1\n",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    monkeypatch.setattr(settled_state, "_network", dict)
    monkeypatch.setattr(settled_state, "_table", str)
    for question in ("is_running", "is_enabled"):
        monkeypatch.setattr(settled_state, question, lambda _: True)
    return tmp_path


class Mover:
    """What of a module the record needs."""

    def atomic_move(self, source: str, target: str) -> None:
        Path(source).rename(target)


def record(source: str = "source") -> list[str]:
    return settled.keep(Mover(), source, ["nat64d"])


@pytest.mark.usefixtures("root")
def test_what_was_recorded_and_left_alone_is_settled() -> None:
    assert settled.look("source") == ["no record"]
    assert record() == []
    assert settled.look("source") == []
    assert settled.look("another") == ["variables or roles"]


def test_an_edited_file_is_named(root: Path) -> None:
    record()
    (root / "etc/nat64/nat64.conf").write_text("prefix 64:ff9b:1::/96\n")
    assert settled.look("source") == ["file /etc/nat64/nat64.conf"]


def test_a_file_that_others_may_write_now_is_named(root: Path) -> None:
    record()
    (root / "etc/nat64/nat64.conf").chmod(0o666)
    assert settled.look("source") == ["file /etc/nat64/nat64.conf"]


def test_a_kernel_setting_that_was_undone_is_named(root: Path) -> None:
    record()
    (root / "proc/sys/net/ipv4/conf/all/forwarding").write_text("0\n")
    assert settled.look("source") == ["kernel setting net/ipv4/conf/all/forwarding"]


@pytest.mark.usefixtures("root")
def test_a_service_that_stopped_is_named_and_never_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    record()
    monkeypatch.setattr(settled_state, "is_running", lambda _: False)
    assert settled.look("source") == ["service nat64d"]
    assert record() == ["service nat64d"]
    assert settled.look("source") == ["no record"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"state": 1, "source": "source"}'])
def test_a_record_that_cannot_be_read_counts_for_nothing(root: Path, text: str) -> None:
    (root / settled_state.RECORD).write_text(text)
    assert settled.look("source") == ["no record"]


def test_every_file_that_roles_write_below_etc_is_looked_at() -> None:
    words = "".join(
        path.read_text()
        for part in ("vars", "tasks")
        for path in ROLES.glob(f"*/{part}/*.yml")
        if path.parts[-3] != "client"  # no gateway has it
    )
    files = set(re.findall(r"(?<![\w/])/etc/[\w./-]*\w(?![\w/{ ]*[{/])", words)) - NOT_LOOKED_AT
    written = {file for file in files if "nat64" in file or "dns64" in file}
    assert written >= {
        "/etc/nat64/nat64.conf",
        "/etc/systemd/system/dns64d.service",
        "/etc/sysctl.d/60-nat64.conf",
    }
    missed = {
        file for file in written if not any(Path(file[1:]).match(place) for place in settled_state.PLACES)
    }
    assert missed == set()
