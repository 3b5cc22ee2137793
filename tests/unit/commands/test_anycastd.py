"""anycastd's command line: what cannot work is refused before anything is announced."""

from __future__ import annotations

import pytest

from nat64.commands import anycastd


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prefix", "64:ff9b::/96"], "without --ping"),
        ([], "nothing to announce"),
        (["--prefix", "64:ff9b::/97", "--ping", "192.0.2.1"], "must be 32, 40"),
        (["--address", "2001:db8::53", "--hold", "2"], "--hold more than twice --interval"),
        (["--address", "2001:db8::53", "--timeout", "1"], "--timeout must be less"),
        (["--address", "2001:db8::53", "--up-after", "0"], "a number from 1 on"),
    ],
)
def test_what_cannot_work_is_wrong_usage(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        anycastd.main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
