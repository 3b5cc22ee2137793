"""Where the endurance campaign takes place: clients, the gateway with dns64d, and two scripted forwarders.

::

    client ─────────── gateway ─────────── upstream
      2001:db8:1::/48     │    2001:db8:2::/64
      192.0.2.0/24        └ dns64d

Bad clients stand in networks of their own within the clients', so that a limit for a client network is not one for good
clients, too. Forged sources are in 2001:db8:f::/48, which leads back to the client's host; half of it is answered.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.dns64.processes import Processes
from tests.endurance import forwarder, zones
from tests.lab.namespaces import Namespace, link, namespaces, stop, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[2]
DNS64D: Final = Path(sys.executable).with_name("dns64d")
SERVER6: Final = "2001:db8:1::1"
SERVER4: Final = "192.0.2.1"
GOOD: Final = ("2001:db8:1::c", "192.0.2.2")
BAD: Final = tuple(f"2001:db8:1:b{number}00::bad" for number in range(8))
FORWARDERS: Final = ("2001:db8:2::53", "2001:db8:2::54")
SMALL_DISK: Final = "256k"
_VICTIM: Final = "2001:db8:2::1"
_CONFIG: Final = f"""listen {SERVER6}
listen {SERVER4}
allow-query 2001:db8:1::/48 192.0.2.0/24 2001:db8:f::/49
{"".join(f"forwarder {address}{chr(10)}" for address in FORWARDERS)}prefix {zones.PREFIX}
retry 5
workers 2
cache-size 8M
rate-limit 500
tcp-idle 5
"""


@dataclass(slots=True)
class Gateway:
    """A running dns64d with its files: `disk` is a small one of its own."""

    namespace: Namespace
    directory: Path
    config: str
    """Without the query log."""
    tls: Path | None
    process: subprocess.Popen[str] = field(init=False)

    @property
    def config_path(self) -> Path:
        """Its config."""
        return self.directory / "dns64.conf"

    @property
    def log(self) -> Path:
        """What it said."""
        return self.directory / "log"

    @property
    def query_log(self) -> str:
        """The query log, as the daemon sees it."""
        return f"{self.directory}/disk/queries"

    @property
    def inside(self) -> Path:
        """The root directory as the daemon sees it."""
        return Path(f"/proc/{self.process.pid}/root")

    @property
    def control_socket(self) -> Path:
        """Its control socket."""
        return self.inside / "run/control.sock"

    @property
    def processes(self) -> Processes:
        """The supervisor and its workers."""
        return Processes(self.process.pid)

    def write_config(self, *, with_query_log: bool) -> None:
        """Write its config."""
        more = f"query-log {self.query_log}\n" if with_query_log else ""
        self.config_path.write_text(self.config + accepted(more, self.directory))

    def start(self, environment: dict[str, str]) -> None:
        """Start it and wait until it serves."""
        (self.directory / "disk").mkdir()
        self.write_config(with_query_log=False)
        mounts = f'mount -t tmpfs none /run && mount -t tmpfs -o size={SMALL_DISK} none "$0"'
        with self.log.open("w") as output:
            self.process = self.namespace.popen(
                *("sh", "-c", f'{mounts} && exec "$@"', str(self.directory / "disk")),
                *(str(DNS64D), "-n", "-c", str(self.config_path)),
                stdout=output,
                stderr=output,
                env=os.environ | environment,
            )
        wait_until(self._serves, "dns64d to serve", timeout=30)

    def _serves(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return "msg=serving" in self.log.read_text()


@dataclass(slots=True)
class Forwarders:
    """The scripted forwarders: each a process that may be away for a while."""

    namespace: Namespace
    seed: int
    intensity: float
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def start(self, address: str) -> None:
        """Start one and wait until it serves."""
        process = self.namespace.popen(
            *(sys.executable, "-m", forwarder.__name__),
            *(address, _VICTIM, str(self.seed), str(self.intensity)),
            cwd=ROOT,
            stderr=None,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        self.running[address] = process

    def stop(self, address: str) -> None:
        """End one, so that its host refuses what is sent there."""
        stop(self.running.pop(address))


@dataclass(frozen=True, slots=True)
class Place:
    """All of it."""

    client: Namespace
    gateway: Gateway
    forwarders: Forwarders


@contextlib.contextmanager
def place(directory: Path, seed: int, intensity: float, environment: dict[str, str]) -> Iterator[Place]:
    """Make the network with dns64d and the forwarders in it, and remove it whatever happens."""
    with namespaces("client", "gateway", "upstream") as (client, gateway, upstream):
        link(client, "lan0", gateway, "lan0")
        link(gateway, "wan0", upstream, "eth0")
        for namespace, device, addresses in (
            (client, "lan0", (f"{GOOD[0]}/48", f"{GOOD[1]}/24", *(f"{address}/48" for address in BAD))),
            (gateway, "lan0", (f"{SERVER6}/48", f"{SERVER4}/24")),
            (gateway, "wan0", (f"{_VICTIM}/64",)),
            (upstream, "eth0", tuple(f"{address}/64" for address in FORWARDERS)),
        ):
            for address in addresses:
                namespace.run("ip", "address", "add", address, "dev", device)
        gateway.run("ip", "route", "add", "2001:db8:f::/48", "via", GOOD[0])
        forwarders = Forwarders(upstream, seed, intensity)
        for address in FORWARDERS:
            forwarders.start(address)
        yield Place(client, _gateway(gateway, directory, environment), forwarders)


def _gateway(namespace: Namespace, directory: Path, environment: dict[str, str]) -> Gateway:
    pem = make_certificate(directory)
    tls = accepted(f"listen-tls {SERVER6} certificate {pem} key {pem}\n", directory)
    config = accepted(_CONFIG, directory) + "control-socket /run/control.sock\n" + tls
    gateway = Gateway(namespace, directory, config, pem if tls else None)
    gateway.start(environment)
    return gateway


def accepted(lines: str, directory: Path) -> str:
    """Return the lines of a config without those that this clone's dns64d does not know."""
    kept = []
    required = f"forwarder {FORWARDERS[0]}\n"
    path = directory / "probe.conf"
    for line in lines.splitlines(keepends=True):
        path.write_text(line if line == required else required + line)
        told = subprocess.run([str(DNS64D), "--check", "-c", str(path)], check=False, capture_output=True)
        if told.returncode == 0:
            kept.append(line)
    return "".join(kept)


def left_out(gateway: Gateway) -> Sequence[str]:
    """Return the lines that were wanted and that dns64d does not know."""
    there = gateway.config.splitlines()
    return [line for line in _CONFIG.splitlines() if line not in there] + (
        ["listen-tls"] if not gateway.tls else []
    )


def make_certificate(directory: Path) -> Path:
    """Write a self-signed certificate with its key and return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dns64.example")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=30))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path
