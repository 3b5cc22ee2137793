"""One libFuzzer run: `python -m tests.fuzz.atheris_run TARGET [libFuzzer's options and corpora]`."""

from __future__ import annotations

import logging
import sys

import atheris

with atheris.instrument_imports(include=["nat64.addressing", "nat64.config", "nat64.dns64", "nat64.siit"]):
    from tests.fuzz import config_target, dns64_query_target, dns64_reply_target, translator_target

TARGETS = {
    "translator": translator_target.run,
    "config": config_target.run,
    "dns64-query": dns64_query_target.run,
    "dns64-reply": dns64_reply_target.run,
}


def main() -> None:
    """Fuzz until the options say that it is enough, or an input breaks a promise."""
    logging.disable()  # forwarders fail by the thousand, and nobody reads of it
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
