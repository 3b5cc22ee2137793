"""Network namespaces for tests: made under a name of their own, removed with everything in them."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

PREFIX: Final = "nat64test"
_numbers = itertools.count()


class Namespace:
    """One network namespace with its loopback up. `close` ends what `popen` started, and removes it."""

    def __init__(self, role: str) -> None:
        self.name = f"{PREFIX}-{os.getpid()}-{next(_numbers)}-{role}"
        self._children: list[subprocess.Popen[str]] = []
        try:
            _command("ip", "netns", "add", self.name)
            self.run("ip", "link", "set", "lo", "up")
        except BaseException:  # also a Ctrl-C: nobody has this object yet to close it
            self.close()
            raise

    def run(self, *command: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command inside and return what it printed."""
        completed = subprocess.run(
            ["ip", "netns", "exec", self.name, *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and completed.returncode:
            raise AssertionError(f"{' '.join(command)}\n{completed.stdout}\n{completed.stderr}")
        return completed

    def popen(self, *command: str, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - passed on
        """Start a command inside; its output is piped, unless `options` say otherwise."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        child = subprocess.Popen(["ip", "netns", "exec", self.name, *command], **options)
        self._children.append(child)
        return child

    def python(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a Python script inside."""
        return self.run(sys.executable, "-c", script, *arguments)

    def sysctl(self, **values: int) -> None:
        """Set sysctls of the namespace; ``__`` in a name stands for ``.``."""
        for name, value in values.items():
            self.run("sysctl", "-qw", f"{name.replace('__', '.')}={value}")

    def close(self) -> None:
        """End the children and remove the namespace."""
        for child in self._children:
            stop(child)
        _command("ip", "netns", "del", self.name, check=False)


def link(
    one: Namespace, one_device: str, other: Namespace, other_device: str, *, mtu: int | None = None
) -> None:
    """Join two namespaces by a pair of virtual Ethernet devices, both up. IPv6 addresses are usable at once."""
    _command(
        *("ip", "link", "add", "name", one_device, "netns", one.name, "type", "veth"),
        *("peer", "name", other_device, "netns", other.name),
    )
    for namespace, device in ((one, one_device), (other, other_device)):
        namespace.run("sysctl", "-qw", f"net.ipv6.conf.{device}.accept_dad=0")
        if mtu is not None:
            namespace.run("ip", "link", "set", device, "mtu", str(mtu))
        namespace.run("ip", "link", "set", device, "up")


@contextlib.contextmanager
def namespaces(*roles: str) -> Iterator[tuple[Namespace, ...]]:
    """Make namespaces, and remove them whatever happens."""
    with contextlib.ExitStack() as stack:
        made = []
        for role in roles:
            namespace = Namespace(role)
            stack.callback(namespace.close)
            made.append(namespace)
        yield tuple(made)


def stop(child: subprocess.Popen[str], timeout: float = 10) -> int:
    """Ask a child to end, make it if it does not, and return its exit status."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    return child.returncode


def wait_until(condition: Callable[[], object], what: str, timeout: float = 20) -> None:
    """Wait until `condition` holds; fail with `what` when it does not in time."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


def _command(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=check, capture_output=True, text=True)
