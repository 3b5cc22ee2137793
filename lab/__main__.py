"""Command line of the lab: `python -m lab up|down|status|run|demo|clean-cache`."""

import argparse
import os
import signal
import subprocess
import sys
from types import FrameType

from lab import demo, rootfs
from lab.errors import LabError
from lab.platforms import DEBIAN12, PLATFORMS, platform_named
from lab.progress import say
from lab.running import Lab, State
from lab.topology import DEFAULT_LAB, IN_LINE, TOPOLOGIES, Topology, topology_named


def main() -> int:
    """Do what the command line says; return the exit status."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        status: int = arguments.do(arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        command = " ".join(str(word) for word in error.cmd)
        print(
            f"lab: `{command}` failed with status {error.returncode}; what it said stands above",
            file=sys.stderr,
        )
        return 1
    except BrokenPipeError:
        # Whoever read our output has gone; nor can the interpreter flush to it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="Hosts to try nat64 on.")
    parser.add_argument(
        "--name", default=DEFAULT_LAB, help="which lab, if there are several (default: %(default)s)"
    )
    # Accepted after the verb too; SUPPRESS keeps the one from overwriting the other.
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    up = verbs.add_parser("up", parents=[common], help="boot the hosts")
    _add_gateway(up)
    up.add_argument(
        "--topology",
        metavar="NAME",
        type=_topology,
        default=IN_LINE,
        help="; ".join(f"{topology.name}: {topology.description}" for topology in TOPOLOGIES)
        + f"; fleet-N: N gateways and nobody else (default: {IN_LINE.name})",
    )
    up.set_defaults(do=_up)
    down = verbs.add_parser(
        "down", parents=[common], help="stop the hosts and remove all that belongs to the lab"
    )
    down.set_defaults(do=_down)
    status = verbs.add_parser("status", parents=[common], help="tell which hosts run")
    status.set_defaults(do=_status)
    run = verbs.add_parser("run", parents=[common], help="run a command on a host")
    run.add_argument("host")
    run.add_argument("command", nargs=argparse.REMAINDER)
    run.set_defaults(do=_run)
    show = verbs.add_parser("demo", parents=[common], help="show a gateway being made and used")
    show.add_argument("--keep", action="store_true", help="leave the lab up at the end")
    _add_gateway(show)
    show.set_defaults(do=_demo)
    clean = verbs.add_parser("clean-cache", help="remove the cached root file systems")
    clean.set_defaults(do=_clean_cache)
    return parser


def _add_gateway(verb: argparse.ArgumentParser) -> None:
    names = [platform.name for platform in PLATFORMS]
    verb.add_argument(
        "--gateway",
        metavar="PLATFORM",
        choices=names,
        default=DEBIAN12.name,
        help=f"what the gateway is: {', '.join(names)} (default: %(default)s)",
    )


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _topology(name: str) -> Topology:
    try:
        return topology_named(name)
    except LabError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _up(arguments: argparse.Namespace) -> int:
    lab = Lab(arguments.name, platform_named(arguments.gateway), arguments.topology)
    lab.up()
    host = lab.topology.hosts[0].name
    say(f"Lab {lab.name!r} is up. Try: python -m lab --name {lab.name} run {host} ping 2001:db8:64:1::1")
    return 0


def _down(arguments: argparse.Namespace) -> int:
    Lab(arguments.name).down()
    return 0


def _status(arguments: argparse.Namespace) -> int:
    lab = Lab(arguments.name)
    state = lab.state()
    say(f"lab {lab.name!r} is {state.value}")
    if state is not State.DOWN:
        say(f"  its gateway is {lab.gateway.name}: {lab.gateway.description}")
        say(f"  its topology is {lab.topology.name}: {lab.topology.description}")
    for container in lab.containers:
        init = container.init()
        say(f"  {container.host.name:10}" + (f"runs, PID {init.pid}" if init else "does not run"))
    return 0 if state is State.UP else 3


def _run(arguments: argparse.Namespace) -> int:
    words = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    command = Lab(arguments.name).container(arguments.host).command(words or ["bash", "-l"])
    return subprocess.run(command, check=False).returncode


def _demo(arguments: argparse.Namespace) -> int:
    lab = Lab(arguments.name, platform_named(arguments.gateway))
    return 0 if demo.run(lab, keep=arguments.keep) else 1


def _clean_cache(_arguments: argparse.Namespace) -> int:
    rootfs.remove(rootfs.cache_directory())
    return 0


if __name__ == "__main__":
    sys.exit(main())
