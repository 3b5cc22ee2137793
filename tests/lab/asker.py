"""Puts DNS messages on the wire from inside a namespace: for each line ``udp|tcp ADDRESS PORT HEX`` a line with the response.

The line is empty when none comes in time. `Asker` is the side of the test, where dnspython makes the questions and reads on.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import dns.exception
import dns.message
import dns.query

if TYPE_CHECKING:
    from tests.lab.namespaces import Namespace

SECONDS: Final = 8.0


class Asker:
    """A client in a namespace."""

    def __init__(self, namespace: Namespace) -> None:
        self._process = namespace.popen(
            sys.executable, "-u", __file__, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def ask(
        self,
        server: str,
        name: str,
        rdtype: str = "AAAA",
        *,
        port: int = 53,
        tcp: bool = False,
        **options: Any,  # noqa: ANN401 - dnspython's
    ) -> dns.message.Message:
        """Ask a question of `dns.message.make_query` and return the response, which has to be one to it."""
        query = dns.message.make_query(name, rdtype, **options)
        response = self.send(server, query, port=port, tcp=tcp)
        assert response is not None, f"no response to {name} {rdtype}"
        return response

    def send(
        self, server: str, query: dns.message.Message, *, port: int = 53, tcp: bool = False
    ) -> dns.message.Message | None:
        """Send a message as it is, and return the response, ``None`` for silence."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{'tcp' if tcp else 'udp'} {server} {port} {query.to_wire().hex()}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "the asker is gone"
        response = bytes.fromhex(line)
        return dns.message.from_wire(response) if response else None


def main() -> None:
    """Serve the lines of standard input."""
    for line in sys.stdin:
        transport, server, port, data = line.split()
        query = dns.message.from_wire(bytes.fromhex(data), continue_on_error=True)
        # A hostile server's lies may meet the client's own port, too; they are not from whom it asked.
        udp = functools.partial(dns.query.udp, ignore_unexpected=True)
        exchange = dns.query.tcp if transport == "tcp" else udp
        try:
            response = exchange(query, server, port=int(port), timeout=SECONDS).wire or b""
        except (OSError, EOFError, dns.exception.Timeout):
            response = b""
        sys.stdout.write(response.hex() + "\n")


if __name__ == "__main__":
    main()
