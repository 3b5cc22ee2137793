"""dns64d, the DNS64 server: its command line, totd 1.5's. What runs then is in `dns64d_service`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nat64 import __version__
from nat64.config import totd
from nat64.config.grammar import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nat64.config.dns64_config import Dns64Config

DEFAULT_CONFIG: Final = "/etc/nat64/dns64.conf"

EPILOG: Final = """\
signals: HUP reads the config again (a wrong one is told and changes nothing), TERM and INT end the server,
         USR2 runs the program anew that is on disk now, as the same process and without a pause (as nat64ctl upgrade)
exit status: 0 all well, 1 the server cannot start, 2 wrong usage or a mistake in the config
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run dns64d; return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.name_as and not options.check:
        parser.error("--name-as says what --check calls the file; give --check too")
    if options.http_port:
        parser.error(
            "-http-port was for totd's web server, which dns64d does not have; leave it out, use nat64ctl"
        )
    if not (options.ipv4 or options.ipv6 or options.both):
        parser.error("-no4 and -no6 leave nothing to serve; give one of them only")
    config = _read(options)
    if config is None:
        return 2
    if options.check:
        return 0
    return _run(options, config)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dns64d",
        description="DNS64 server: answers AAAA for names that only have A (RFC 6147).",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "-c", dest="config", metavar="FILE", default=DEFAULT_CONFIG, help=f"config (default {DEFAULT_CONFIG})"
    )
    add("-p", dest="port", type=_port, metavar="PORT", help="listen there, whatever the config's 'port' says")
    add("-6", dest="ipv6", action="store_true", default=True, help="serve clients over IPv6 (default)")
    add("-no6", dest="ipv6", action="store_false", help="do not serve over IPv6")
    add("-4", dest="ipv4", action="store_true", default=True, help="serve clients over IPv4 (default)")
    add("-no4", dest="ipv4", action="store_false", help="do not serve over IPv4")
    add("-64", dest="both", action="store_true", help="serve over both (default)")
    add("-u", dest="user", metavar="USER", help="become this user once the sockets are open")
    add("-g", dest="group", metavar="GROUP", help="become this group (default: the user's own)")
    add(
        "-t",
        dest="chroot",
        metavar="DIR",
        help="confine to this directory, which must hold the config to reload",
    )
    add(
        "-d",
        dest="debug",
        nargs="?",
        type=int,
        const=1,
        metavar="LEVEL",
        help="stay in the foreground and log; over 1: every detail (as in totd, no blank before LEVEL)",
    )
    add("-n", "--nodetach", action="store_true", help="stay in the foreground")
    add("-q", dest="quiet", action="store_true", help="log warnings and errors only")
    add("-http-port", dest="http_port", metavar="PORT", help=argparse.SUPPRESS)
    add("--check", action="store_true", help="only check the config")
    add("--name-as", metavar="PATH", help="with --check: call the file PATH in what is told about it")
    add("-v", "--version", action="version", version=f"dns64d {__version__}")
    return parser


def _port(word: str) -> int:
    if not word.isdigit() or not 1 <= int(word) <= 65535:
        raise argparse.ArgumentTypeError(f"'{word}' is not a port; give a number from 1 to 65535")
    return int(word)


def _read(options: argparse.Namespace) -> Dns64Config | None:
    """Read the config; tell its mistakes and, when only checking, its warnings."""
    name = options.name_as or options.config
    try:
        config = totd.read(Path(options.config), name, port=options.port)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return None
    except OSError as error:
        print(f"{name}: cannot be read: {error.strerror}; give the config with -c FILE", file=sys.stderr)
        return None
    if options.check:
        for warning in config.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    return config


def _run(options: argparse.Namespace, config: Dns64Config) -> int:
    """Serve until told to end."""
    from nat64.commands.dns64d_service import Settings, run  # noqa: PLC0415 - --check stays light
    from nat64.dns64.sockets import BindError, Families  # noqa: PLC0415 - as above
    from nat64.process.errors import ProcessError  # noqa: PLC0415 - as above
    from nat64.process.process_name import call_process  # noqa: PLC0415 - as above

    call_process("dns64d")
    settings = Settings(
        config_path=Path(options.config).absolute(),
        port=options.port,
        families=Families(ipv4=options.ipv4 or options.both, ipv6=options.ipv6 or options.both),
        user=options.user,
        group=options.group,
        chroot=options.chroot,
        detach=not (options.nodetach or options.debug is not None),
        quiet=options.quiet,
        verbose=options.debug is not None and options.debug > 1,
    )
    try:
        run(settings, config)
    except (BindError, ProcessError) as error:
        print(f"dns64d: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
