"""nat64ctl: ask the running daemons what they do, and have them read their configs again."""

from __future__ import annotations

import argparse
import contextlib
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

UPGRADED_WITHIN: Final = 30.0
"""Seconds that a daemon has to run its program anew."""

EXAMPLES: Final = """\
examples:
  nat64ctl status                  what both daemons do
  nat64ctl stats                   what both have counted, and what that means
  nat64ctl hosts                   who holds which IPv4 address
  nat64ctl check-config dns64d     is the config on disk right, before a reload
  nat64ctl reload                  have both daemons read their configs again
  nat64ctl flush example.com       forget what is kept of answers about it and all below it
  nat64ctl upgrade dns64d          have it run the version that was installed since

exit status: 0 all well, 1 a daemon is not running or refused, 2 wrong usage or a mistake in a config
"""


class Mistaken(CommandFailed):
    """A config has mistakes; the text is one line for each."""


@dataclass(frozen=True, slots=True)
class Question:
    """One command of nat64ctl: which daemons it can go to, how it asks, and how it tells the answer."""

    summary: str
    daemons: tuple[str, ...]
    ask: Callable[[Path, argparse.Namespace], Result]
    tell: Callable[[Result], Iterable[str]]
    names: bool = False
    """Whether it is about a domain name, or all; then it goes to the one daemon that has such."""
    heading: bool = False
    """Whether the answers of several daemons need their names above them."""


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
            answers[daemon] = question.ask(options.socket or SOCKETS[daemon], options)
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
            if question.heading and len(answers) > 1:
                print(daemon)
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
        if question.names:
            which = command.add_mutually_exclusive_group(required=True)
            which.add_argument("name", nargs="?", metavar="NAME", help="this domain name, and all below it")
            which.add_argument("--all", action="store_true", help="all names")
            command.set_defaults(daemon=question.daemons[0])
        else:
            command.add_argument("daemon", nargs="?", choices=question.daemons, help="only this one")
        command.add_argument(
            "--socket", type=Path, metavar="PATH", help="its control socket (needs the daemon)"
        )
        command.add_argument("--json", action="store_true", help="print the answers as one JSON object")
    return parser


def _ask_status(path: Path, _: argparse.Namespace) -> Result:
    return client.ask(path, "status")


def _ask_hosts(path: Path, _: argparse.Namespace) -> Result:
    return {"rows": list(client.rows(path, "hosts"))}


def _ask_stats(path: Path, _: argparse.Namespace) -> Result:
    stats = client.ask(path, "stats")
    if stats.pop("next", None) is not None:
        stats["rows"] = list(client.rows(path, "stats"))
    return stats


def _ask_flush(path: Path, options: argparse.Namespace) -> Result:
    return client.ask(path, "flush", {} if options.all else {"name": options.name})


def _ask_upgrade(path: Path, _: argparse.Namespace) -> Result:
    """Have the daemon run its program anew, and wait until that serves."""
    before = client.ask(path, "upgrade").get("upgrades")
    deadline = time.monotonic() + UPGRADED_WITHIN
    while time.monotonic() < deadline:
        time.sleep(0.1)
        with contextlib.suppress(CommandFailed):  # for a moment nobody listens
            status = client.ask(path, "status")
            if status.get("upgrades") != before:
                return {name: status[name] for name in ("pid", "version")}
    raise CommandFailed(f"the new program does not serve after {UPGRADED_WITHIN:.0f} s; see the daemon's log")


def _ask_reload(path: Path, _: argparse.Namespace) -> Result:
    return client.ask(path, "reload")


def _ask_check_config(path: Path, _: argparse.Namespace) -> Result:
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
    return f"  {key:<13} {value}"


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
    yield from _tell_latencies(stats.get("latencies"))
    for key in ("cache", "silent_workers"):
        if key in stats:
            yield from _tell_value(key.replace("_", " "), stats[key])


def _tell_latencies(rows: object) -> Iterable[str]:
    """Write a table of how long answers took, in microseconds."""
    if not isinstance(rows, list) or not rows:
        return
    yield ""
    yield f"{'ANSWERS':<14}{'COUNT':>12}{'MEAN µs':>12}{'HALF BELOW':>12}{'99% BELOW':>12}"
    for row in rows:
        times = "".join(f"{'-' if row[key] is None else row[key]:>12}" for key in ("mean", "p50", "p99"))
        yield f"{row['outcome']:<14}{row['count']:>12}{times}"


def _tell_flush(answer: Result) -> Iterable[str]:
    yield f"{answer['daemon']}: {answer['flushed']} answers flushed"


def _tell_upgrade(answer: Result) -> Iterable[str]:
    yield f"{answer['daemon']}: runs version {answer['version']} as process {answer['pid']}"


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
        "what was counted, and how long answers took", _BOTH, _ask_stats, _tell_stats, heading=True
    ),
    "hosts": Question("which host holds which IPv4 address", ("nat64d",), _ask_hosts, _tell_hosts),
    "flush": Question("forget answers that are kept", ("dns64d",), _ask_flush, _tell_flush, names=True),
    "check-config": Question("check the config on disk", _BOTH, _ask_check_config, _tell_check),
    "reload": Question(
        "read the config again; a wrong one changes nothing", _BOTH, _ask_reload, _tell_reload
    ),
    "upgrade": Question(
        "run the program anew that is on disk now, without a pause; one that does not start changes nothing",
        ("dns64d",),
        _ask_upgrade,
        _tell_upgrade,
    ),
}

if __name__ == "__main__":
    sys.exit(main())
