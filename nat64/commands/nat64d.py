"""nat64d, the NAT64 translator: its command line. What runs then is in `nat64d_service`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nat64 import __version__
from nat64.commands.nat64d_config import read_config
from nat64.config.grammar import ConfigError
from nat64.process.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nat64.config.nat_config import NatConfig

DEFAULT_CONFIG: Final = Path("/etc/nat64/nat64.conf")
MISTAKE: Final = 2
"""Exit status for a config or a command line that is wrong."""
REFUSED: Final = 1
"""Exit status when the system refuses something."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        config = read_config(options.config, options.name_as)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return MISTAKE
    except OSError as error:
        print(
            f"{options.config}: cannot be read: {error.strerror}; give the config with -c FILE",
            file=sys.stderr,
        )
        return MISTAKE
    if options.check:
        for warning in config.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        return 0
    try:
        return _act(options, config)
    except ProcessError as error:
        print(f"nat64d: {error}", file=sys.stderr)
        return REFUSED


def _act(options: argparse.Namespace, config: NatConfig) -> int:
    """Make or remove the device, or run the daemon. Raises `ProcessError`."""
    from nat64.device import tun  # noqa: PLC0415 - `--check` does without
    from nat64.process import privileges  # noqa: PLC0415 - as above

    if options.rmtun:
        from nat64.commands import nat64d_fast_path  # noqa: PLC0415 - as above

        tun.remove(config.tun_device)
        nat64d_fast_path.remove_pins(config)
        return 0
    identity = privileges.look_up(options.user, options.group)
    if options.mktun:
        from nat64.commands import nat64d_fast_path  # noqa: PLC0415 - `--check` does without
        from nat64.commands.nat64d_service import configure_interface  # noqa: PLC0415 - as above
        from nat64.device import interface  # noqa: PLC0415 - as above

        tun.make_persistent(config.tun_device, identity.user, identity.group, queues=config.workers)
        nat64d_fast_path.make_pins(config, identity)
        interface.send_no_redirects(config.tun_device)
        configure_interface(config)
        return 0

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # one that comes early waits for its handler
    from nat64.commands import nat64d_service  # noqa: PLC0415 - `--check` does without

    return nat64d_service.run(
        config,
        nat64d_service.Invocation(
            config_path=options.config.absolute(),
            foreground=options.debug or options.nodetach,
            debug=options.debug,
            identity=identity,
            chroot=options.chroot,
            pidfile=options.pidfile.absolute() if options.pidfile else None,
        ),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nat64d",
        description="Translate between IPv6 and IPv4 (NAT64, RFC 7915) over a TUN device.",
        epilog="Without -d or -n it goes into the background.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "-c", "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="config [%(default)s]"
    )
    parser.add_argument(
        "-d", "--debug", action="store_true", help="stay in the foreground, and log debug messages"
    )
    parser.add_argument("-n", "--nodetach", action="store_true", help="stay in the foreground")
    parser.add_argument("-u", "--user", help="change to this user once the device is open")
    parser.add_argument("-g", "--group", help="change to this group")
    parser.add_argument("-r", "--chroot", action="store_true", help="chroot to the config's data-dir")
    parser.add_argument("-p", "--pidfile", type=Path, metavar="FILE", help="write the process id to FILE")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--mktun", action="store_true", help="create the persistent TUN device, and exit")
    action.add_argument("--rmtun", action="store_true", help="remove the persistent TUN device, and exit")
    action.add_argument("--check", action="store_true", help="check the config, and exit")
    parser.add_argument(
        "--name-as", metavar="PATH", help="what mistakes call the config, in place of its name"
    )
    parser.add_argument("--version", action="version", version=f"nat64d {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
