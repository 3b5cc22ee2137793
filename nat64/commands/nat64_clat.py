"""nat64-clat, the customer-side translator: its command line. What runs then is in `nat64_clat_service`."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nat64 import __version__
from nat64.addressing.prefix import Pref64
from nat64.process.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Sequence

REFUSED: Final = 1
"""Exit status when the system refuses something."""

_LONGEST_DEVICE_NAME: Final = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    from nat64.commands import nat64_clat_service  # noqa: PLC0415 - --help does without
    from nat64.process import privileges  # noqa: PLC0415 - as above

    try:
        return nat64_clat_service.run(
            nat64_clat_service.Invocation(
                uplink=options.uplink,
                device=options.device,
                prefix=options.prefix,
                resolvers=options.resolver,
                identity=privileges.look_up(options.user, None),
                user=options.user,
                state=options.state_directory,
                runtime=options.runtime_directory,
                debug=options.debug,
                program=Path(sys.argv[0]).resolve().with_name("nat64d"),
            )
        )
    except ProcessError as error:
        print(f"nat64-clat: {error}", file=sys.stderr)
        return REFUSED


def _prefix(word: str) -> Pref64:
    try:
        return Pref64(ipaddress.IPv6Network(word))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{word}' is no NAT64 prefix: {error}") from None


def _resolver(word: str) -> str:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{word}' is no address of a name server") from None
    return word


def _device(word: str) -> str:
    if not 0 < len(word.encode()) <= _LONGEST_DEVICE_NAME or "/" in word or word in {".", ".."}:
        raise argparse.ArgumentTypeError(
            f"'{word}' cannot name an interface; give at most {_LONGEST_DEVICE_NAME} characters without '/'"
        )
    return word


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nat64-clat",
        description="Give a host of an IPv6-only network IPv4, by way of its NAT64 (464XLAT, RFC 6877).",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--uplink", type=_device, metavar="DEVICE", help="interface [where the IPv6 default route leads]"
    )
    parser.add_argument(
        "--device", type=_device, default="nat64-clat", help="the TUN that IPv4 goes to [%(default)s]"
    )
    parser.add_argument("--prefix", type=_prefix, help="the NAT64 prefix [found by PREF64 or ipv4only.arpa]")
    parser.add_argument(
        "--resolver",
        type=_resolver,
        action="append",
        metavar="ADDRESS",
        help="name server to ask for ipv4only.arpa; repeatable [those of /etc/resolv.conf]",
    )
    parser.add_argument("--user", "-u", help="whom the translator becomes")
    parser.add_argument(
        "--state-directory",
        type=Path,
        default=Path(os.environ.get("STATE_DIRECTORY", "/var/lib/nat64-clat")),
        metavar="PATH",
        help="where the secret is that its addresses are made from [%(default)s]",
    )
    parser.add_argument(
        "--runtime-directory",
        type=Path,
        default=Path(os.environ.get("RUNTIME_DIRECTORY", "/run/nat64-clat")),
        metavar="PATH",
        help="where the translator's config and control socket are [%(default)s]",
    )
    parser.add_argument("--debug", "-d", action="store_true", help="log debug messages")
    parser.add_argument("--version", action="version", version=f"nat64-clat {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
