# noqa: INP001 - a script that the role sends, not a module
"""Look at a host before the resolver is set up on it, and say what stands in the way.

The role feeds this file to the host's own Python (``python3 - JSON``). It changes nothing, and prints JSON:
``findings``, each of which names the variable and the remedy, ``installed``, whether BIND is there, and ``left_over``,
the topics of handlers that an earlier run did not come to.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Wanted:
    """What the role's variables ask for, and what this platform calls things."""

    port: int
    forwarders: list[dict[str, Any]]
    binary: str
    unit: str
    drop_in: str
    applied: list[dict[str, Any]] = field(default_factory=list)


def findings(wanted: Wanted, listening: str, unit: str) -> list[str]:
    """Say everything that stands in the way.

    `listening` is what ``ss -H -tulnp`` shows for the port, `unit` what ``systemctl show`` tells of BIND's unit.
    """
    found: list[str] = []
    strangers = sorted(set(re.findall(r'\("([^"]*)",pid=', listening)) - {Path(wanted.binary).name})
    if strangers:
        found.append(
            f"resolver_port: {wanted.port} is taken by {', '.join(strangers)}; choose another, and name it in"
            " dns64_forwarders, too"
        )
    if "ActiveState=active" in unit.splitlines() and wanted.drop_in not in unit:
        found.append(
            f"resolver_mode: {wanted.unit} runs here with a config of its own, which this role would take from it;"
            " set resolver_mode to none, and name that server in dns64_forwarders"
        )
    found += [
        f"{variable}: there is no port {port}; choose one from 1 to 65535"
        for variable, port in (
            ("resolver_port", wanted.port),
            *(("resolver_forwarders", forwarder.get("port") or 53) for forwarder in wanted.forwarders),
        )
        if not 1 <= int(port) <= 65535
    ]
    for forwarder in wanted.forwarders:
        try:
            ipaddress.ip_address(str(forwarder["address"]))
        except ValueError:
            found.append(
                f"resolver_forwarders: '{forwarder['address']}' is not an IP address; write it as 192.0.2.53 or"
                " 2001:db8::53"
            )
    return found


def left_over(applied: list[dict[str, Any]]) -> list[str]:
    """Name the handlers' topics whose files are newer than what their running unit has taken from them.

    A run that failed or was cut short wrote those files and did not come to its handlers.
    """
    boot = time.time() - time.monotonic()
    found: list[str] = []
    for entry in applied:
        moment = f"{entry['since']}TimestampMonotonic"
        shown = _output("systemctl", "show", "--property=ActiveState", f"--property={moment}", entry["unit"])
        state = dict(line.split("=", 1) for line in shown.splitlines())
        written = [os.lstat(file).st_mtime for file in entry["files"] if os.path.lexists(file)]
        if state.get("ActiveState") == "active" and max(written, default=0) > boot + int(state[moment]) / 1e6:
            found.append(entry["topic"])
    return found


def report(wanted: Wanted) -> dict[str, Any]:
    """Look at the host and put together what the role needs to know."""
    try:
        listening = _output("ss", "-H", "-tulnp", f"sport = :{wanted.port}")
    except FileNotFoundError:
        return {
            "findings": ["the command 'ss' is missing; install iproute2"],
            "installed": False,
            "left_over": [],
        }
    unit = _output("systemctl", "show", "--property=ActiveState", "--property=DropInPaths", wanted.unit)
    return {
        "findings": findings(wanted, listening, unit),
        "installed": Path(wanted.binary).exists(),
        "left_over": left_over(wanted.applied),
    }


def _output(*command: str) -> str:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout  # noqa: S603 - the role's words


if __name__ == "__main__":
    print(json.dumps(report(Wanted(**json.loads(sys.argv[1])))))  # noqa: T201 - the answer to the role
