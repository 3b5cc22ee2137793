"""anycastd: looks each second whether this gateway serves, and has FRR announce what does."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
import time
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final

from nat64 import __version__
from nat64.addressing.prefix import Pref64
from nat64.anycast.marks import Marks
from nat64.anycast.rounds import Rounds, Service
from nat64.anycast.verdict import Verdict
from nat64.process import event_log, readiness
from nat64.process.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Sequence


log = logging.getLogger(__name__)

EPILOG: Final = """\
A prefix is announced while one of the addresses to ping answers through it, an address of DNS64 while it answers for the
name. TERM and INT withdraw all, and end after --drain. Without renewal the kernel withdraws after --hold by itself.
exit status: 0 all well, 1 it cannot run, 2 wrong usage
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run anycastd; return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.prefixes and not options.ping:
        parser.error("--prefix: without --ping nobody can tell whether it is translated")
    if not options.prefixes and not options.addresses:
        parser.error("there is nothing to announce; give --prefix or --address")
    if options.timeout >= options.interval or options.hold <= 2 * options.interval:
        parser.error("--timeout must be less than --interval, and --hold more than twice --interval")
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    event_log.start()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    marks = Marks(options.device)
    rounds = Rounds(
        marks=marks,
        services=_services(options),
        name=options.name,
        synthesized=tuple(options.synthesized),
        timeout=options.timeout,
        hold=options.hold,
    )
    try:
        rounds.withdraw()
        readiness.ready()
        _go_round(rounds, options.interval, ended)
        readiness.stopping()
        rounds.withdraw()
        log.info("withdrawn, draining", extra={"seconds": options.drain})
        time.sleep(options.drain)
    except (OSError, ProcessError) as error:
        print(f"anycastd: {error}", file=sys.stderr)
        return 1
    finally:
        marks.close()
    return 0


def _go_round(rounds: Rounds, interval: float, ended: threading.Event) -> None:
    """Go round until told to end. A TUN that is not there, as while it is made anew, is waited for."""
    due = time.monotonic()
    told = ""
    while not ended.wait(max(0.0, due - time.monotonic())):
        due = max(due + interval, time.monotonic())
        try:
            rounds.go()
            told = ""
        except ProcessError as error:
            if told != str(error):
                told = str(error)
                log.warning("cannot announce", extra={"why": told})
        readiness.notify("WATCHDOG=1")


def _services(options: argparse.Namespace) -> list[Service]:
    def verdict() -> Verdict:
        return Verdict(options.up_after, options.down_after)

    found = []
    for network in options.prefixes:
        pinged = tuple(IPv6Address(Pref64(network).embed(target.packed)) for target in options.ping)
        found.append(Service(network, verdict(), pinged))
    return [*found, *(Service(IPv6Network(address), verdict()) for address in options.addresses)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="anycastd",
        description="Has FRR announce this gateway's NAT64 prefixes and DNS64 addresses while they are served.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    several = {"action": "append", "default": []}
    add("--device", default="nat64", help="the TUN that the prefixes lead to (default nat64)")
    add("--prefix", dest="prefixes", type=_network, metavar="P", help="a NAT64 prefix to announce", **several)  # type: ignore[arg-type]
    add("--ping", type=IPv4Address, metavar="A", help="an IPv4 address to ping through each", **several)  # type: ignore[arg-type]
    add("--address", dest="addresses", type=IPv6Address, metavar="A", help="an address of DNS64", **several)  # type: ignore[arg-type]
    add("--name", default="ipv4only.arpa", help="the name to ask there (default ipv4only.arpa)")
    add("--synthesized", type=_network, metavar="P", help="a prefix that answers may lie in", **several)  # type: ignore[arg-type]
    add("--interval", type=float, default=1.0, metavar="S", help="seconds from round to round (default 1)")
    add("--timeout", type=float, default=0.8, metavar="S", help="seconds to wait for answers (default 0.8)")
    add("--down-after", type=_count, default=3, metavar="N", help="bad rounds to withdraw (default 3)")
    add("--up-after", type=_count, default=3, metavar="N", help="good rounds to announce (default 3)")
    add("--hold", type=_count, default=5, metavar="S", help="seconds that a mark lives (default 5)")
    add(
        "--drain",
        type=float,
        default=2.0,
        metavar="S",
        help="seconds to serve on when told to end (default 2)",
    )
    add("--version", action="version", version=f"anycastd {__version__}")
    return parser


def _network(word: str) -> IPv6Network:
    network = IPv6Network(word)
    if network.prefixlen not in {32, 40, 48, 56, 64, 96}:
        raise argparse.ArgumentTypeError(
            f"'{word}' is no NAT64 prefix; its length must be 32, 40, 48, 56, 64 or 96"
        )
    return network


def _count(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"'{word}' is not a number from 1 on")
    return int(word)


if __name__ == "__main__":
    sys.exit(main())
