"""nat64-clat's command line, and the secret that its addresses are made from."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from nat64.commands import nat64_clat
from nat64.commands.nat64_clat_service import own_secret
from nat64.process.errors import ProcessError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--prefix", "64:ff9b::/95"], "'64:ff9b::/95' is no NAT64 prefix"),
        (["--prefix", "64:ff9b::1/96"], "host bits"),
        (["--resolver", "gateway"], "'gateway' is no address"),
        (["--device", "longer-than-16-characters"], "at most 15 characters"),
        (["--uplink", "a/b"], "at most 15 characters"),
        (["--fast-path", "auto"], "unrecognized arguments"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_done(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        nat64_clat.main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_a_user_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert nat64_clat.main(["--user", "nobody-has-this-name"]) == 1
    assert capsys.readouterr().err.startswith("nat64-clat: no user 'nobody-has-this-name'; ")


def test_the_secret_is_made_once_and_is_roots_alone(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    secret = own_secret(directory)
    assert len(secret) == 32
    assert own_secret(directory) == secret
    assert own_secret(tmp_path / "other") != secret
    assert stat.S_IMODE((directory / "secret").stat().st_mode) == 0o600


def test_a_secret_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    secret = own_secret(tmp_path)
    assert len(secret) == 32
    assert own_secret(tmp_path) == secret


def test_where_no_secret_can_be_kept_it_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProcessError, match=r"cannot keep a secret in .*/file"):
        own_secret(tmp_path / "file")
