"""dns64d as a process in a namespace, for tests that need no more of it than that it serves."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.lab.namespaces import stop, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.lab.namespaces import Namespace

PROGRAM: Final = Path(sys.executable).with_name("dns64d")


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running dns64d."""

    process: subprocess.Popen[str]
    log: Path
    """The file that its log goes to."""

    @property
    def run(self) -> Path:
        """Its /run."""
        return Path(f"/proc/{self.process.pid}/root/run")


@contextlib.contextmanager
def dns64d(namespace: Namespace, directory: Path, config: str, *options: str) -> Iterator[Daemon]:
    """Run dns64d with this config until the block ends. What it writes to /run is its own, and gone with it."""
    directory.mkdir(parents=True, exist_ok=True)
    path, log = directory / "dns64.conf", directory / "log"
    path.write_text(config)
    with log.open("w") as output:
        process = namespace.popen(
            *("sh", "-c", 'mount -t tmpfs none /run && exec "$0" "$@"'),  # ip netns exec has its own mounts
            *(str(PROGRAM), "-n", "-c", str(path), *options),
            stdout=output,
            stderr=output,
        )

    def serves() -> bool:
        assert process.poll() is None, log.read_text()
        return "msg=serving" in log.read_text()

    try:
        wait_until(serves, "dns64d to serve")
        yield Daemon(process, log)
    finally:
        stop(process)
