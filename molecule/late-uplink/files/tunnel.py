# ruff: noqa: INP001 - a program, copied to hosts
"""One end of a tunnel, Ethernet in UDP: tunnel.py LOCAL REMOTE SECONDS COMMAND...

Like the client of a tunnel broker it makes its interface, tnl0, only after a while: SECONDS. Each COMMAND is one of `ip`
that sets it up. What was there by then of the services that may not wait for it is written to /run/late-uplink.
"""

import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

PORT = 4789
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
TENTATIVE = 0x40
GLOBAL = "00"


def tentative() -> list[str]:
    """Return the interfaces that have a global address whose uniqueness is still being probed."""
    words = [line.split() for line in Path("/proc/net/if_inet6").read_text().splitlines()]
    return sorted({word[5] for word in words if word[3] == GLOBAL and int(word[4], 16) & TENTATIVE})


def main(local: str, remote: str, seconds: float, commands: list[str]) -> None:
    """Carry frames until killed."""
    seen = {"tentative": tentative()}
    time.sleep(seconds)
    seen["running"] = [path.parent.name for path in sorted(Path("/run").glob("*/control.sock"))]
    outer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    outer.bind((local, PORT))
    inner = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(inner, TUNSETIFF, struct.pack("16sH22x", b"tnl0", IFF_TAP | IFF_NO_PI))
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)  # noqa: S603, S607 - of the scenario
    Path("/run/late-uplink").write_text(json.dumps(seen))
    while True:
        ready, _, _ = select.select([outer.fileno(), inner], [], [])
        if inner in ready:
            outer.sendto(os.read(inner, 65535), (remote, PORT))
        if outer.fileno() in ready:
            os.write(inner, outer.recv(65535))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:])
