"""nat64ctl: ask the running daemons what they do, and have them read their configs again."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nat64 import __version__
from nat64.control import client
from nat64.control.protocol import CommandFailed, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SOCKETS: Final = {
    "nat64d": Path("/run/nat64d/control.sock"),
    "dns64d": Path("/run/dns64d/control.sock"),
}
"""Where each daemon's control socket is unless its config says otherwise (``control-socket``)."""

EXAMPLES: Final = """\
examples:
  nat64ctl status                  what both daemons do
  nat64ctl stats                   what the translator has counted, and what that means
  nat64ctl hosts                   who holds which IPv4 address
  nat64ctl check-config dns64d     is the config on disk right, before a reload
  nat64ctl reload                  have both daemons read their configs again

exit status: 0 all well, 1 a daemon is not running or refused, 2 wrong usage or a mistake in a config
"""


class Mistaken(CommandFailed):
    """A config has mistakes; the text is one line for each."""


@dataclass(frozen=True, slots=True)
class Question:
    """One command of nat64ctl: which daemons it can go to, how it asks, and how it tells the answer."""

    summary: str
    daemons: tuple[str, ...]
    ask: Callable[[Path], Result]
    tell: Callable[[Result], Iterable[str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run nat64ctl; return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.socket and not options.daemon:
        parser.error(f"--socket needs the daemon's name: nat64ctl {options.command} nat64d --socket PATH")
    question = QUESTIONS[options.command]
    answers: dict[str, Result] = {}
    status = 0
    for daemon in [options.daemon] if options.daemon else question.daemons:
        try:
            answers[daemon] = question.ask(options.socket or SOCKETS[daemon])
        except Mistaken as mistaken:
            print(mistaken, file=sys.stderr)
            status = 2
        except CommandFailed as failed:
            print(f"nat64ctl: {daemon}: {failed}", file=sys.stderr)
            status = max(status, 1)
    if options.json:
        json.dump(answers, sys.stdout, indent=2)
        print()
    else:
        for daemon, answer in answers.items():
            for line in question.tell({"daemon": daemon, **answer}):
                print(line)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nat64ctl",
        description="Ask nat64d and dns64d what they do.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"nat64ctl {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, question in QUESTIONS.items():
        command = commands.add_parser(name, help=question.summary, description=question.summary)
        command.add_argument("daemon", nargs="?", choices=question.daemons, help="only this one")
        command.add_argument(
            "--socket", type=Path, metavar="PATH", help="its control socket (needs the daemon)"
        )
        command.add_argument("--json", action="store_true", help="print the answers as one JSON object")
    return parser


def _ask_status(path: Path) -> Result:
    return client.ask(path, "status")


def _ask_hosts(path: Path) -> Result:
    return {"rows": list(client.rows(path, "hosts"))}


def _ask_stats(path: Path) -> Result:
    return {"rows": list(client.rows(path, "stats"))}


def _ask_reload(path: Path) -> Result:
    return client.ask(path, "reload")


def _ask_check_config(path: Path) -> Result:
    findings = client.ask(path, "check-config")
    mistakes = findings.get("mistakes")
    if isinstance(mistakes, list) and mistakes:
        raise Mistaken("\n".join(map(str, mistakes)))
    return findings


def _tell_status(status: Result) -> Iterable[str]:
    """Write a status as ``key  value`` lines, the daemon's name as their heading; counters at zero are left out."""
    started = status.pop("started", None)
    counters = status.get("counters")
    if isinstance(counters, dict):
        status["counters"] = {name: count for name, count in counters.items() if count}
    yield f"{status.pop('daemon')} {status.pop('version', '')}"
    if isinstance(started, int | float):
        yield _line("running for", f"{time.time() - started:.0f} s")
    for key, value in status.items():
        yield from _tell_value(key.replace("_", " "), value)
    yield ""


def _tell_value(key: str, value: object) -> Iterable[str]:
    if isinstance(value, dict):
        parts = (f"{name.replace('_', ' ')} {_text(part)}" for name, part in value.items())
        yield _line(key, ", ".join(parts) or "none")
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for row in value:
            yield from _tell_value(key, row)
    elif isinstance(value, list):
        yield _line(key, _text(value))
    else:
        yield _line(key, "none" if value is None else str(value))


def _text(value: object) -> str:
    """Write a value inside a line; of a list the members, of an empty one ``none``."""
    return (" ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)


def _line(key: str, value: str) -> str:
    return f"  {key:<14}{value}"


def _tell_hosts(hosts: Result) -> Iterable[str]:
    rows = hosts["rows"] if isinstance(hosts["rows"], list) else []
    prefixes = {row.get("prefix") or "none" for row in rows}
    width = max(map(len, prefixes)) + 2 if len(prefixes) > 1 else 0  # of a column that tells something
    yield f"{'HOST':<40}{'ADDRESS':<17}{'PREFIX'[:width]:<{width}}{'KIND':<9}LAST USED"
    for row in rows:
        used = row["last_used"]
        ago = "-" if used is None else f"{max(0, time.time() - used):.0f} s ago"
        prefix = f"{row.get('prefix') or 'none':<{width}}" if width else ""
        yield f"{row['host']:<40}{row['address']:<17}{prefix}{row['kind']:<9}{ago}"


def _tell_stats(stats: Result) -> Iterable[str]:
    """Write a line for each counter that is not zero, the largest numbers' width wide."""
    rows = stats["rows"] if isinstance(stats["rows"], list) else []
    counted = [row for row in rows if row["count"]]
    width = max((len(str(row["count"])) for row in counted), default=0)
    name_width = max((len(row["name"]) for row in counted), default=0)
    for row in counted:
        yield f"{row['count']:>{width}}  {row['name']:<{name_width}}  {row['meaning']}"
    if not counted:
        yield "nothing was counted so far"


def _tell_reload(answer: Result) -> Iterable[str]:
    yield from _tell_warnings(answer)
    yield f"{answer['daemon']}: reloaded"


def _tell_check(answer: Result) -> Iterable[str]:
    yield from _tell_warnings(answer)
    yield f"{answer['daemon']}: {answer.get('config')} is right"


def _tell_warnings(answer: Result) -> Iterable[str]:
    warnings = answer.get("warnings")
    for warning in warnings if isinstance(warnings, list) else ():
        yield f"warning: {warning}"


_BOTH: Final = ("nat64d", "dns64d")
QUESTIONS: Final = {
    "status": Question("what runs, and what it has done", _BOTH, _ask_status, _tell_status),
    "stats": Question(
        "what was counted, by direction, protocol and reason", ("nat64d",), _ask_stats, _tell_stats
    ),
    "hosts": Question("which host holds which IPv4 address", ("nat64d",), _ask_hosts, _tell_hosts),
    "check-config": Question("check the config on disk", _BOTH, _ask_check_config, _tell_check),
    "reload": Question(
        "read the config again; a wrong one changes nothing", _BOTH, _ask_reload, _tell_reload
    ),
}

if __name__ == "__main__":
    sys.exit(main())
