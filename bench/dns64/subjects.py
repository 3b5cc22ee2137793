"""The DNS64 servers that are measured: each with as many threads or processes as it is given cores, and a large cache."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.dns64 import queries
from bench.dns64.network import AUTHORITY, CLIENTS, RESOLVER4, RESOLVER6, start
from bench.dns64.processes import Processes
from tests.lab.distribution_daemons import TMP, inside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.dns64.network import Network

DNS64D: Final = Path(sys.executable).with_name("dns64d")
OURS: Final = "dns64d"
PEERS: Final = ("Unbound", "BIND", "pdns-recursor")
_FIRST_PORT: Final = 5301

_UNBOUND: Final = f"""server:
  username: ""
  chroot: ""
  directory: {TMP}
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  interface: {RESOLVER6}
  interface: {RESOLVER4}
  port: {{port}}
  {"  ".join(f"access-control: {network} allow{chr(10)}" for network in CLIENTS)}
  num-threads: {{cores}}
  so-reuseport: yes
  so-rcvbuf: 4m
  so-sndbuf: 4m
  msg-cache-size: 1g
  rrset-cache-size: 2g
  msg-cache-slabs: {{cores}}
  rrset-cache-slabs: {{cores}}
  infra-cache-slabs: {{cores}}
  key-cache-slabs: {{cores}}
  outgoing-range: 4096
  num-queries-per-thread: 2048
  module-config: "dns64 iterator"
  dns64-prefix: {queries.PREFIX}
forward-zone:
  name: "."
  forward-addr: {AUTHORITY}
remote-control:
  control-enable: no
"""
_BIND: Final = f"""options {{{{
  directory "{TMP}";
  listen-on port {{port}} {{{{ {RESOLVER4}; }}}};
  listen-on-v6 port {{port}} {{{{ {RESOLVER6}; }}}};
  pid-file none;
  recursion yes;
  allow-query {{{{ {"; ".join(CLIENTS)}; }}}};
  forward only;
  forwarders {{{{ {AUTHORITY}; }}}};
  dnssec-validation no;
  dns64 {queries.PREFIX} {{{{ clients {{{{ any; }}}}; }}}};
  max-cache-size 4g;
  recursive-clients 10000;
  empty-zones-enable no;
}}}};
controls {{{{ }}}};
"""
_PDNS: Final = f"""local-address={RESOLVER6},{RESOLVER4}
local-port={{port}}
allow-from={",".join(CLIENTS)}
forward-zones-recurse=.={AUTHORITY}
dont-query=
dnssec=off
dns64-prefix={queries.PREFIX}
threads={{cores}}
reuseport=yes
pdns-distributes-queries=no
max-cache-entries=8000000
max-packetcache-entries=4000000
packetcache-ttl=86400
socket-dir={TMP}
config-dir={TMP}
security-poll-suffix=
quiet=yes
loglevel=3
"""
_DNS64D: Final = f"""listen {RESOLVER6} port {{port}}
listen {RESOLVER4} port {{port}}
allow-query {" ".join(CLIENTS)}
forwarder {AUTHORITY}
prefix {queries.PREFIX}
workers {{cores}}
cache-size 4G
control-socket {{directory}}/control.sock
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """A running server: its port on the resolver's addresses, and how many cores it was configured for."""

    name: str
    cores: int
    port: int
    processes: Processes
    log: Path

    @property
    def has_several_caches(self) -> bool:
        """Whether each process or thread has a cache of its own, and the kernel gives any of them a name's queries."""
        return self.name == "pdns-recursor"

    @property
    def takes_trains(self) -> bool:
        """Whether a socket is to get many queries as one.

        Not where there may be several sockets, and who is asked depends on the query: the kernel looks at the first alone.
        """
        return self.cores == 1


@dataclass(frozen=True, slots=True)
class _Program:
    config: str
    command: Callable[[int], tuple[str, ...]]
    """What runs it among its files, by its number of cores."""
    files: str


_PROGRAMS: Final = {
    "Unbound": _Program(
        _UNBOUND, lambda _: ("/usr/sbin/unbound", "-d", "-p", "-c", f"{TMP}/unbound.conf"), "unbound.conf"
    ),
    "BIND": _Program(
        _BIND,
        lambda cores: ("/usr/sbin/named", "-g", "-n", str(cores), "-c", f"{TMP}/named.conf"),
        "named.conf",
    ),
    "pdns-recursor": _Program(
        _PDNS,
        lambda _: ("/usr/sbin/pdns_recursor", "--daemon=no", "--disable-syslog", f"--config-dir={TMP}"),
        "recursor.conf",
    ),
}


def start_all(network: Network, directory: Path, names: Sequence[str], cores: Sequence[int]) -> list[Subject]:
    """Start a server of each name for each number of cores, with its files below `directory`."""
    subjects: list[Subject] = []
    for count in cores:
        for name in names:
            port = _FIRST_PORT + len(subjects)
            own = directory / f"{name}-{count}"
            own.mkdir()
            own.chmod(0o755)
            command = _prepared(network, own, name, {"port": port, "cores": count, "directory": own})
            daemon = start(network.resolver, own, command)
            subjects.append(Subject(name, count, port, Processes(daemon.pid), own / "log"))
    return subjects


def _prepared(network: Network, directory: Path, name: str, values: dict[str, object]) -> tuple[str, ...]:
    """Write a server's config and return the command that starts it."""
    if name == OURS:
        path = directory / "dns64.conf"
        path.write_text(_accepted(_DNS64D.format(**values), path))
        return (str(DNS64D), "-n", "-q", "-c", str(path))
    program = _PROGRAMS[name]
    (directory / program.files).write_text(program.config.format(**values))
    return tuple(inside(network.programs, directory, *program.command(int(str(values["cores"])))))


def _accepted(config: str, path: Path) -> str:
    """Leave out the lines that this clone's dns64d does not know."""
    lines = config.splitlines()
    path.write_text(config)
    told = subprocess.run(
        [str(DNS64D), "--check", "-c", str(path)], check=False, capture_output=True, text=True
    ).stderr
    refused = {int(line.split(":")[1]) for line in told.splitlines() if line.startswith(f"{path}:")}
    for number in sorted(refused):
        print(f"bench: dns64d does not know {lines[number - 1]!r}; measured without it", file=sys.stderr)
    return "".join(f"{line}\n" for number, line in enumerate(lines, 1) if number not in refused)
