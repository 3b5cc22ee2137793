# ruff: noqa: INP001 - a program, fed to the host's python3
"""Describe a host line by line: what must be the same before a role came and after it went.

Fed to the host's own python3 with `save FILE` or `compare FILE`; the latter prints what differs, `+` what there is
that was not there and `-` what is missing, and ends with status 1 if anything does.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = ("/boot", "/etc", "/home", "/lib", "/opt", "/root", "/run", "/srv", "/usr", "/var")
# What a host changes by itself, or a package manager writes for its own use. The packages are listed by name.
# Debian's bind9 leaves /run/named behind until the next boot; its OpenRC keeps a cache over a reboot.
VOLATILE = re.compile(
    r"""
    /etc/ld\.so\.cache | /etc/\.pwd\.lock | /etc/(passwd|group|shadow|gshadow|subuid|subgid)-
  | /etc/resolv\.conf(\.bak)? | /etc/(adjtime|mtab|\.updated)
  | .*/__pycache__ | .*/\.ansible | /root/\.(bash|ash|lesshst|python_|history_frr)\w*
  | /run/(?!nat64|dns64|unbound|radvd) [^/]*
  | /usr/lib/rc/cache | /usr/share/(info/dir|mime|icons|doc|man|locale)
  | /var/(cache|log|tmp|spool) | /var/lib/(apt|dpkg|apk|dhcpcd|portage|logrotate|private|urandom)
  | /var/lib/systemd/(?!deb-systemd-helper) [^/]* | /var/db/(pkg|repos) | /var/lib/misc
    """,
    re.VERBOSE,
)
# Compared line by line.
USERS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow")
# Services that look at themselves: they come and go.
PASSING = {
    "sh",
    "sshd",
    "sftp-server",
    "python3",
    "(sd-pam)",
    "systemd-timedat",
    "systemd-hostnam",
    "agetty",
    "sudo",
}
PACKAGES = (
    ["dpkg-query", "--show", "--showformat=${Package} ${Version} ${db:Status-Status}\\n"],
    ["apk", "info", "-v"],
    ["qlist", "-Iv"],
)
SYSCTLS = "/proc/sys/net"
# Counts, caches and what the kernel works out anew, such as the key that the first listener with TCP Fast Open gets.
VOLATILE_SYSCTLS = re.compile(
    r".*(_count|/flush|/random|stable_secret|/max_pacing|nf_conntrack_\w*|tcp_\w*mem|tcp_fastopen_key)$|.*/neigh/.*"
)
# Flags of route.h: a cached one, and the host's own addresses, which come when duplicate address detection has ended.
VOLATILE_ROUTES = 0x01000000 | 0x80000000 | 0x00100000
LISTENING, UNCONNECTED = "0A", "07"


def description() -> Iterator[str]:
    """Yield everything that is compared."""
    for place in PLACES:
        yield from files(Path(place))
    for database in ("passwd", "group"):
        yield from (f"{database} {line}" for line in lines(f"/etc/{database}"))
    for database in ("shadow", "gshadow"):
        yield from (f"{database} {line.partition(':')[0]}" for line in lines(f"/etc/{database}"))
    yield from packages()
    yield from processes()
    yield from links()
    yield from listeners()
    yield from sysctls()


def files(place: Path) -> Iterator[str]:
    """Describe each file by owner, mode, size and, where configs are, content."""
    if place.is_symlink() or VOLATILE.fullmatch(str(place)):
        return
    for directory, subdirectories, names in os.walk(place):
        subdirectories[:] = [name for name in subdirectories if not VOLATILE.fullmatch(f"{directory}/{name}")]
        for name in [*subdirectories, *names]:
            path = Path(directory, name)
            if VOLATILE.fullmatch(str(path)) or str(path) in USERS:
                continue
            try:
                yield f"file {path} {one_file(path)}"
            except FileNotFoundError:
                continue


def one_file(path: Path) -> str:
    """Describe one file."""
    status = path.lstat()
    words = [stat.filemode(status.st_mode), f"{status.st_uid}:{status.st_gid}"]
    if stat.S_ISLNK(status.st_mode):
        words.append(f"-> {path.readlink()}" if hasattr(path, "readlink") else "")
    elif stat.S_ISREG(status.st_mode):
        words.append(str(status.st_size))
        if str(path).startswith("/etc/"):
            words.append(hashlib.sha256(path.read_bytes()).hexdigest()[:16])
    return " ".join(words)


def packages() -> Iterator[str]:
    """List the installed packages with their versions."""
    for command in PACKAGES:
        try:
            listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - from the list above
        except (FileNotFoundError, subprocess.CalledProcessError):
            continue
        yield from (f"package {line}" for line in listed.splitlines() if "config-files" not in line)


def processes() -> Iterator[str]:
    """List the programs that run, each once."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cmdline").read_bytes():
                found.add((entry / "comm").read_text(encoding="utf-8").strip())
        except OSError:
            continue
    yield from (f"runs {name}" for name in found - PASSING)


def links() -> Iterator[str]:
    """List the interfaces, their IPv6 addresses and the routes without what counts down."""
    for link in Path("/sys/class/net").iterdir():
        yield f"link {link.name}"
    for line in lines("/proc/net/if_inet6"):
        address, _, length, scope, _, name = line.split()
        yield f"address {address}/{int(length, 16)} scope {scope} {name}"
    for line in lines("/proc/net/route")[1:]:
        words = line.split()
        yield f"route {words[1]}/{words[7]} {words[2]} {words[0]}"
    for line in lines("/proc/net/ipv6_route"):
        words = line.split()
        if not int(words[8], 16) & VOLATILE_ROUTES:
            yield f"route {words[0]}/{words[1]} {words[4]} {words[9]}"


def listeners() -> Iterator[str]:
    """List the sockets that wait for others."""
    for protocol, state in (
        ("tcp", LISTENING),
        ("tcp6", LISTENING),
        ("udp", UNCONNECTED),
        ("udp6", UNCONNECTED),
    ):
        for line in lines(f"/proc/net/{protocol}")[1:]:
            words = line.split()
            if words[3] == state:
                yield f"listens {protocol} {words[1]}"


def sysctls() -> Iterator[str]:
    """List the network's kernel settings."""
    for directory, _, names in os.walk(SYSCTLS):
        for name in names:
            path = Path(directory, name)
            if VOLATILE_SYSCTLS.match(str(path)):
                continue
            try:
                value = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                continue
            yield f"sysctl {path.relative_to('/proc/sys')} {value}"


def lines(path: str) -> list[str]:
    """Read a table of the kernel; none where it has no such thing."""
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def main(verb: str, file: Path) -> int:
    """Save or compare."""
    now = set(description())
    if verb == "save":
        file.write_text("\n".join(sorted(now)), encoding="utf-8")
        return 0
    before = set(file.read_text(encoding="utf-8").splitlines())
    differing = [f"- {line}" for line in before - now] + [f"+ {line}" for line in now - before]
    print("\n".join(sorted(differing, key=lambda line: line[2:])))  # noqa: T201 - the answer
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
