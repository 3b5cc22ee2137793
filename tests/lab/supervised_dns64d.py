"""dns64d with its workers in a gateway's namespace, for tests that have a client ask it all the while."""

from __future__ import annotations

import contextlib
import importlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.lab.namespaces import Namespace, link, namespaces, stop, wait_until
from tests.lab.steady_asker import SteadyAsker

if TYPE_CHECKING:
    from collections.abc import Iterator

DNS64D: Final = Path(sys.executable).with_name("dns64d")
NAT64CTL: Final = Path(sys.executable).with_name("nat64ctl")
FORWARDER: Final = Path(__file__).with_name("fake_name_server.py")

SERVER, SECOND, SERVER4 = "2001:db8:64:1::1", "2001:db8:64:1::2", "192.0.2.1"
SYNTHESIZED = "2001:db8:64:ff9b::c000:221"
CONFIG = """
forwarder 127.0.0.1 port 5301
prefix 2001:db8:64:ff9b::/96
interfaces lan0
workers 2
"""


@dataclass(slots=True)
class SupervisedDaemon:
    """One dns64d in the gateway's namespace, in a directory that also another user reaches."""

    client: Namespace
    gateway: Namespace
    directory: Path
    process: subprocess.Popen[str] | None = None
    askers: list[SteadyAsker] = field(default_factory=list)

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(encoding="utf-8")

    @property
    def socket(self) -> str:
        return str(self.directory / "run" / "control.sock")

    def write(self, config: str) -> None:
        text = f"{config}\ncontrol-socket {self.socket}\n"
        (self.directory / "dns64.conf").write_text(text, encoding="utf-8")

    def start(self, *options: str, config: str = CONFIG, program: Path = DNS64D) -> None:
        self.write(config)
        with (self.directory / "log").open("w", encoding="utf-8") as log:
            self.process = self.gateway.popen(
                *(str(program), "-n", "-c", str(self.directory / "dns64.conf"), *options),
                stdout=log,
                stderr=log,
            )
        self.wait_for("msg=serving")

    def wait_for(self, text: str, times: int = 1) -> None:
        def seen() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log
            return self.log.count(text) >= times

        wait_until(seen, f"{text} in the log:\n{self.log}")

    def ctl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command, *more = words
        return self.gateway.run(str(NAT64CTL), command, *more, "--socket", self.socket, check=check)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.ctl("status", "dns64d", "--json").stdout)["dns64d"])

    def workers(self) -> list[int]:
        return [row["pid"] for row in self.status()["workers"]]

    def asked_steadily(self, pause: float) -> SteadyAsker:
        asker = SteadyAsker(self.client, SERVER, pause)
        self.askers.append(asker)
        return asker

    def end(self) -> None:
        for asker in self.askers:
            asker.end()
        if self.process is not None:
            stop(self.process)


@contextlib.contextmanager
def lan() -> Iterator[tuple[Namespace, Namespace]]:
    """Make a client and a gateway that has a forwarder on its loopback."""
    with namespaces("client", "gateway") as (client, gateway):
        link(client, "lan0", gateway, "lan0")
        for namespace, *addresses in (
            (client, "2001:db8:64:1::c/64", "192.0.2.10/24"),
            (gateway, f"{SERVER}/64", f"{SECOND}/64", f"{SERVER4}/24"),
        ):
            for address in addresses:
                namespace.run("ip", "address", "add", address, "dev", "lan0")
        forwarder = gateway.popen(sys.executable, str(FORWARDER), "it", "127.0.0.1", "5301")
        assert forwarder.stdout is not None
        assert forwarder.stdout.readline() == "serving\n"
        yield client, gateway


@contextlib.contextmanager
def supervised(client: Namespace, gateway: Namespace) -> Iterator[SupervisedDaemon]:
    """Make a daemon that can be started there, and end it."""
    with tempfile.TemporaryDirectory(prefix="dns64d-") as directory:
        Path(directory).chmod(0o755)
        Path(directory, "run").mkdir()
        Path(directory, "run").chmod(0o777)
        made = SupervisedDaemon(client, gateway, Path(directory))
        try:
            yield made
        finally:
            made.end()


def install(directory: Path) -> Path:
    """Make a dns64d that every user can run, by the host's own Python, as a bundle on a host."""
    found = subprocess.run(
        ["/usr/bin/python3", "-Ic", "import sys; print(sys.version_info >= (3, 11))"],
        check=False,
        capture_output=True,
        text=True,
    )
    if found.stdout != "True\n":
        pytest.skip("needs a /usr/bin/python3 of version 3.11 or later")
    for package in ("nat64", "dnslib", "logfmter", "pyroute2"):
        (source,) = importlib.import_module(package).__path__
        shutil.copytree(source, directory / "lib" / package, ignore=shutil.ignore_patterns("__pycache__"))
    program = directory / "dns64d"
    program.write_text(
        f"#!/usr/bin/python3 -I\nimport sys\nsys.path.insert(0, {str(directory / 'lib')!r})\n"
        "from nat64.commands.dns64d import main\nsys.exit(main())\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return program


def children(process: int) -> list[int]:
    """Return the processes that another one has started."""
    listed = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    return [int(word) for word in listed.split()]
