"""nat64ctl as its user meets it; the daemons' side is played by a real control server."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from nat64.commands import nat64ctl
from nat64.control.protocol import Access, Command, CommandFailed, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    Serve = Callable[[Path, Mapping[str, Command]], AbstractContextManager[None]]

STATUS: Result = {
    "daemon": "nat64d",
    "version": "1.2.3",
    "started": time.time() - 60,
    "prefixes": ["64:ff9b::/96"],
    "pool": {"network": "192.168.240.0/20", "leased": 1},
}
HOSTS: list[dict[str, object]] = [
    {"host": "2001:db8::1", "address": "192.168.240.7", "kind": "dynamic", "last_used": time.time()},
    {"host": "2001:db8::2", "address": "192.0.2.2", "kind": "static", "last_used": None},
]
MISTAKE = "/etc/nat64/nat64.conf:3: unknown directive 'prefxi'; did you mean 'prefix'?"


def _refuse(_arguments: Mapping[str, object]) -> Result:
    raise CommandFailed(MISTAKE)


COMMANDS = {
    "status": Command(Access.READ, lambda _arguments: STATUS),
    "hosts": Command(Access.READ, lambda _arguments: {"rows": HOSTS}),
    "check-config": Command(Access.READ, lambda _arguments: {"mistakes": [MISTAKE], "warnings": []}),
    "reload": Command(Access.CHANGE, _refuse),
}


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve_control: Serve) -> Iterator[Path]:
    """Serve as nat64d where nat64ctl looks for it; no dns64d runs."""
    path = tmp_path / "nat64d.sock"
    monkeypatch.setattr(nat64ctl, "SOCKETS", {"nat64d": path, "dns64d": tmp_path / "dns64d.sock"})
    with serve_control(path, COMMANDS):
        yield path


@pytest.mark.usefixtures("daemon")
def test_status_tells_of_one_daemon_and_that_the_other_does_not_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert nat64ctl.main(["status"]) == 1

    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "nat64d 1.2.3"
    assert "64:ff9b::/96" in out
    assert "network 192.168.240.0/20, leased 1" in out
    assert "dns64d: no daemon listens on" in err


@pytest.mark.usefixtures("daemon")
def test_status_as_json_is_what_the_daemon_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert nat64ctl.main(["status", "nat64d", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {"nat64d": STATUS}


@pytest.mark.usefixtures("daemon")
def test_hosts_lists_leases_and_maps(capsys: pytest.CaptureFixture[str]) -> None:
    assert nat64ctl.main(["hosts"]) == 0

    heading, dynamic, static = capsys.readouterr().out.splitlines()
    assert heading.split()[:3] == ["HOST", "ADDRESS", "KIND"]
    assert dynamic.split()[:3] == ["2001:db8::1", "192.168.240.7", "dynamic"]
    assert static.split() == ["2001:db8::2", "192.0.2.2", "static", "-"]


def test_status_tells_lists_in_a_row_word_by_word(
    tmp_path: Path, serve_control: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    views = [{"name": "guests", "networks": ["2001:db8:1::/48", "2001:db8:2::/48"], "prefixes": []}]
    status: Result = {"daemon": "dns64d", "version": "1", "views": views}
    path = tmp_path / "dns64d.sock"
    with serve_control(path, {"status": Command(Access.READ, lambda _: status)}):
        assert nat64ctl.main(["status", "dns64d", "--socket", str(path)]) == 0
    assert "name guests, networks 2001:db8:1::/48 2001:db8:2::/48, prefixes none" in capsys.readouterr().out


def test_stats_tells_what_was_counted_and_what_that_means(
    tmp_path: Path, serve_control: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"name": "translated_to_ipv4", "count": 12, "meaning": "packets translated from IPv6 to IPv4"},
        {"name": "drop_malformed", "count": 3, "meaning": "packets cut short"},
        {"name": "drop_not_ip", "count": 0, "meaning": "packets that are neither"},
    ]
    path = tmp_path / "nat64d.sock"
    with serve_control(path, {"stats": Command(Access.READ, lambda _: {"rows": rows})}):
        assert nat64ctl.main(["stats", "nat64d", "--socket", str(path)]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "12  translated_to_ipv4  packets translated from IPv6 to IPv4",
            " 3  drop_malformed      packets cut short",
        ]
        assert nat64ctl.main(["stats", "nat64d", "--socket", str(path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"nat64d": {"rows": rows}}
        for row in rows:
            row["count"] = 0
        assert nat64ctl.main(["stats", "nat64d", "--socket", str(path)]) == 0
        assert capsys.readouterr().out == "nothing was counted so far\n"


def test_hosts_of_several_prefixes_are_told_apart(
    tmp_path: Path, serve_control: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {**HOSTS[0], "prefix": "64:ff9b::/96"},
        {**HOSTS[1], "prefix": "2001:db8:65:ffff:ffff:ffff::/96"},
        {**HOSTS[1], "prefix": None},
    ]
    path = tmp_path / "nat64d.sock"
    with serve_control(path, {"hosts": Command(Access.READ, lambda _: {"rows": rows})}):
        assert nat64ctl.main(["hosts", "nat64d", "--socket", str(path)]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split()[:4] == ["HOST", "ADDRESS", "PREFIX", "KIND"]
    assert [line.split()[2] for line in lines] == ["64:ff9b::/96", "2001:db8:65:ffff:ffff:ffff::/96", "none"]
    assert (
        len({line.index(kind) for line, kind in zip(lines, ("dynamic", "static", "static"), strict=True)})
        == 1
    )


@pytest.mark.usefixtures("daemon")
def test_a_mistake_in_the_config_on_disk_is_told_as_the_daemon_would(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert nat64ctl.main(["check-config", "nat64d"]) == 2

    assert capsys.readouterr().err == f"{MISTAKE}\n"


@pytest.mark.usefixtures("daemon")
def test_a_reload_that_is_refused_fails_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert nat64ctl.main(["reload", "nat64d"]) == 1

    assert capsys.readouterr().err.startswith("nat64ctl: nat64d: ")


def test_another_socket_can_be_named(daemon: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nat64ctl.main(["status", "dns64d", "--socket", str(daemon), "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {"dns64d": STATUS}


def test_a_socket_without_its_daemon_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        nat64ctl.main(["status", "--socket", "/nowhere"])

    assert exit_.value.code == 2
    assert "--socket needs the daemon's name" in capsys.readouterr().err


def serving_dns64d(
    path: Path, serve_control: Serve, **answers: Callable[[Mapping[str, object]], Result]
) -> AbstractContextManager[None]:
    return serve_control(path, {name: Command(Access.READ, answer) for name, answer in answers.items()})


def test_stats_tells_how_long_answers_took_by_their_outcome(
    tmp_path: Path, serve_control: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    stats: Result = {
        "rows": [{"name": "queries_udp", "count": 12, "meaning": "queries that came over UDP"}],
        "latencies": [
            {"outcome": "cached", "count": 9, "mean": 12, "p50": 16, "p99": 64},
            {"outcome": "failed", "count": 0, "mean": None, "p50": None, "p99": None},
        ],
        "silent_workers": [77],
    }
    path = tmp_path / "dns64d.sock"
    with serving_dns64d(path, serve_control, stats=lambda _: stats):
        assert nat64ctl.main(["stats", "dns64d", "--socket", str(path)]) == 0
    first, _, heading, cached, failed, silent = capsys.readouterr().out.splitlines()
    assert first == "12  queries_udp  queries that came over UDP"
    assert heading.split()[:2] == ["ANSWERS", "COUNT"]
    assert cached.split() == ["cached", "9", "12", "16", "64"]
    assert failed.split() == ["failed", "0", "-", "-", "-"]
    assert silent.split() == ["silent", "workers", "77"]


@pytest.mark.parametrize(
    ("words", "arguments"), [(["example.com"], {"name": "example.com"}), (["--all"], {})]
)
def test_flush_is_for_a_name_or_for_all(
    words: list[str],
    arguments: dict[str, str],
    tmp_path: Path,
    serve_control: Serve,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[Mapping[str, object]] = []

    def flush(given: Mapping[str, object]) -> Result:
        asked.append({name: value for name, value in given.items() if name != "offset"})
        return {"flushed": 3}

    path = tmp_path / "dns64d.sock"
    with serving_dns64d(path, serve_control, flush=flush):
        assert nat64ctl.main(["flush", *words, "--socket", str(path)]) == 0
    assert asked == [arguments]
    assert capsys.readouterr().out == "dns64d: 3 answers flushed\n"


@pytest.mark.parametrize("words", [[], ["example.com", "--all"]])
def test_flush_does_not_guess_what_is_meant(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        nat64ctl.main(["flush", *words])
    assert caught.value.code == 2


def test_upgrade_waits_until_the_new_program_serves(
    tmp_path: Path, serve_control: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([4, 4, 5])

    def status(_: Mapping[str, object]) -> Result:
        return {"pid": 77, "version": "1.2.4", "upgrades": next(answers)}

    path = tmp_path / "dns64d.sock"
    with serving_dns64d(path, serve_control, status=status, upgrade=lambda _: {"upgrades": 4}):
        assert nat64ctl.main(["upgrade", "dns64d", "--socket", str(path)]) == 0
    assert capsys.readouterr().out == "dns64d: runs version 1.2.4 as process 77\n"


def test_an_upgrade_that_is_never_served_is_told(
    tmp_path: Path,
    serve_control: Serve,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nat64ctl, "UPGRADED_WITHIN", 0.5)
    path = tmp_path / "dns64d.sock"
    with serving_dns64d(
        path, serve_control, status=lambda _: {"upgrades": 4}, upgrade=lambda _: {"upgrades": 4}
    ):
        assert nat64ctl.main(["upgrade", "dns64d", "--socket", str(path)]) == 1
    assert "the new program does not serve after" in capsys.readouterr().err
