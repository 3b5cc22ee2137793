"""What the role resolver remembers of a BIND that it moves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from ansible_collections.nat64.gateway.plugins.modules import adopted_bind

CONFIG = 'options {\n    directory "/var/cache/bind";\n};\n'
CHECKED = (0, "", "")
REFUSED = (1, "", "no")


class FailedError(Exception):
    """The module's own word for it."""


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, Any]:
    config, include = tmp_path / "named.conf", tmp_path / "adopted.conf"
    config.write_text(CONFIG, encoding="utf-8")
    include.write_text("", encoding="utf-8")
    return {
        "config": str(config),
        "include": str(include),
        "checkconf": "named-checkconf",
        "record": str(tmp_path / "record"),
        "service": "named",
    }


def module(asked: dict[str, Any], checked: tuple[int, str, str] = CHECKED) -> Mock:
    return Mock(
        params=asked,
        check_mode=False,
        run_command=Mock(return_value=checked),
        fail_json=Mock(side_effect=FailedError),
    )


@pytest.mark.parametrize(("ran", "enabled"), [(True, True), (False, False), (True, False)])
def test_what_bind_was_before_its_first_move_is_told_when_it_is_given_back(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *, ran: bool, enabled: bool
) -> None:
    monkeypatch.setattr(adopted_bind, "is_running", lambda _: ran)
    monkeypatch.setattr(adopted_bind, "is_enabled", lambda _: enabled)
    assert adopted_bind._adopt(module(asked))["changed"]
    monkeypatch.setattr(adopted_bind, "is_running", lambda _: True)
    monkeypatch.setattr(adopted_bind, "is_enabled", lambda _: True)
    assert not adopted_bind._adopt(module(asked))["changed"]
    released = adopted_bind._release(module(asked))
    assert (released["ran"], released["enabled"]) == (ran, enabled)


def test_a_release_that_was_cut_short_finds_the_record_again(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopted_bind, "is_running", lambda _: False)
    monkeypatch.setattr(adopted_bind, "is_enabled", lambda _: False)
    adopted_bind._adopt(module(asked))
    assert adopted_bind._release(module(asked))["changed"]
    again = adopted_bind._release(module(asked))
    assert not again["changed"]
    assert not again["ran"]
    assert (tmp_path / "named.conf").read_text(encoding="utf-8") == CONFIG
    assert not (tmp_path / "named.conf.before-nat64").exists()


def test_a_record_without_the_service_means_one_that_ran(asked: dict[str, Any]) -> None:
    Path(asked["record"]).write_text(json.dumps({"file": asked["config"]}), encoding="utf-8")
    assert adopted_bind._release(module(asked))["ran"]


def test_a_config_that_is_refused_is_put_back(asked: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(FailedError):
        adopted_bind._adopt(module(asked, REFUSED))
    assert (tmp_path / "named.conf").read_text(encoding="utf-8") == CONFIG
